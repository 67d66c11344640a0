import { isTenancyError, type TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import type { RegistryNames } from '../isolation/tenant-names.ts'
import { qualify, quoteLiteral } from '../sql/identifier.ts'
import { readRegistry } from './read.ts'
import type { RegistryPlace } from './registry.ts'

const NAMES = 'schema_name as schema, role_name as role, database_name as database'

/** undefined_column: the control schema of a release that knew no names. */
const OLDER = '42703'

/** What a scope asks on its own session. Neither a key nor a prefix holds a quote. */
export const namesQuestion =
  ({ controlSchema, prefix }: RegistryPlace) =>
  (tenant: TenantKey): string =>
    `select ${NAMES} from ${qualify(controlSchema, 'tenant')}
     where prefix operator(pg_catalog.=) ${quoteLiteral(prefix)} and key operator(pg_catalog.=) ${quoteLiteral(tenant)}`

/**
 * Learns the names of all tenants that have names of their own, or of one: for whoever works on tenants as the administrator.
 *
 * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
 */
export async function learnNames(pool: PoolLike, place: RegistryPlace, tenant?: TenantKey): Promise<void> {
  const one = tenant === undefined ? '' : ' and key = $2'
  const named = tenant === undefined ? ' and num_nonnulls(schema_name, role_name, database_name) > 0' : ''
  const text = `select key, ${NAMES} from ${qualify(place.controlSchema, 'tenant')} where prefix = $1${one}${named}`
  try {
    const rows = await readRegistry(pool, text, [place.prefix, ...(tenant === undefined ? [] : [tenant])])
    for (const { key, ...names } of rows) place.names?.learn(String(key), names as unknown as RegistryNames)
  } catch (error) {
    if (!isTenancyError(error) || error.details.sqlState !== OLDER) throw error
  }
}
