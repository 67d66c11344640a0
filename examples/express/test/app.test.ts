import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createTenancy, loadMigrations, type Tenancy } from '@org/pg-tenant'
import { connectPostgres, type TestDatabase, uniqueName } from '@org/pg-tenant/testing'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { createApp } from '../src/app.ts'

const TENANTS = ['acme', 'globex']
const role = uniqueName('app')
const rolePrefix = `${uniqueName('t').slice(0, 12)}_`
let database: TestDatabase
let pool: pg.Pool
let adminPool: pg.Pool
let tenancy: Tenancy
let server: Server
let base: string

beforeAll(async () => {
  const postgres = await connectPostgres(inject('pgTenantServerUrl'))
  database = await postgres.createDatabase()
  adminPool = new pg.Pool({ connectionString: database.url, max: 1 })
  await adminPool.query(`create role ${role} login noinherit password 'app'`)
  const url = new URL(database.url)
  url.username = role
  url.password = 'app'
  pool = new pg.Pool({ connectionString: url.href, max: 4 })
  for (const each of [pool, adminPool]) each.on('error', () => {})
  const migrations = await loadMigrations(fileURLToPath(new URL('../migrations', import.meta.url)))
  tenancy = createTenancy({ pool, adminPool, migrations, rolePrefix })
  for (const tenant of TENANTS) await tenancy.provision(tenant)
  server = createApp(tenancy).listen(0, '127.0.0.1')
  await once(server, 'listening')
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.close()
  server.closeAllConnections()
  for (const tenant of TENANTS) await tenancy.drop(tenant)
  await pool.end()
  // The database goes first: what the role was granted in it would keep the role.
  const name = pg.escapeIdentifier(role)
  await adminPool.query(`drop owned by ${name}; drop role ${name}`)
  await adminPool.end()
  await database.drop()
})

interface Body {
  data?: { id: string; body: string }[]
  error?: { code: string; message: string }
}

async function send(tenant: string | undefined, path = '/notes', init: RequestInit = {}) {
  const headers = {
    'Content-Type': 'application/json',
    ...(tenant !== undefined && { 'X-Client-Key': tenant }),
    ...(init.headers as Record<string, string>),
  }
  const response = await fetch(base + path, { ...init, headers })
  return { status: response.status, body: (await response.json()) as Body }
}

const post = (tenant: string, body: string) => send(tenant, '/notes', { method: 'POST', body })

async function refusal(answer: ReturnType<typeof send>): Promise<string> {
  const { status, body } = await answer
  return `${status} ${body.error?.code}`
}

it('keeps two tenants apart that write and read at once', async () => {
  const wrote = await Promise.all(
    Array.from({ length: 60 }, (_, at) =>
      post(TENANTS[at % 2] ?? '', JSON.stringify({ body: TENANTS[at % 2] })),
    ),
  )
  expect(new Set(wrote.map(({ status }) => status))).toEqual(new Set([201]))
  for (const tenant of TENANTS) {
    const { body } = await send(tenant)
    expect(body.data).toHaveLength(30)
    expect(new Set(body.data?.map((note) => note.body))).toEqual(new Set([tenant]))
    expect(body.data?.at(-1)?.id).toBe('1')
  }
})

it('refuses a request without exactly one tenant that exists', async () => {
  expect(await refusal(send(undefined))).toBe('401 UNAUTHORIZED')
  expect(await refusal(send('initech'))).toBe('401 TENANT_NOT_FOUND')
  for (const key of ['ACME', '../x', 'acme, globex', 'c_acme"; drop schema'])
    expect(await refusal(send(key))).toBe('400 INVALID_TENANT_KEY')
})

it.each([
  '{',
  '[]',
  'null',
  '{"body":""}',
  '{"body":"a\\u0000"}',
  JSON.stringify({ body: 'x'.repeat(200_000) }),
])('refuses a note that is none: %.20s', async (sent) => {
  expect(await refusal(post('acme', sent))).toBe('400 VALIDATION_ERROR')
})

it('takes a note of several lines', async () => {
  const { status } = await post('acme', JSON.stringify({ body: 'one\ntwo\r\nthree' }))
  expect(status).toBe(201)
})

it('answers errors in the language of the client', async () => {
  const { status, body } = await send('acme', '/nowhere', { headers: { 'Accept-Language': 'pt-BR' } })
  expect([status, body.error]).toEqual([404, { code: 'NOT_FOUND', message: 'Não encontrado.' }])
})

it('refuses a handler that asks for another tenant than the request named', async () => {
  const query: Tenancy['query'] = (_key: string, text: never, ...rest: never[]) =>
    tenancy.query('globex', text, ...rest)
  const straying = createApp({ ...tenancy, query }).listen(0, '127.0.0.1')
  await once(straying, 'listening')
  const url = `http://127.0.0.1:${(straying.address() as AddressInfo).port}/notes`
  const response = await fetch(url, { headers: { 'X-Client-Key': 'acme' } })
  straying.close()
  straying.closeAllConnections()
  // What went wrong inside is for the log; the client learns only that it did.
  expect([response.status, await response.json()]).toMatchObject([500, { error: { code: 'INTERNAL_ERROR' } }])
})
