import { dropDatabase } from '@org/pg-tenant'
import { Ajv2020 } from 'ajv/dist/2020.js'
import pg from 'pg'
import { expect, it } from 'vitest'
import { endpointsOf } from '../src/app.ts'
import { useWorld } from './support/world.ts'

const world = useWorld()

it('says how it is: the database answers, and how many tenants there are', async () => {
  await world.onboard('acme')
  const { status, body, headers } = await world.send('GET', '/health')
  expect([status, body.data.status, body.data.tenants]).toEqual([200, 'ok', { active: 2 }])
  expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
})

it('shows metrics to who has the token, and no tenant in them', async () => {
  await world.onboard('zebracorp')
  expect((await world.send('GET', '/metrics')).status).toBe(401)
  expect((await world.send('GET', '/metrics', { token: 'x'.repeat(48) })).status).toBe(401)
  const { status, text } = await world.send('GET', '/metrics', { token: world.config.METRICS_TOKEN })
  expect(status).toBe(200)
  expect(text).toMatch(
    /http_request_duration_seconds_count\{method="POST",route="\/v1\/tenants",status="201"\} \d/,
  )
  expect(text).toMatch(/pg_pool_connections\{pool="tenants",state="idle"\} \d/)
  expect(text).not.toContain('zebracorp')
})

it('makes a database for an app, whose user can do nothing else', async () => {
  const name = `shop_${Math.random().toString(36).slice(2, 8)}`
  const ask = (body: object) => world.send('POST', '/provision', { body })
  const admin_key = world.config.PROVISION_ADMIN_KEY
  const made = await ask({ app_name: name, admin_key })
  expect([made.status, Object.keys(made.body)]).toEqual([201, ['connection_string']])
  const client = new pg.Client(made.body.connection_string)
  await client.connect()
  try {
    await client.query('create table t (id int)')
    await expect(client.query('create role other')).rejects.toMatchObject({ code: '42501' })
    await expect(client.query('create database other')).rejects.toMatchObject({ code: '42501' })
  } finally {
    await client.end()
  }
  expect((await ask({ app_name: name, admin_key })).status).toBe(409)
  expect((await ask({ app_name: 'No', admin_key })).status).toBe(400)
  expect((await ask({ app_name: 'another', admin_key: 'wrong' })).status).toBe(401)
  const log = world.log.join('')
  expect(log).not.toContain(admin_key)
  expect(log).not.toContain(new URL(made.body.connection_string).password)
  expect(await dropDatabase(world.hub.adminPool, { app: name, confirm: name })).toBe(true)
})

it('documents every route in OpenAPI 3.1, each schema a valid one', async () => {
  const { status, body } = await world.send('GET', '/openapi.json')
  expect([status, body.openapi]).toEqual([200, '3.1.0'])
  const documented = Object.entries<Record<string, unknown>>(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  )
  expect(documented.sort()).toEqual(
    endpointsOf(world.hub)
      .map(({ method, path }) => `${method} ${path}`)
      .sort(),
  )
  const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true, uuid: true, email: true } })
  for (const schema of Object.values<object>(body.components.schemas)) {
    expect(ajv.validateSchema(schema)).toBe(true)
  }
})

it('answers what is not there in its own shape, and names no insides', async () => {
  const { status, body } = await world.send('GET', '/nowhere', { headers: { 'Accept-Language': 'pt-BR' } })
  expect(status).toBe(404)
  expect(body.error).toMatchObject({ code: 'NOT_FOUND', message: 'Não encontrado.' })
  const broken = await world.send('POST', '/provision', { body: '{"app_name":' })
  expect([broken.status, broken.body.error.code]).toEqual([400, 'VALIDATION_ERROR'])
})

it('serves its reference from its own files', async () => {
  const { text, headers } = await world.send('GET', '/reference')
  expect(headers.get('content-security-policy')).toContain("default-src 'none'")
  for (const [, file = ''] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
    expect(file).toMatch(/^\/reference\//)
    expect((await world.send('GET', file)).status).toBe(200)
  }
})
