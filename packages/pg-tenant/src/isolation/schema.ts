import type { PoolLike } from '../driver/types.ts'
import { qualify } from '../sql/identifier.ts'
import { gateText, ITSELF, STILL_DURABLE, searches, still, stillSearches } from './gate.ts'
import type { Isolation } from './isolation.ts'
import { type Naming, schemaOf, searchPathOf } from './names.ts'

// $6 search path, $7 schema. The scope stays with the application's role: one that somebody left behind on the session
// is put off, and taking one during the scope is noticed.
const TEXT = gateText([searches('$6')], ITSELF, [
  still('current_user', 'session_user'),
  still('pg_catalog.current_schema()', '$7'),
  stillSearches('$6'),
  STILL_DURABLE,
])

/**
 * Level `schema`: a schema for each tenant and one role for all. It stops mistakes; a qualified name still reaches
 * another tenant's tables.
 */
export function schemaIsolation(pool: PoolLike, naming: Naming): Isolation {
  return {
    level: 'schema',
    poolOf: () => pool,
    entranceOf: (tenant) => {
      const schema = schemaOf(naming, tenant)
      return {
        place: schema,
        gate: { text: TEXT, values: [searchPathOf(naming, tenant), schema] },
        pin: `lock table ${qualify(schema, naming.marker)} in access share mode`,
      }
    },
  }
}
