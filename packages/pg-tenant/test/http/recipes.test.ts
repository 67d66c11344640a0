import { readFile } from 'node:fs/promises'
import * as nest from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import * as core from '@org/core'
import type { Request } from 'express'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import * as forExpress from '../../src/express/index.ts'
import { useWorld } from '../support/world.ts'

const world = useWorld()
const open: { close(): Promise<unknown> }[] = []
afterEach(() => Promise.all(open.splice(0).map((app) => app.close())))

/** The claims of `acme` for the token `acme`. */
const verifier = {
  verify: async (token: string): Promise<core.TokenClaims> => {
    if (token === 'bad') throw new core.TenancyError('INVALID_TOKEN', 'no')
    return { sub: 'ann', type: 'user', tenantId: token }
  },
}

/** Runs the first code block of a recipe as it stands. */
async function run(recipe: string, app: unknown): Promise<void> {
  const page = await readFile(new URL(`../../../../docs/recipes/${recipe}.md`, import.meta.url), 'utf8')
  const [, code = ''] = /```ts\n(.*?)```/s.exec(page) ?? []
  const body = code.replace(/import (\{.*?\}) from '(.*?)'/g, "const $1 = modules['$2']")
  const modules = { '@org/core': core, '@org/pg-tenant/express': forExpress, '@nestjs/common': nest }
  new Function('modules', 'app', 'tenancy', 'verifier', body)(modules, app, world.tenancy(), verifier)
}

const SCHEMA = 'select current_schema() as schema'

/** Notes over Fastify. `x-fail` makes the handler throw what nobody may see. */
async function overFastify(): Promise<string> {
  const app: FastifyInstance = fastify({ genReqId: () => 'req-1' })
  await run('fastify', app)
  app.all('/v1/notes', async (request: FastifyRequest & { resolved?: core.ResolvedTenant }) => {
    if (request.headers['x-fail']) throw new Error('secret 1234')
    const { rows } = await world.tenancy().query(request.resolved?.tenant ?? '', SCHEMA)
    return { tenant: core.currentTenant(), actor: core.currentActor().id, ...rows[0] }
  })
  open.push(app)
  return `${await app.listen({ port: 0, host: '127.0.0.1' })}/v1/notes`
}

class Notes {
  async all(request: Request) {
    if (request.headers['x-fail']) throw new Error('secret 1234')
    if (request.headers['x-missing']) throw new nest.NotFoundException('secret 1234')
    const { rows } = await request.tenancy.query(SCHEMA)
    return { tenant: core.currentTenant(), actor: core.currentActor().id, ...rows[0] }
  }
}
class App {}

// Decorators are functions: the syntax for them cannot be erased.
const method = Object.getOwnPropertyDescriptor(Notes.prototype, 'all') as PropertyDescriptor
nest.Controller('v1/notes')(Notes)
nest.All()(Notes.prototype, 'all', method)
nest.HttpCode(200)(Notes.prototype, 'all', method)
nest.Req()(Notes.prototype, 'all', 0)
nest.Module({ controllers: [Notes] })(App)

async function overNest(): Promise<string> {
  const app = await NestFactory.create(App, { logger: false })
  await run('nest', app)
  open.push(app)
  await app.listen(0, '127.0.0.1')
  return `${await app.getUrl()}/v1/notes`
}

const ask = (url: string, token: string, headers: Record<string, string> = {}, body = '{"a":1}') =>
  fetch(url, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
  })

describe.each([
  ['Fastify', overFastify],
  ['Nest', overNest],
])('the recipe for %s', (_name, start) => {
  it('finds the tenant, opens its context, and keeps requests apart', async () => {
    const url = await start()
    const tenants = Array.from({ length: 12 }, (_, at) => (at % 2 ? 'acme' : 'globex'))
    const answers = await Promise.all(tenants.map(async (tenant) => (await ask(url, tenant)).json()))
    expect(answers).toEqual(tenants.map((tenant) => ({ tenant, actor: 'ann', schema: `c_${tenant}` })))
  })

  it.each([
    ['a bad token', 'bad', {}, 401, 'INVALID_TOKEN'],
    ['an unknown tenant', 'nobody', {}, 401, 'TENANT_NOT_FOUND'],
    ['a header that disagrees', 'acme', { 'x-tenant-id': 'globex' }, 400, 'TENANT_MISMATCH'],
    ['a handler that fails', 'acme', { 'x-fail': '1' }, 500, 'INTERNAL_ERROR'],
  ])('answers %s in the standard form', async (_, token, headers, status, code) => {
    const answer = await ask(await start(), token, headers)
    const text = await answer.text()
    expect([answer.status, (JSON.parse(text) as core.ErrorBody).error.code]).toEqual([status, code])
    expect(text).not.toContain('1234')
    expect((JSON.parse(text) as core.ErrorBody).error.requestId).toBe(answer.headers.get('x-request-id'))
  })

  it('answers in the language asked for', async () => {
    const answer = await ask(await start(), 'bad', { 'accept-language': 'pt' })
    expect(await answer.json()).toMatchObject({ error: { message: 'O token é inválido.' } })
  })

  it('answers a body that the framework cannot read as bad input', async () => {
    const answer = await ask(await start(), 'acme', {}, '{ secret 1234')
    const text = await answer.text()
    expect([answer.status, (JSON.parse(text) as core.ErrorBody).error.code]).toEqual([
      400,
      'VALIDATION_ERROR',
    ])
    expect(text).not.toContain('1234')
  })
})

it("Nest's own exceptions are answered by their status", async () => {
  const answer = await ask(await overNest(), 'acme', { 'x-missing': '1' })
  expect([answer.status, await answer.json()]).toMatchObject([404, { error: { code: 'NOT_FOUND' } }])
})
