import { readFile } from 'node:fs/promises'
import * as nest from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import * as core from '@org/core'
import fastify, { type FastifyInstance } from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import * as forFastify from '../../src/fastify/index.ts'
import type { Tenancy } from '../../src/index.ts'
import * as forNest from '../../src/nest/index.ts'
import * as forWeb from '../../src/web/index.ts'
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

/** Runs the first code block of a recipe as it stands; returns what it names `result`. */
async function run(recipe: string, result: string, app?: unknown): Promise<unknown> {
  const page = await readFile(new URL(`../../../../docs/recipes/${recipe}.md`, import.meta.url), 'utf8')
  const [, code = ''] = /```ts\n(.*?)```/s.exec(page) ?? []
  const body = code.replace(/import (\{.*?\}) from '(.*?)'/g, "const $1 = modules['$2']")
  const modules = {
    '@org/core': core,
    '@org/pg-tenant/fastify': forFastify,
    '@org/pg-tenant/nest': forNest,
    '@org/pg-tenant/web': forWeb,
  }
  const program = new Function('modules', 'app', 'tenancy', 'verifier', `${body}\nreturn ${result}`)
  return program(modules, app, { ...world.tenancy(), close: async () => {} }, verifier)
}

const SCHEMA = 'select current_schema() as schema'

/** Notes over Fastify. `x-fail` makes the handler throw what nobody may see. */
async function overFastify(): Promise<string> {
  const app: FastifyInstance = fastify({ genReqId: () => 'req-1' })
  await run('fastify', 'undefined', app)
  await app.after()
  app.all('/v1/notes', async (request) => {
    if (request.headers['x-fail']) throw new Error('secret 1234')
    const { rows } = await request.tenancy.query(SCHEMA)
    return { tenant: core.currentTenant(), actor: core.currentActor().id, ...rows[0] }
  })
  open.push(app)
  return `${await app.listen({ port: 0, host: '127.0.0.1' })}/v1/notes`
}

class Notes {
  readonly tenancy: Tenancy

  constructor(tenancy: Tenancy) {
    this.tenancy = tenancy
  }

  async all(
    request: { headers: Record<string, string> },
    db: forNest.RequestTenancy,
    tenant: string,
    actor: core.Actor,
  ) {
    if (request.headers['x-fail']) throw new Error('secret 1234')
    if (request.headers['x-missing']) throw new nest.NotFoundException('secret 1234')
    const { rows } = await db.query(SCHEMA)
    expect(tenant).toBe(core.currentTenant())
    expect(await this.tenancy.query(tenant, SCHEMA)).toMatchObject({ rows })
    return { tenant, actor: actor.id, ...rows[0] }
  }

  open(tenant: string) {
    return tenant
  }
}

// Decorators are functions: the syntax for them cannot be erased.
const of = (name: 'all' | 'open') =>
  Object.getOwnPropertyDescriptor(Notes.prototype, name) as PropertyDescriptor
nest.Controller('v1/notes')(Notes)
nest.Inject(forNest.TENANCY)(Notes, undefined, 0)
nest.All()(Notes.prototype, 'all', of('all'))
nest.HttpCode(200)(Notes.prototype, 'all', of('all'))
for (const [at, decorator] of [
  nest.Req(),
  forNest.RequestDb(),
  forNest.CurrentTenant(),
  forNest.CurrentActor(),
].entries())
  decorator(Notes.prototype, 'all', at)
nest.Get('open')(Notes.prototype, 'open', of('open'))
forNest.WithoutTenant()(Notes.prototype, 'open', of('open'))
forNest.CurrentTenant()(Notes.prototype, 'open', 0)

const overNest = (adapter: () => ExpressAdapter | FastifyAdapter) => async (): Promise<string> => {
  class App {}
  nest.Module({
    imports: [(await run('nest', 'tenancyModule')) as nest.DynamicModule],
    controllers: [Notes],
  })(App)
  const app = await NestFactory.create(App, adapter(), { logger: false })
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
  ['Nest on Express', overNest(() => new ExpressAdapter())],
  ['Nest on Fastify', overNest(() => new FastifyAdapter())],
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

describe('Nest', () => {
  const start = overNest(() => new ExpressAdapter())

  it("answers Nest's own exceptions by their status", async () => {
    const answer = await ask(await start(), 'acme', { 'x-missing': '1' })
    expect([answer.status, await answer.json()]).toMatchObject([404, { error: { code: 'NOT_FOUND' } }])
    const unknown = await ask(`${await start()}/nowhere`, 'acme')
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { error: { code: 'NOT_FOUND' } }])
  })

  it('gives a handler without a tenant none, in words for whoever wrote it', async () => {
    const answer = await fetch(`${await start()}/open`)
    expect([answer.status, await answer.json()]).toMatchObject([500, { error: { code: 'INTERNAL_ERROR' } }])
  })

  it('makes its options from other providers, and closes the tenancy with the application', async () => {
    let closed = 0
    const tenancy: Tenancy = { ...world.tenancy(), close: async () => void closed++ }
    class Config {}
    const config = { provide: 'TENANCY_OF_CONFIG', useValue: tenancy }
    nest.Module({ providers: [config], exports: [config] })(Config)
    class App {}
    const useFactory = (one: Tenancy) => ({
      tenancy: one,
      resolve: async () => ({ tenant: 'acme', actor: { type: 'user', id: 'ann' }, source: 'claim' }) as never,
    })
    nest.Module({
      imports: [
        forNest.TenancyModule.forRootAsync({ imports: [Config], inject: ['TENANCY_OF_CONFIG'], useFactory }),
      ],
      controllers: [Notes],
    })(App)
    const app = await NestFactory.create(App, { logger: false })
    await app.listen(0, '127.0.0.1')
    const answer = await ask(`${await app.getUrl()}/v1/notes`, 'any')
    expect(await answer.json()).toEqual({ tenant: 'acme', actor: 'ann', schema: 'c_acme' })
    await app.close()
    expect(closed).toBe(1)
  })
})

describe('the recipe for Web handlers', () => {
  it('answers with the data of the tenant in the token, and of nobody else', async () => {
    const GET = (await run('web', 'GET')) as (request: Request) => Promise<Response>
    const of = (token: string) =>
      GET(new Request('https://api.example/notes', { headers: { authorization: `Bearer ${token}` } }))
    expect(await (await of('acme')).json()).toEqual({ data: [{ schema: 'c_acme' }] })
    expect(await (await of('globex')).json()).toEqual({ data: [{ schema: 'c_globex' }] })
    expect((await of('bad')).status).toBe(401)
  })
})
