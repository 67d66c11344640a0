import { isTenancyError, SQLSTATE, TenancyError, type TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import { find } from './read.ts'
import { isUnderWay } from './record.ts'
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
  if (!isTenancyError(error, 'SCHEMA_UNUSABLE') && !isAway(error) && !isRefused(error)) return error
  const record = await find(pool, place, tenant).catch(() => undefined)
  // A statement that was refused is not tried again: its callback has begun.
  if (isUnderWay(record?.status) && !isRefused(error)) return moving(tenant, error)
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

/** Level `row` knows tenants in service only, and says so with this state; so does a schema that is not there. */
function isAway(error: unknown): boolean {
  return isTenancyError(error, 'SCHEMA_MISSING') && error.details.sqlState === SQLSTATE.INVALID_SCHEMA_NAME
}

/** A tenant on its way between two clusters: it is back in a moment, and nothing of the scope has taken effect. */
export function moving(tenant: TenantKey, cause?: unknown): TenancyError {
  return new TenancyError(
    'SERVICE_UNAVAILABLE',
    'The tenant is being closed or moved to another cluster; nothing was committed. Try again in a moment.',
    { details: { tenant, reason: 'moving', retryAfter: 1 }, ...(cause !== undefined && { cause }) },
  )
}

/** Whether an error says that the tenant is on its way between two clusters: it ran nothing and may run again. */
export function isMoving(error: unknown): boolean {
  return isTenancyError(error, 'SERVICE_UNAVAILABLE') && error.details.reason === 'moving'
}

/** Without USAGE a named schema is denied, and one in the search path passed over, so that its tables are not there. */
const OUT_OF_REACH: readonly unknown[] = [SQLSTATE.INSUFFICIENT_PRIVILEGE, SQLSTATE.UNDEFINED_TABLE]

/** What a suspension makes of a statement of a scope that runs. */
function isRefused(error: unknown): boolean {
  return isTenancyError(error, 'DATABASE_ERROR') && OUT_OF_REACH.includes(error.details.sqlState)
}
