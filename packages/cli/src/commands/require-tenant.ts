import { TenancyError } from '@org/core'
import type { Tenancy, TenantRecord } from '@org/pg-tenant'

/** A tenant that is there. @throws TenancyError INVALID_TENANT_KEY, TENANT_NOT_FOUND */
export async function requireTenant(tenancy: Tenancy, key: string): Promise<TenantRecord> {
  const found = await requireKnown(tenancy, key)
  if (found.status !== 'deleted') return found
  throw unknown(key)
}

/** One that is there, or was: what is kept of it may outlive it. @throws TenancyError INVALID_TENANT_KEY, TENANT_NOT_FOUND */
export async function requireKnown(tenancy: Tenancy, key: string): Promise<TenantRecord> {
  const found = await tenancy.find(key)
  if (found) return found
  throw unknown(key)
}

function unknown(key: string): TenancyError {
  return new TenancyError(
    'TENANT_NOT_FOUND',
    'There is no such tenant. pg-tenant list shows those there are.',
    {
      details: { tenant: key },
    },
  )
}

/** All tenants with one of these statuses, a page at a time, in the byte order of their keys. */
export async function* allTenants(
  tenancy: Tenancy,
  statuses: readonly TenantRecord['status'][] = ['active'],
): AsyncGenerator<TenantRecord> {
  for (let after = ''; ; ) {
    const page = await tenancy.list({ after, limit: PAGE })
    for (const tenant of page) {
      if (statuses.includes(tenant.status) && tenant.isolation === tenancy.isolation) yield tenant
    }
    const last = page.at(-1)
    if (!last || page.length < PAGE) return
    after = last.key
  }
}

const PAGE = 1_000
