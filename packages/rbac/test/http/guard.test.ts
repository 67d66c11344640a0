import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Controller, Get } from '@nestjs/common'
import { toErrorBody } from '@org/core'
import express, { type NextFunction, type Request, type Response } from 'express'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as forExpress from '../../src/express/index.ts'
import * as forHono from '../../src/hono/index.ts'
import * as forWeb from '../../src/web/index.ts'
import { acme, seeded, useRbac } from '../store/rbac-world.ts'
import { catalog } from '../support/product.ts'
import { codeOf } from '../support/world.ts'
import { type Ask, decorate, fastifyApp, nestApp, nestGuard, nestNotes, webAsk } from './more-apps.ts'

const rbac = useRbac()
const ids = { admin: '', member: '' }
let asked = 0

beforeAll(async () => {
  const store = rbac.store()
  ids.admin = await seeded(rbac, store, acme)
  await rbac.tenancy.withTenant(acme, async (db) => {
    ids.member = (await store.users.create(db, { email: 'm@example.com', name: 'M' })).id
    const group = await store.groups.create(db, { name: 'OWN' })
    await store.groups.addUser(db, group.id, ids.member)
    await store.groups.grant(db, group.id, { action: 'notes.item.read', constraints: { own: true } })
  })
})

const evaluatorOf = (user: string | undefined) => {
  asked += 1
  if (user === 'broken') return Promise.reject(new Error('secret'))
  return rbac.store().evaluatorFor({ tenant: acme, actor: { type: 'user', id: user ?? '' } })
}

function expressApp() {
  const guard = forExpress.createGuard({
    catalog,
    evaluator: (req: Request) => evaluatorOf(req.get('x-user')),
  })
  const app = express()
  const router = express.Router()
  router.get('/notes', guard.requireAction('notes.item.read', { onSomeRecords: true }), async (req, res) => {
    res.json((await guard.evaluatorOf(req)).where('notes.item.read'))
  })
  const resource = (req: Request) => ({ ownerId: req.get('x-owner') })
  router.get(
    '/notes/:id',
    guard.requireAction('notes.item.read', { resource }),
    (_req, res) => void res.json('note'),
  )
  router.post('/notes', guard.requireAction('notes.item.read'), (_req, res) => void res.json('made'))
  app.get('/health', guard.publicRoute(), (_req, res) => void res.json('ok'))
  app.use('/v1', router)
  app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
    const { status, body } = toErrorBody(error)
    res.status(status).json(body)
  })
  return { app, guard }
}

function honoApp() {
  const guard = forHono.createGuard({ catalog, evaluator: (c) => evaluatorOf(c.req.header('x-user')) })
  const app = new Hono()
  const api = new Hono()
  api.get('/notes', guard.requireAction('notes.item.read', { onSomeRecords: true }), async (c) =>
    c.json((await guard.evaluatorOf(c)).where('notes.item.read')),
  )
  api.get(
    '/notes/:id',
    guard.requireAction('notes.item.read', { resource: (c) => ({ ownerId: c.req.header('x-owner') }) }),
    (c) => c.json('note'),
  )
  api.post('/notes', guard.requireAction('notes.item.read'), (c) => c.json('made'))
  app.get('/health', guard.publicRoute(), (c) => c.json('ok'))
  app.route('/v1', api)
  app.onError((error, c) => {
    const { status, body } = toErrorBody(error)
    return c.json(body, status as 403)
  })
  return { app, guard }
}

const closers: (() => unknown)[] = []
afterAll(async () => {
  for (const close of closers) await close()
})
const at =
  (base: string): Ask =>
  (method, path, headers) =>
    fetch(base + path, { method, headers: { ...headers, connection: 'close' } })

async function overExpress(): Promise<Ask> {
  const server = createServer(expressApp().app as RequestListener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => void server.close())
  return at(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

async function overFastify(): Promise<Ask> {
  const { app } = fastifyApp(evaluatorOf)
  closers.push(() => app.close())
  return at(await app.listen({ port: 0, host: '127.0.0.1' }))
}

const overNest = (platform: 'express' | 'fastify') => async (): Promise<Ask> => {
  const guard = nestGuard(evaluatorOf)
  const app = await nestApp(platform, guard, nestNotes(guard))
  closers.push(() => app.close())
  await app.listen(0, '127.0.0.1')
  return at(await app.getUrl())
}

async function overHono(): Promise<Ask> {
  const { app } = honoApp()
  return async (method, path, headers) => app.request(path, { method, headers })
}

describe.each([
  ['express', overExpress],
  ['hono', overHono],
  ['fastify', overFastify],
  ['nest on express', overNest('express')],
  ['nest on fastify', overNest('fastify')],
  ['web', async () => webAsk(evaluatorOf)],
])('%s', (_name, open) => {
  it('decides each route', async () => {
    const ask = await open()
    const status = async (user: string, method: string, path: string, owner = '') =>
      (await ask(method, path, { 'x-user': ids[user as 'admin'] ?? user, 'x-owner': owner })).status
    expect([200, 201]).toContain(await status('admin', 'POST', '/v1/notes'))
    expect(await status('member', 'POST', '/v1/notes')).toBe(403)
    expect(await status('member', 'GET', '/v1/notes')).toBe(200)
    expect(await status('member', 'GET', '/v1/notes/1', ids.member)).toBe(200)
    expect(await status('member', 'GET', '/v1/notes/1', ids.admin)).toBe(403)
    expect(await status('nobody', 'GET', '/v1/notes')).toBe(403)
    expect(await status('nobody', 'GET', '/health')).toBe(200)
  })

  it('says the action and nothing else; asks once for a request', async () => {
    const ask = await open()
    const answer = await ask('POST', '/v1/notes', { 'x-user': ids.member })
    expect(await answer.json()).toEqual({
      error: {
        code: 'FORBIDDEN_ACTION',
        message: 'You may not do this.',
        details: { action: 'notes.item.read' },
      },
    })
    asked = 0
    await ask('GET', '/v1/notes', { 'x-user': ids.member })
    expect(asked).toBe(1)
  })

  it('lets nobody through when who asks cannot be told', async () => {
    const ask = await open()
    const answer = await ask('GET', '/v1/notes', { 'x-user': 'broken' })
    expect([answer.status, JSON.stringify(await answer.json()).includes('secret')]).toEqual([500, false])
  })
})

describe('the inventory', () => {
  const routes = [
    { method: 'GET', path: '/v1/notes', action: 'notes.item.read', public: false },
    { method: 'GET', path: '/v1/notes/:id', action: 'notes.item.read', public: false },
    { method: 'POST', path: '/v1/notes', action: 'notes.item.read', public: false },
    { method: 'GET', path: '/health', public: true },
  ]
  const sorted = <T extends { path: string; method: string }>(list: readonly T[]) =>
    [...list].sort((a, b) => `${a.path} ${a.method}`.localeCompare(`${b.path} ${b.method}`))

  it('lists the routes of both, and the actions no route takes', () => {
    const { app, guard } = expressApp()
    const report = guard.checkRoutes(app)
    expect(sorted(report.routes)).toEqual(sorted(routes))
    expect(report.unusedActions).toContain('billing.invoice.pay')
    expect(report.unusedActions).not.toContain('notes.item.read')
    const hono = honoApp()
    expect(sorted(hono.guard.checkRoutes(hono.app).routes)).toEqual(sorted(routes))
  })

  const refusal = (check: () => unknown) =>
    codeOf(Promise.resolve().then(check)).then((code) => expect(code).toBe('INVALID_OPTION'))

  it.each(['bare', 'late', 'nested', 'other method', 'beside', 'all', 'behind'])(
    'Express: %s fails',
    async (how) => {
      const { app, guard } = expressApp()
      const handler = (_req: Request, res: Response) => void res.json('x')
      const action = guard.requireAction('notes.item.read')
      const router = express.Router()
      if (how === 'bare') app.get('/x', handler)
      if (how === 'late') app.get('/x', handler, action)
      if (how === 'nested') app.use('/a', express.Router().use('/b', router))
      router.get('/x', handler)
      if (how === 'other method') app.route('/x').get(action, handler).post(handler)
      if (how === 'beside') app.use('/a', action).get('/b', handler)
      if (how === 'all') app.all('/x', handler)
      if (how === 'behind') app.get('/x', handler).use(action)
      await refusal(() => guard.checkRoutes(app))
    },
  )

  it('Express: a guard on the way counts', () => {
    const { app, guard } = expressApp()
    const router = express.Router()
    router.use(guard.requireAction('billing.invoice.pay'))
    router.get('/x', (_req, res) => void res.json('x'))
    app.use('/pay', router)
    expect(guard.checkRoutes(app).routes).toContainEqual({
      method: 'GET',
      path: '/pay/x',
      action: 'billing.invoice.pay',
      public: false,
    })
  })

  it.each(['bare', 'late', 'nested', 'all', 'use', 'beside', 'behind', 'own errors'])(
    'Hono: %s fails',
    async (how) => {
      const { app, guard } = honoApp()
      const action = guard.requireAction('notes.item.read')
      const sub = new Hono().get('/x', (c) => c.json('x'))
      if (how === 'bare') app.get('/x', (c) => c.json('x'))
      if (how === 'late') app.get('/x', (c) => c.json('x'), action)
      if (how === 'nested') app.route('/a', sub)
      if (how === 'all') app.all('/x', (c) => c.json('x'))
      if (how === 'use') app.use('/x', async (c, _next) => c.json('x'))
      if (how === 'beside') app.use('/a/*', action).get('/b', (c) => c.json('x'))
      if (how === 'behind') app.get('/a/x', (c) => c.json('x')).use('/a/*', action)
      if (how === 'own errors')
        app.route(
          '/a',
          sub.onError((_e, c) => c.json('e')),
        )
      await refusal(() => guard.checkRoutes(app))
    },
  )

  it('Hono: a guard on the way counts, also in an app with its own error handler', () => {
    const { app, guard } = honoApp()
    const sub = new Hono().onError((_e, c) => c.json('e'))
    sub.use('/*', guard.requireAction('billing.invoice.pay'))
    sub.get('/x', (c) => c.json('x'))
    app.route('/pay', sub)
    expect(guard.checkRoutes(app).routes).toContainEqual({
      method: 'GET',
      path: '/pay/x',
      action: 'billing.invoice.pay',
      public: false,
    })
  })

  const allOfThem = sorted(routes)

  it('Fastify: lists the routes, also of plugins, when all are there', async () => {
    const reports: unknown[] = []
    const { app } = fastifyApp(evaluatorOf, (report) => reports.push(...sorted(report.routes)))
    await app.ready()
    // Fastify answers HEAD wherever it answers GET, with the same guard.
    const heads = routes.flatMap((one) => (one.method === 'GET' ? [{ ...one, method: 'HEAD' }] : []))
    expect(reports).toEqual(sorted([...routes, ...heads]))
    await app.close()
  })

  it.each(['bare', 'late', 'nested', 'all'])('Fastify: %s fails, and nothing is served', async (how) => {
    const { app, guard } = fastifyApp(evaluatorOf)
    const action = guard.requireAction('notes.item.read')
    const first = async () => {}
    if (how === 'bare') app.get('/x', async () => 'x')
    if (how === 'late') app.get('/x', { preHandler: [first, action] }, async () => 'x')
    if (how === 'nested') app.register(async (inner) => void inner.get('/x', async () => 'x'))
    if (how === 'all') app.all('/x', async () => 'x')
    expect(await codeOf(app.listen({ port: 0, host: '127.0.0.1' }))).toBe('INVALID_OPTION')
    expect(app.server.listening).toBe(false)
    await app.close()
  })

  describe.each(['express', 'fastify'] as const)('Nest on %s', (platform) => {
    it('lists the handlers', async () => {
      const guard = nestGuard(evaluatorOf)
      const app = await nestApp(platform, guard, nestNotes(guard))
      expect(sorted(guard.checkRoutes(app).routes)).toEqual(allOfThem)
      await app.close()
    })

    it('one that nothing was said of fails, and is closed', async () => {
      const guard = nestGuard(evaluatorOf)
      class Forgotten {
        x() {
          return 'x'
        }
      }
      decorate(Forgotten, { x: [Get('x')] })
      Controller()(Forgotten)
      const app = await nestApp(platform, guard, [...nestNotes(guard), Forgotten])
      await refusal(() => guard.checkRoutes(app))
      await app.listen(0, '127.0.0.1')
      const answer = await at(await app.getUrl())('GET', '/x', { 'x-user': ids.admin })
      expect(answer.status).toBe(403)
      await app.close()
    })

    it('what was said of a handler holds for what another decorator, or somebody at run time, puts in its place', {
      tags: 'slow',
    }, async () => {
      const guard = nestGuard(evaluatorOf)
      class Mixed {
        inner() {
          return 'inner'
        }
        late() {
          return 'late'
        }
        open() {
          return 'open'
        }
      }
      const placed = (name: 'inner' | 'open', rules: readonly MethodDecorator[]) => {
        decorate(Mixed, { [name]: rules })
        const own = Mixed.prototype[name]
        Mixed.prototype[name] = function (this: Mixed, ...rest: []) {
          return own.apply(this, rest)
        }
        decorate(Mixed, { [name]: [Get(name)] })
      }
      placed('inner', [guard.RequireAction('billing.invoice.pay')])
      placed('open', [])
      decorate(Mixed, { late: [Get('late'), guard.RequireAction('billing.invoice.pay')] })
      guard.PublicRoute()(Mixed)
      Controller('mixed')(Mixed)
      const Bound = class extends Mixed {
        override late = super.late.bind(this)
      }
      Controller('bound')(Bound)
      const app = await nestApp(platform, guard, [Mixed, Bound])
      const use = { method: 'GET', action: 'billing.invoice.pay', public: false }
      expect(sorted(guard.checkRoutes(app).routes.filter(({ path }) => path.startsWith('/mixed')))).toEqual([
        { ...use, path: '/mixed/inner' },
        { ...use, path: '/mixed/late' },
        { method: 'GET', path: '/mixed/open', public: true },
      ])
      await app.listen(0, '127.0.0.1')
      const ask = at(await app.getUrl())
      for (const path of ['/mixed/inner', '/mixed/late', '/bound/inner', '/bound/late'])
        expect([path, (await ask('GET', path, { 'x-user': ids.member })).status]).toEqual([path, 403])
      expect((await ask('GET', '/mixed/open', {})).status).toBe(200)
      await app.close()
    })

    it('what is said of a handler goes before what is said of its controller, which heirs have too', async () => {
      const guard = nestGuard(evaluatorOf)
      class Base {
        open() {
          return 'open'
        }
      }
      class Heir extends Base {
        pay() {
          return 'paid'
        }
        own() {
          return 'own'
        }
      }
      decorate(Base, { open: [Get('open')] })
      decorate(Heir, { pay: [Get('pay'), guard.RequireAction('billing.invoice.pay')], own: [Get('own')] })
      guard.PublicRoute()(Base)
      Controller('heir')(Heir)
      const app = await nestApp(platform, guard, [Heir])
      expect(sorted(guard.checkRoutes(app).routes)).toEqual([
        { method: 'GET', path: '/heir/open', public: true },
        { method: 'GET', path: '/heir/own', public: true },
        { method: 'GET', path: '/heir/pay', action: 'billing.invoice.pay', public: false },
      ])
      await app.listen(0, '127.0.0.1')
      const ask = at(await app.getUrl())
      expect((await ask('GET', '/heir/pay', { 'x-user': ids.member })).status).toBe(403)
      expect((await ask('GET', '/heir/open', {})).status).toBe(200)
      await app.close()
    })
  })

  it('an unknown action fails when the guard is made', () => {
    const { guard } = expressApp()
    const wrong = '__proto__' as 'notes.item.read'
    expect(() => guard.requireAction(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})

it('a Web handler outside tenantHandler is refused in words, and leaves no rejection to nobody', async () => {
  const guard = forWeb.createGuard({
    catalog,
    evaluator: (its: { user: string }) => evaluatorOf(its.user),
  })
  const GET = guard.requireAction('notes.item.read', () => new Response('never'))
  const orphans: unknown[] = []
  const hear = (reason: unknown) => void orphans.push(reason)
  process.on('unhandledRejection', hear)
  try {
    const bare = GET as never as (request: globalThis.Request) => Promise<Response>
    expect(await codeOf(bare(new Request('http://localhost/notes')))).toBe('NO_TENANT_CONTEXT')
    expect(await codeOf(guard.evaluatorOf(undefined as never))).toBe('NO_TENANT_CONTEXT')
    await new Promise((resolve) => setImmediate(resolve))
    expect(orphans).toEqual([])
  } finally {
    process.off('unhandledRejection', hear)
  }
})
