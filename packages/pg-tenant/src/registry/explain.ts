import { isTenancyError, TenancyError, type TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import { SQLSTATE } from '../errors/sqlstate.ts'
import { find } from './read.ts'
import type { RegistryPlace } from './registry.ts'

/**
 * A scope that could not open, or go on, because its role may not use the schema: says so when the reason is that the tenant
 * is suspended or being dropped. Only then the registry is asked, so that a request that succeeds never pays for it.
 */
export async function explained(
  error: unknown,
  pool: PoolLike,
  place: RegistryPlace,
  tenant: TenantKey,
): Promise<unknown> {
  if (!isTenancyError(error, 'SCHEMA_UNUSABLE') && !isRefused(error)) return error
  const record = await find(pool, place, tenant).catch(() => undefined)
  if (record?.status === 'deleting') {
    return new TenancyError('TENANT_NOT_FOUND', 'The tenant is being dropped; nothing was committed.', {
      details: { tenant },
    })
  }
  if (record?.status !== 'suspended') return error
  return new TenancyError(
    'TENANT_SUSPENDED',
    'The tenant is suspended; nothing was committed. resume(key) ends that.',
    {
      details: { tenant },
    },
  )
}

/** Without USAGE a named schema is denied, and one in the search path passed over, so that its tables are not there. */
const OUT_OF_REACH: readonly unknown[] = [SQLSTATE.INSUFFICIENT_PRIVILEGE, SQLSTATE.UNDEFINED_TABLE]

/** What a suspension makes of a statement of a scope that runs. */
function isRefused(error: unknown): boolean {
  return isTenancyError(error, 'DATABASE_ERROR') && OUT_OF_REACH.includes(error.details.sqlState)
}
