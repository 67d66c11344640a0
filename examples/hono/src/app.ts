import { fromClaim, fromHeader, fromSubdomain } from '@org/core'
import type { Tenancy } from '@org/pg-tenant'
import { answerErrors, type TenantEnv, tenant } from '@org/pg-tenant/hono'
import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { bodyLimit } from 'hono/body-limit'
import { type Credentials, siteKeyCheck, whoAsks } from './auth.ts'
import { invalid, notFound } from './input.ts'
import { accessLog, errorLog, type Log, printJson } from './log.ts'
import { notesRoutes, publicRoutes } from './notes.ts'
import { type SiteSettings, settingsRoutes } from './settings.ts'

export interface Site {
  readonly tenancy: Tenancy
  readonly settings: SiteSettings
  readonly credentials: Credentials
  /** `acme.<domain>` is the address of the client `acme` (default `localhost`) */
  readonly domain?: string | undefined
  readonly log?: Log
}

/** The site's back end. Needs no socket: `createApp(…).request('/notes', …)` runs it in a test. */
export function createApp({ tenancy, settings, credentials, domain = 'localhost', log = printJson }: Site) {
  const sources = [
    fromClaim({ verifyToken: whoAsks(credentials) }),
    fromHeader({ names: ['X-Client-Key'] }),
    fromSubdomain({ baseDomains: [domain] }),
  ]
  const client = tenant(tenancy, { resolve: { sources } })
  // Visitors prove nothing; the address alone decides, for what is public anyway.
  const visitor = tenant(tenancy, { resolve: { sources, trustUnauthenticated: ['subdomain'] } })
  const limited = bodyLimit({ maxSize: 64 * 1024, onError: () => invalid('body') })

  const app = new Hono<TenantEnv>()
  app.onError(answerErrors({ onError: errorLog(log) }))
  app.use(accessLog(log))
  // What a client was told is nobody else's, and no cache's.
  app.use((c, next) => next().then(() => c.header('Cache-Control', 'no-store')))

  // Says that the process answers; it does not ask the database.
  app.get('/health', (c) => c.json({ data: { status: 'ok' } }))

  // A new client: its schema, role, rights and tables, all or nothing. Repeating it completes and changes nothing.
  app.put('/clients/:key', bearerAuth({ verifyToken: siteKeyCheck(credentials) }), async (c) => {
    const key = c.req.param('key')
    const { created } = await tenancy.provision(key)
    return c.json({ data: { key } }, created ? 201 : 200)
  })

  // From here on every request has exactly one client: c.var.tenancy is its data.
  app.use('/public/*', visitor).route('/public', publicRoutes())
  app.use('/notes/*', client, limited).route('/notes', notesRoutes(settings))
  app.use('/settings/*', client, limited).route('/settings', settingsRoutes(settings))
  app.all('*', notFound)
  return app
}
