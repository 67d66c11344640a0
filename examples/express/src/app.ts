import {
  fromApiKey,
  fromClaim,
  fromHeader,
  isTenancyError,
  parseTrust,
  requireActive,
  TenancyError,
} from '@org/core'
import { authenticateApiKey } from '@org/crypto/api-keys'
import { limit } from '@org/governance/rate-limit/express'
import { answerErrors, type TenantOptions, tenant } from '@org/pg-tenant/express'
import { createGuard } from '@org/rbac/express'
import express, { type Express, type Request, type RequestHandler } from 'express'
import { catalog } from './catalog.ts'
import { serveAdmin } from './http/admin.ts'
import type { Endpoint } from './http/endpoint.ts'
import { logUntenanted } from './http/log.ts'
import { methodsOf, mount } from './http/mount.ts'
import { openApiDocument } from './http/openapi.ts'
import { serveReference } from './http/reference.ts'
import { traced } from './http/traced.ts'
import type { Hub } from './hub/open-hub.ts'
import { apiKeyRoutes } from './routes/api-keys.ts'
import { auditRoutes } from './routes/audit.ts'
import { authRoutes } from './routes/auth.ts'
import { brandingRoutes } from './routes/branding.ts'
import { catalogueRoutes } from './routes/catalogue.ts'
import { clusterRoutes } from './routes/clusters.ts'
import { groupRoutes } from './routes/groups.ts'
import { healthRoutes } from './routes/health.ts'
import { integrationCredentialRoutes } from './routes/integration-credentials.ts'
import { lookAfterRoutes } from './routes/look-after.ts'
import { meRoutes } from './routes/me.ts'
import { permissionRoutes } from './routes/permissions.ts'
import { provisionRoutes } from './routes/provision.ts'
import { settingRoutes } from './routes/settings.ts'
import { supportRoutes } from './routes/support.ts'
import { tenantConfigRoutes } from './routes/tenant-config.ts'
import { tenantInsideRoutes } from './routes/tenant-inside.ts'
import { tenantLimitRoutes } from './routes/tenant-limits.ts'
import { tenantPackageRoutes } from './routes/tenant-packages.ts'
import { tenantRoutes } from './routes/tenants.ts'
import { usageRoutes } from './routes/usage.ts'
import { userRoutes } from './routes/users.ts'
import { webhookRoutes } from './routes/webhooks.ts'

/** Every route of the hub; the OpenAPI document is made of the same list. */
export function endpointsOf(hub: Hub): Endpoint[] {
  return [
    ...healthRoutes(hub),
    ...provisionRoutes(hub),
    ...authRoutes(hub),
    ...userRoutes(hub),
    ...apiKeyRoutes(hub),
    ...auditRoutes(hub),
    ...usageRoutes(hub),
    ...webhookRoutes(hub),
    ...brandingRoutes(),
    ...groupRoutes(hub),
    ...meRoutes(hub),
    ...permissionRoutes(hub),
    ...settingRoutes(hub),
    ...integrationCredentialRoutes(hub),
    ...tenantConfigRoutes(),
    ...tenantRoutes(hub),
    ...tenantPackageRoutes(hub),
    ...tenantLimitRoutes(hub),
    ...tenantInsideRoutes(hub),
    ...supportRoutes(hub),
    ...lookAfterRoutes(hub),
    ...clusterRoutes(hub),
    ...catalogueRoutes(hub),
  ]
}

/** The hub over HTTP. Fails when a route has neither an action nor is public. */
export function createApp(hub: Hub): Express {
  const app = express()
  app.disable('x-powered-by')
  app.enable('case sensitive routing')
  const guard = createGuard<string>({
    catalog,
    evaluator: async ({ tenant, actor }) =>
      (await hub.governance.current()).store.evaluatorFor({ tenant, actor }),
  })

  if (hub.config.TRUSTED_PROXIES.length > 0) app.set('trust proxy', hub.config.TRUSTED_PROXIES)
  app.use(traced)
  app.use(hub.metrics.measure)
  // In front of all that costs something: nobody has proven yet who they are.
  app.use('/v1', limit(hub.limiter, 'address', byAddress))
  app.use('/v1/auth', limit(hub.limiter, 'login', byAddress))
  app.use('/v1', whoseRequest(hub))
  app.use(unless('/v1', logUntenanted(hub.log, parseTrust(trustOf(hub)))))
  const endpoints = endpointsOf(hub)
  mount(app, endpoints, guard, hub)
  serveAdmin(app, guard)
  serveReference(app, openApiDocument(endpoints, hub.config.TOKEN_ISSUER), guard)
  finish(app, hub, endpoints)
  guard.checkRoutes(app)
  return app
}

/** What a worker answers: how it is. */
export function createWorkerApp(hub: Hub): Express {
  const app = express()
  app.disable('x-powered-by')
  const guard = createGuard<string>({ catalog, evaluator: () => Promise.reject(noRoute()) })
  const endpoints = healthRoutes(hub)
  mount(app, endpoints, guard, hub)
  finish(app, hub, endpoints)
  guard.checkRoutes(app)
  return app
}

function finish(app: Express, hub: Hub, endpoints: readonly Endpoint[]): void {
  app.use(({ path }) => {
    const methods = methodsOf(endpoints, path)
    throw methods.length > 0 ? notByThat(methods) : noRoute()
  })
  app.use(answerErrors({ onError: onError(hub) }))
}

function noRoute(): TenancyError {
  return new TenancyError('NOT_FOUND', 'There is no such route.')
}

function notByThat(methods: readonly string[]): TenancyError {
  const allow = methods.join(', ')
  return new TenancyError('METHOD_NOT_ALLOWED', `This route answers ${allow}.`, { details: { allow } })
}

/** Routes of `/v1/auth` only name their tenant; on all others somebody has proven who they are. */
function whoseRequest(hub: Hub): RequestHandler {
  const { tenancy, tokens, control, apiKeys, directory, log } = hub
  const verifyToken = (token: string) => tokens.verifier.verify(token)
  const keys: Parameters<typeof authenticateApiKey>[0] = {
    apiKeys,
    directory,
    control,
    // First: a good key of a tenant that has left meanwhile is refused as that.
    withTenant: async (tenant, fn) => {
      await requireActive(tenancy.lookup, tenant)
      return await tenancy.withTenant(tenant, fn)
    },
  }
  const shared: Omit<TenantOptions, 'resolve'> = {
    onAccess: ({ level, message, timestamp: _ownClock, ...line }) => log[level](line, message),
    onError: onError(hub),
  }
  const trust = trustOf(hub)
  const signedIn = tenant(tenancy, {
    ...shared,
    resolve: {
      sources: [
        fromClaim({ verifyToken }),
        fromApiKey({ authenticateApiKey: (text) => authenticateApiKey(keys, text) }),
        fromHeader(),
      ],
      trust,
    },
  })
  const named = tenant(tenancy, {
    ...shared,
    resolve: { sources: [fromHeader()], trustUnauthenticated: ['header'], trust },
  })
  return (req, res, next) => (req.path.startsWith('/auth/') ? named : signedIn)(req, res, next)
}

const byAddress = ({ ip }: Request) => ({ address: ip })

function unless(prefix: string, handler: RequestHandler): RequestHandler {
  return (req, res, next) =>
    req.path === prefix || req.path.startsWith(`${prefix}/`) ? next() : handler(req, res, next)
}

function trustOf({ config }: Hub) {
  return config.TRUSTED_PROXIES.length > 0 ? { proxies: config.TRUSTED_PROXIES } : {}
}

/** The seam for an error tracker: what our own errors say is safe; of others only their kind is. */
function onError({ log, metrics }: Hub): NonNullable<TenantOptions['onError']> {
  return (error, context) => {
    const code = isTenancyError(error) ? error.code : 'INTERNAL_ERROR'
    metrics.failed(code)
    log.error({ ...context, error: { code, ...placeOf(error) } }, 'a request failed')
  }
}

/** Where it arose, and of what kind: never its message, which may hold what somebody sent. */
function placeOf(error: unknown): { readonly kind?: string; readonly at?: string | undefined } {
  if (!(error instanceof Error)) return {}
  return { kind: error.name, at: /^ +at (.+)$/m.exec((error.stack ?? '').replace(error.message, ''))?.[1] }
}
