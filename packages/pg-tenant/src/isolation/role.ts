import type { PoolLike } from '../driver/types.ts'
import { qualify } from '../sql/identifier.ts'
import { gateText, STILL_DURABLE, searches, still, stillSearches } from './gate.ts'
import type { Isolation } from './isolation.ts'
import { markerOf, type Naming, roleOf, schemaOf, searchPathOf } from './names.ts'
import { type NamesSource, renewable } from './renewal.ts'

// $6 search path, $7 schema, $8 role.
const TEXT = gateText([searches('$6')], '$8', [
  still('current_user', '$8'),
  still('pg_catalog.current_schema()', '$7'),
  stillSearches('$6'),
  STILL_DURABLE,
])

/**
 * Level `role` (the default): a schema and a NOLOGIN role for each tenant. The scope runs as that role, so that
 * even a qualified name reaches nothing of another tenant.
 */
export function roleIsolation(pool: PoolLike, naming: Naming, source: NamesSource = {}): Isolation {
  return {
    level: 'role',
    poolOf: () => pool,
    entranceOf: renewable(naming, source, (tenant) => {
      const schema = schemaOf(naming, tenant)
      return {
        place: naming.schemaPrefix + tenant,
        gate: { text: TEXT, values: [searchPathOf(naming, tenant), schema, roleOf(naming, tenant)] },
        pin: `lock table ${qualify(schema, markerOf(naming, tenant))} in access share mode`,
      }
    }),
  }
}
