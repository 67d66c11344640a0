import type { PoolLike } from '../driver/types.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { type GateParts, gateForms, ITSELF, type LeaveFunction, searches, sets, still } from './gate.ts'
import type { Isolation, IsolationLevel } from './isolation.ts'
import { type Naming, schemaOf } from './names.ts'
import { type RowPlace, TENANT_SETTING } from './row-place.ts'

/** The word for this level in the registry. */
export const ROW: IsolationLevel = 'row'

// $3 search path, $4 tenant. As in schema.ts, with the tenant in a setting that the policies read.
// What the function `entered` (lifecycle/levels/row/entrance.ts) asks holds for the second row too: the setting, the path and
// durability are as they were set, and the tenant has not been suspended meanwhile. Its queries take snapshots of their own;
// the portal's is as old as the scope. It runs as its owner, so whether the application still finds the schema under its
// name is asked outside of it (hazard b).
const parts = (schema: string, entered: string): GateParts => ({
  count: 2,
  enters: [searches('$3'), sets(TENANT_SETTING, '$4')],
  role: ITSELF,
  holds: [
    still('current_user', 'session_user'),
    `${entered}($4, $3)`,
    still('pg_catalog.current_schema()', `'${schema}'`),
  ],
})

/**
 * Level `row`: the tables of all tenants in one schema, kept apart by forced row-level security. It stops mistakes and
 * a missing `where`; hostile SQL that changes the setting and puts it back within one statement is not stopped.
 */
export function rowIsolation(
  pool: PoolLike,
  naming: Naming,
  { schema }: Pick<RowPlace, 'schema'>,
  leave?: LeaveFunction,
): Isolation {
  const entered = qualify(schema, naming.marker)
  const forms = gateForms(parts(schema, entered), leave)
  const path = quoteIdentifier(schema) + naming.sharedPath
  return {
    level: ROW,
    poolOf: () => pool,
    entranceOf: (tenant) => ({
      place: schemaOf(naming, tenant),
      gate: { forms, values: [path, tenant] },
      // Neither a key nor the names in the path hold a quote (parseTenantKey, parseRowPlace, parseNaming).
      pin: `select ${entered}('${tenant}', '${path}')`,
      pinRuns: true,
    }),
  }
}
