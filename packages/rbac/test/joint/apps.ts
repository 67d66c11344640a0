import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TenantAccess } from '@org/pg-tenant'
import * as tenantForExpress from '@org/pg-tenant/express'
import * as tenantForHono from '@org/pg-tenant/hono'
import express, { type Request } from 'express'
import { Hono } from 'hono'
import * as guardForExpress from '../../src/express/index.ts'
import * as guardForHono from '../../src/hono/index.ts'
import { catalog } from '../support/product.ts'
import type { Product } from './product.ts'

type Report = ReturnType<guardForExpress.ExpressGuard['checkRoutes']>

export interface App {
  readonly report: Report
  ask(method: string, path: string, headers: Record<string, string>): Promise<Response>
  close(): void
}

/** Any tenancy will do, that of a fleet too. */
type Parts = Pick<Product, 'resolve' | 'store'> & { readonly tenancy: TenantAccess }

export async function expressApp({ tenancy, resolve, store }: Parts): Promise<App> {
  const { requireAction, publicRoute, checkRoutes } = guardForExpress.createGuard({
    catalog,
    evaluator: (req: Request) => store.evaluatorFor({ tenant: req.tenant, actor: req.actor }),
  })
  const app = express()
  app.get('/health', publicRoute(), (_req, res) => void res.json('ok'))
  const api = express.Router()
  api.use(tenantForExpress.tenant(tenancy, { resolve }))
  api.get('/me', publicRoute(), ({ resolved: { tenant, actor, source } }, res) => {
    res.json({ tenant, actor, source })
  })
  api.get('/notes', requireAction('notes.item.read'), async (req, res) => {
    res.json((await req.tenancy.query('select body from notes order by body')).rows)
  })
  api.post('/notes', requireAction('notes.item.create'), async (req, res) => {
    await req.tenancy.query('insert into notes (body) values (gen_random_uuid())')
    res.status(201).json('made')
  })
  api.post('/pay', requireAction('billing.invoice.pay'), (_req, res) => void res.json('paid'))
  app.use('/v1', api)
  app.use(tenantForExpress.answerErrors())
  const report = checkRoutes(app)
  const server = createServer(app as RequestListener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    report,
    ask: (method, path, headers) =>
      fetch(base + path, { method, headers: { ...headers, connection: 'close' } }),
    close: () => server.close(),
  }
}

export async function honoApp({ tenancy, resolve, store }: Parts): Promise<App> {
  const { requireAction, publicRoute, checkRoutes } = guardForHono.createGuard<
    tenantForHono.TenantEnv,
    keyof typeof catalog.actions
  >({
    catalog,
    evaluator: (c) => store.evaluatorFor({ tenant: c.var.tenant, actor: c.var.actor }),
  })
  const app = new Hono<tenantForHono.TenantEnv>()
  app.onError(tenantForHono.answerErrors())
  app.get('/health', publicRoute(), (c) => c.json('ok'))
  app.use('/v1/*', tenantForHono.tenant(tenancy, { resolve }))
  app.get('/v1/me', publicRoute(), (c) => {
    const { tenant, actor, source } = c.var.resolved
    return c.json({ tenant, actor, source })
  })
  app.get('/v1/notes', requireAction('notes.item.read'), async (c) =>
    c.json((await c.var.tenancy.query('select body from notes order by body')).rows),
  )
  app.post('/v1/notes', requireAction('notes.item.create'), async (c) => {
    await c.var.tenancy.query('insert into notes (body) values (gen_random_uuid())')
    return c.json('made', 201)
  })
  app.post('/v1/pay', requireAction('billing.invoice.pay'), (c) => c.json('paid'))
  return {
    report: checkRoutes(app),
    ask: async (method, path, headers) => app.request(path, { method, headers }),
    close: () => {},
  }
}
