import { parseTenantKey, type TenantQueryable } from '@org/core'
import type { TenantScopes } from '../../tenants/scopes.ts'

/** Whether events of a tenant are handled, wait, or go with the tenant; `unknown` is nobody's fault that can be told from here. */
export type Standing = 'active' | 'waiting' | 'deleted' | 'unknown'

/** Remembered for this long (ms), and for no more tenants than this. A scope asks the database by itself, always. */
const MAX_AGE = 2_000
const MAX_TENANTS = 10_000

/** What is known of tenants, asked once for many events. */
export function standings<Db extends TenantQueryable>(
  tenants: TenantScopes<Db>,
): { of(tenant: string): Standing | Promise<Standing>; ask(tenant: string): Promise<Standing> } {
  const known = new Map<string, { at: number; standing: Standing | Promise<Standing> }>()
  const remember = (tenant: string, standing: Standing | Promise<Standing>) => {
    known.delete(tenant)
    known.set(tenant, { at: performance.now(), standing })
    if (known.size > MAX_TENANTS) known.delete(String(known.keys().next().value))
  }
  const ask = (tenant: string): Promise<Standing> => {
    const asked = standingOf(tenants, tenant)
    remember(tenant, asked)
    asked.then(
      (standing) => remember(tenant, standing),
      () => known.delete(tenant),
    )
    return asked
  }
  return {
    ask,
    of: (tenant) => {
      if (tenants.lookup === undefined) return 'active'
      const found = known.get(tenant)
      return found && performance.now() - found.at < MAX_AGE ? found.standing : ask(tenant)
    },
  }
}

/** At the levels that stop mistakes alone, SQL may have said anything. */
export function isKey(tenant: string): boolean {
  try {
    return parseTenantKey(tenant) === tenant
  } catch {
    return false
  }
}

async function standingOf<Db extends TenantQueryable>(
  tenants: TenantScopes<Db>,
  tenant: string,
): Promise<Standing> {
  if (!isKey(tenant)) return 'unknown'
  if (tenants.lookup) {
    const found = await tenants.lookup(tenant)
    if (found === undefined) return 'unknown'
    if (found.status === 'deleted') return 'deleted'
    return found.status === 'active' ? 'active' : 'waiting'
  }
  // A scope that runs nothing still opens, or says why not. Who is gone cannot be told from who is not there just now.
  return await tenants.withTenant(tenant, async () => 'active' as const).catch(() => 'waiting' as const)
}
