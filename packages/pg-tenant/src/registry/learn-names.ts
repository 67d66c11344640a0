import { SQLSTATE, sqlStateOf, type TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import { qualify } from '../sql/identifier.ts'
import { readRegistry } from './read.ts'
import { ownNames, type RecordRow } from './record.ts'
import type { RegistryPlace } from './registry.ts'

/**
 * Learns the names of all tenants that have names of their own, or of one: for whoever works on tenants as the administrator.
 *
 * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
 */
export async function learnNames(pool: PoolLike, place: RegistryPlace, tenant?: TenantKey): Promise<void> {
  const rows = await (tenant === undefined ? allNames(pool, place) : nameOf(pool, place, tenant))
  for (const { key, names } of rows as RecordRow[]) place.names?.learn(key, names)
}

const namesIn = ({ controlSchema }: RegistryPlace) =>
  `select key, ${ownNames('t')} from ${qualify(controlSchema, 'tenant')} t where prefix = $1`

const nameOf = (pool: PoolLike, place: RegistryPlace, tenant: TenantKey) =>
  readRegistry(pool, `${namesIn(place)} and key = $2`, [place.prefix, tenant])

/** By the columns: JSON of 100,000 rows takes a second. A control schema that has none of them has no such names. */
async function allNames(pool: PoolLike, place: RegistryPlace): Promise<Record<string, unknown>[]> {
  const named = `${namesIn(place)} and num_nonnulls(schema_name, role_name, database_name) > 0`
  return await readRegistry(pool, named, [place.prefix]).catch((error: unknown) => {
    if (sqlStateOf(error) === SQLSTATE.UNDEFINED_COLUMN) return []
    throw error
  })
}
