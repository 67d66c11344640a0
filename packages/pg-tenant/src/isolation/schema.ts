import type { PoolLike } from '../driver/types.ts'
import {
  type GateParts,
  gateForms,
  ITSELF,
  type LeaveFunction,
  STILL_DURABLE,
  searches,
  still,
  stillSearches,
} from './gate.ts'
import type { Isolation } from './isolation.ts'
import { type Naming, pinOf, searchPathOf } from './names.ts'
import { type NamesSource, renewable } from './renewal.ts'

// $3 search path, $4 schema. The scope stays with the application's role: one that somebody left behind on the session
// is put off, and taking one during the scope is noticed.
const PARTS: GateParts = {
  count: 2,
  enters: [searches('$3')],
  role: ITSELF,
  holds: [
    still('current_user', 'session_user'),
    still('current_schema', '$4'),
    stillSearches('$3'),
    STILL_DURABLE,
  ],
}

/**
 * Level `schema`: a schema for each tenant and one role for all. It stops mistakes; a qualified name still reaches
 * another tenant's tables.
 */
export function schemaIsolation(
  pool: PoolLike,
  naming: Naming,
  source: NamesSource,
  leave: LeaveFunction,
  distributed = false,
): Isolation {
  const forms = gateForms({ ...PARTS, distributed }, leave)
  return {
    level: 'schema',
    poolOf: () => pool,
    entranceOf: renewable(
      naming,
      source,
      () => '',
      (tenant, schema) => ({
        place: naming.schemaPrefix + tenant,
        gate: { forms, values: [searchPathOf(naming, tenant), schema] },
        ...pinOf(naming, tenant, distributed),
      }),
    ),
  }
}
