import { fromClaim, parseTenantKey, parseTrust } from '@org/core'
import { createTokenVerifier } from '@org/crypto/tokens'
import { answerErrors, type RequestTenancy, tenant } from '@org/pg-tenant/express'
import { createEvaluator } from '@org/rbac'
import { createGuard } from '@org/rbac/express'
import express, { type Express, type RequestHandler } from 'express'
import pg from 'pg'
import { catalog } from '../src/catalog.ts'
import { logUntenanted } from '../src/http/log.ts'
import { mount } from '../src/http/mount.ts'
import type { Hub } from '../src/hub/open-hub.ts'
import { userRoutes } from '../src/routes/users.ts'
import type { Contender } from './job.ts'
import { READABLE } from './unscoped-hub.ts'

/** One schema for all, as an application without tenants has it, with as many users as a tenant has. */
const SHARED = `create schema plain;
  create table plain."user" (like c_t1."user" including all);
  insert into plain."user" select * from c_t1."user";
  grant usage on schema plain to public; grant select on plain."user" to public; analyze plain."user"; ${READABLE}`

export async function makeSharedSchema(adminUrl: string): Promise<void> {
  const admin = new pg.Client(adminUrl)
  await admin.connect()
  await admin.query(SHARED)
  await admin.end()
}

/** `GET /v1/users` alone, with and without tenancy; all else is the same and the hub's own. */
export async function listOnly(hub: Hub, who: Exclude<Contender, 'hub' | 'unscoped'>): Promise<Express> {
  const app = express()
  app.disable('x-powered-by')
  app.use(hub.metrics.measure)
  app.use('/v1', who === 'scoped' ? scoped(hub) : unscoped(hub, who))
  const guard = createGuard<string>({ catalog, evaluator: await rightsOf(hub) })
  const list = userRoutes(hub).filter(({ method, path }) => method === 'get' && path === '/v1/users')
  mount(app, list, guard, hub)
  app.use(answerErrors())
  return app
}

/** Without the denylist: it is a table of each tenant. */
function verifierOf({ config, tokens }: Hub) {
  const { TOKEN_ISSUER: issuer, TOKEN_AUDIENCE: audience } = config
  return createTokenVerifier({ issuer, audience, keys: tokens.keys })
}

function scoped(hub: Hub): RequestHandler {
  const verifier = verifierOf(hub)
  const verifyToken = (token: string) => verifier.verify(token)
  return tenant(hub.tenancy, {
    // The pin of each scope refuses tenants that are not there, or suspended: nothing is looked up before.
    resolve: { sources: [fromClaim({ verifyToken })], directory: async () => ({ status: 'active' }) },
    onAccess: ({ level: _own, message, timestamp: _ownClock, ...line }) => hub.log.debug(line, message),
  })
}

function unscoped(hub: Hub, who: 'plain' | 'schemas'): RequestHandler[] {
  const verifier = verifierOf(hub)
  const { DATABASE_URL: connectionString, POOL_SIZE: max } = hub.config
  const pool = new pg.Pool({ connectionString, max, options: '-c search_path=plain' })
  const shared = { query: pool.query.bind(pool) } as Partial<RequestTenancy> as RequestTenancy
  const own = (tenant: string) => {
    const query = (text: string, values: unknown[]) =>
      pool.query(text.replaceAll('"user"', `"c_${tenant}"."user"`), values)
    return { query } as Partial<RequestTenancy> as RequestTenancy
  }
  const signedIn: RequestHandler = (req, _res, next) => {
    verifier
      .verify(String(req.headers.authorization).slice('Bearer '.length))
      .then(({ sub, type, tenantId }) => {
        Object.assign(req, {
          actor: { type, id: sub },
          tenant: tenantId,
          tenancy: who === 'plain' ? shared : own(String(tenantId)),
        })
        next()
      }, next)
  }
  return [logUntenanted(hub.log, parseTrust({})), signedIn]
}

/** Decided once, by what the first tenant's administrator may do: permissions are not what is compared. */
async function rightsOf(hub: Hub) {
  const { store } = await hub.governance.current()
  const evaluator = await hub.inTenant(parseTenantKey('t1'), async (db) => {
    const { rows } = await db.query<{ id: string }>(`select id from "user" where email = 'admin@example.com'`)
    return createEvaluator(catalog, await store.loadSnapshot(db, { type: 'user', id: String(rows[0]?.id) }))
  })
  return async () => evaluator
}
