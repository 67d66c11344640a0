import { parseTenantKey, runWithTenant, TenancyError, type TenantKey } from '@org/core'
import { createMiddleware } from 'hono/factory'

/** `acme.localhost` is the tenant `acme`. Behind a real name this is e.g. `.notes.example`. */
const BASE_DOMAIN = '.localhost'

export interface TenantEnv {
  Variables: { tenant: TenantKey }
}

/**
 * Finds out whose request this is before any handler runs, and makes it the current tenant: from then on a handler
 * that asks for another one gets CROSS_TENANT.
 */
export const resolveTenant = createMiddleware<TenantEnv>(async (c, next) => {
  const tenant = tenantOf(c.req.header('x-client-key'), c.req.header('host'))
  c.set('tenant', tenant)
  await runWithTenant(tenant, next)
})

/**
 * The tenant a request names, in the header `X-Client-Key` or as the subdomain of `Host`. The two must agree.
 * Whether that tenant exists is not asked here: the scope itself refuses to open when it does not.
 *
 * This is an example's way of telling tenants apart, not of proving who asks: put authentication before it.
 *
 * @throws TenancyError UNAUTHORIZED, INVALID_TENANT_KEY or TENANT_MISMATCH
 */
export function tenantOf(clientKey: string | undefined, host: string | undefined): TenantKey {
  const named = [clientKey, subdomainOf(host)].filter((key) => key !== undefined)
  const [tenant, other] = named.map((key) => parseTenantKey(key))
  if (tenant === undefined) {
    throw new TenancyError('UNAUTHORIZED', 'Name a tenant: send X-Client-Key or use its subdomain.')
  }
  if (other !== undefined && other !== tenant) {
    throw new TenancyError('TENANT_MISMATCH', 'X-Client-Key and the subdomain name different tenants.')
  }
  return tenant
}

/** What stands before the base domain, as it was sent: no lower-casing, so that nothing is rewritten into a key. */
function subdomainOf(host = ''): string | undefined {
  const name = host.replace(/:\d+$/, '')
  return name.endsWith(BASE_DOMAIN) ? name.slice(0, -BASE_DOMAIN.length) : undefined
}
