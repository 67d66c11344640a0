import { TenancyError, type TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import { qualify } from '../sql/identifier.ts'
import { readRegistry } from './read.ts'
import type { RegistryPlace } from './registry.ts'

const THERE = (tenant: string) =>
  `select key from ${tenant} where prefix = $1 and key = any ($2) and status not in ('deleted', 'ready')`

/**
 * Refuses keys of tenants that are not there: what is asked of nobody would otherwise be done at once, with success.
 *
 * @throws TenancyError TENANT_NOT_FOUND, with the first of them in `details.tenant`
 */
export async function requireTenants(
  pool: PoolLike,
  { controlSchema, prefix }: RegistryPlace,
  keys: readonly string[],
): Promise<void> {
  if (keys.length === 0) return
  const rows = await readRegistry(pool, THERE(qualify(controlSchema, 'tenant')), [prefix, keys])
  const there = new Set(rows.map(({ key }) => key))
  const missing = keys.filter((key) => !there.has(key))
  const [tenant] = missing
  if (tenant === undefined) return
  const others = missing.length > 1 ? `, nor ${missing.length - 1} more of those named` : ''
  throw new TenancyError(
    'TENANT_NOT_FOUND',
    `There is no tenant "${tenant}"${others}. Check the key; list() says which there are, provision(key) makes one.`,
    { details: { tenant } },
  )
}

export function tenantNotFound(tenant: TenantKey): TenancyError {
  return new TenancyError(
    'TENANT_NOT_FOUND',
    'There is no such tenant in the registry, or it is being provisioned or dropped. list() says which there are, provision(key) makes one.',
    { details: { tenant } },
  )
}
