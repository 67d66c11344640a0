import { createHash } from 'node:crypto'
import type { PoolLike } from '../driver/types.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import type { Isolation, IsolationLevel } from './isolation.ts'
import { type Naming, schemaOf } from './names.ts'
import { type RowPlace, TENANT_SETTING } from './row-place.ts'

/** The word for this level in the registry. */
export const ROW: IsolationLevel = 'row'

// $1 search path, $2 tenant, $3 to $5 the limits. As in schema.ts, with the tenant in a setting that the policies read.
// What the function `entered` (lifecycle/row/entrance.ts) asks holds for the second row too: the setting, the path and
// durability are as they were set, and the tenant has not been suspended meanwhile. Its queries take snapshots of their own;
// the portal's is as old as the scope. It runs as its owner, so whether the application still finds the schema under its
// name is asked outside of it (hazard b).
const text = (
  schema: string,
  entered: string,
) => `select pg_catalog.pg_backend_pid() operator(pg_catalog.+) pg_catalog.num_nulls(
  pg_catalog.pg_advisory_unlock_all(),
  pg_catalog.set_config('statement_timeout', $3, true),
  pg_catalog.set_config('lock_timeout', $4, true),
  pg_catalog.set_config('idle_in_transaction_session_timeout', $5, true),
  pg_catalog.set_config('synchronous_commit', case pg_catalog.current_setting('synchronous_commit')
    when 'remote_apply' then 'remote_apply' else 'on' end, true),
  pg_catalog.set_config('role', 'none', true),
  pg_catalog.set_config('search_path', $1, true),
  pg_catalog.set_config('${TENANT_SETTING}', $2, true)
)::pg_catalog.int8
union all
select case
  when current_user operator(pg_catalog.=) session_user and ${entered}($2, $1)
   and pg_catalog.current_schema() operator(pg_catalog.=) '${schema}'
  then coalesce(pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text::pg_catalog.int8, 0)
  else pg_catalog.concat('pg_tenant:scope_escaped')::pg_catalog.int8 end`

/**
 * Level `row`: the tables of all tenants in one schema, kept apart by forced row-level security. It stops mistakes and
 * a missing `where`; hostile SQL that changes the setting and puts it back within one statement is not stopped.
 */
export function rowIsolation(
  pool: PoolLike,
  naming: Naming,
  { schema }: Pick<RowPlace, 'schema'>,
): Isolation {
  const entered = qualify(schema, naming.marker)
  const gate = text(schema, entered)
  // The text names the schema, so the name does too: two tenancies may share a pool.
  const name = `pg_tenant_gate_row_${createHash('sha256').update(entered).digest('hex').slice(0, 16)}`
  const path = quoteIdentifier(schema) + naming.sharedPath
  return {
    level: ROW,
    poolOf: () => pool,
    entranceOf: (tenant) => ({
      place: schemaOf(naming, tenant),
      gate: {
        name,
        text: gate,
        // The pin refuses another tenant, path or durability than this scope's, whatever stood in for the gate.
        failsSafe: true,
        values: [path, tenant],
      },
      // Neither a key nor the names in the path hold a quote (parseTenantKey, parseRowPlace, parseNaming).
      pin: `select ${entered}('${tenant}', '${path}')`,
    }),
  }
}
