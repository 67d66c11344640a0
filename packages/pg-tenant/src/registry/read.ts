import { type Row, SQLSTATE, TenancyError, type TenantKey } from '@org/core'
import { ask } from '../driver/ask.ts'
import type { PoolLike } from '../driver/types.ts'
import { fromConnectError } from '../errors/from-connect-error.ts'
import { fromDatabase } from '../errors/from-database.ts'
import { isServerError } from '../errors/server-error.ts'
import { qualify } from '../sql/identifier.ts'
import { learned, recordColumns, type TenantRecord, type TenantStatus } from './record.ts'
import type { RegistryPlace } from './registry.ts'

/** Which tenants {@link Tenancy.list} returns. */
export interface ListOptions {
  /** Only those with this status (default: all but `deleted` and `ready`). */
  readonly status?: TenantStatus | undefined
  /** Only keys behind this one, in byte order: the last key of the page before. */
  readonly after?: string | undefined
  /** 1 to 10,000 (default 1,000). */
  readonly limit?: number | undefined
}

const MAX_LIMIT = 10_000

/** A tenant's row, read by the application; `undefined` when there is none, or no registry yet. */
export async function find(
  pool: PoolLike,
  place: RegistryPlace,
  tenant: TenantKey,
): Promise<TenantRecord | undefined> {
  const text = `select ${recordColumns('t')} from ${qualify(place.controlSchema, 'tenant')} t where prefix = $1 and key = $2`
  const [row] = await readRegistry(pool, text, [place.prefix, tenant])
  return row && learned(place, row)
}

/** The same of several at once. */
export async function findEach(
  pool: PoolLike,
  place: RegistryPlace,
  tenants: readonly TenantKey[],
): Promise<Map<TenantKey, TenantRecord>> {
  const text = `select ${recordColumns('t')} from ${qualify(place.controlSchema, 'tenant')} t where prefix = $1 and key = any($2)`
  const rows = await readRegistry(pool, text, [place.prefix, tenants])
  return new Map(rows.map((row) => learned(place, row)).map((found) => [found.key, found]))
}

/** A page of tenants in the byte order of their keys. */
export async function list(
  pool: PoolLike,
  place: RegistryPlace,
  { status, after = '', limit = 1_000 }: ListOptions = {},
): Promise<TenantRecord[]> {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new TenancyError('VALIDATION_ERROR', `limit is a whole number from 1 to ${MAX_LIMIT}.`, {
      details: { option: 'limit' },
    })
  }
  // Without statistics all that follow are sorted: what is made of a row is made behind that, of a page.
  const text = `select ${recordColumns('t')} from (select * from ${qualify(place.controlSchema, 'tenant')}
    where prefix = $1 and key collate "C" > $2 and (case when $3::text is null then status not in ('deleted', 'ready') else status = $3 end)
    order by key collate "C" limit $4) t order by key collate "C"`
  const rows = await readRegistry(pool, text, [place.prefix, after, status ?? null, limit])
  return rows.map((row) => learned(place, row))
}

/**
 * One statement on a bare connection, as who logs in: the registry belongs to no tenant. Where there is no registry yet there are no
 * tenants: no rows.
 *
 * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
 */
export async function readRegistry<R extends object = Row>(
  pool: PoolLike,
  text: string,
  values: readonly unknown[],
  patienceMs?: number,
): Promise<R[]> {
  try {
    return (await ask(pool, text, values, patienceMs)) as R[]
  } catch (error) {
    if (!(error instanceof Error && isServerError(error))) throw fromConnectError(error)
    if (error.code === SQLSTATE.UNDEFINED_TABLE || error.code === SQLSTATE.INVALID_SCHEMA_NAME) return []
    throw fromDatabase(error)
  }
}
