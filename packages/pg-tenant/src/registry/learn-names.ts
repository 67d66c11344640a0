import type { TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import { qualify } from '../sql/identifier.ts'
import { readRegistry } from './read.ts'
import { type NamedRecord, ownName, ownNames } from './record.ts'
import type { RegistryPlace } from './registry.ts'

/**
 * Learns the names of all tenants that have names of their own, or of one: for whoever works on tenants as the administrator.
 *
 * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
 */
export async function learnNames(pool: PoolLike, place: RegistryPlace, tenant?: TenantKey): Promise<void> {
  const one = tenant === undefined ? '' : ' and key = $2'
  const named =
    tenant === undefined
      ? ` and num_nonnulls(${ownName('schema')}, ${ownName('role')}, ${ownName('database')}) > 0`
      : ''
  const text = `select key, ${ownNames('t')} from ${qualify(place.controlSchema, 'tenant')} t where prefix = $1${one}${named}`
  const rows = await readRegistry(pool, text, [place.prefix, ...(tenant === undefined ? [] : [tenant])])
  for (const { key, names } of rows as unknown as NamedRecord[]) place.names?.learn(key, names)
}
