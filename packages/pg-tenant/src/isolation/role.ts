import type { PoolLike } from '../driver/types.ts'
import { qualify } from '../sql/identifier.ts'
import type { Isolation } from './isolation.ts'
import { type Naming, roleOf, schemaOf, searchPathOf } from './names.ts'

// $1 search path, $2 schema, $3 role, $4 to $6 the limits, which come first, so that they hold for the rest. Every name
// is qualified, so that nothing in a shared schema can stand in for it (hazard l). `num_nulls` only gathers the calls,
// left to right: one function is cheaper than a chain of comparisons. The cast at the end is what raises: `concat` is
// not folded when the query is planned, as a constant would be.
const TEXT = `select pg_catalog.pg_backend_pid() operator(pg_catalog.+) pg_catalog.num_nulls(
  pg_catalog.pg_advisory_unlock_all(),
  pg_catalog.set_config('statement_timeout', $4, true),
  pg_catalog.set_config('lock_timeout', $5, true),
  pg_catalog.set_config('idle_in_transaction_session_timeout', $6, true),
  pg_catalog.set_config('synchronous_commit', case pg_catalog.current_setting('synchronous_commit')
    when 'remote_apply' then 'remote_apply' else 'on' end, true),
  pg_catalog.set_config('search_path', $1, true),
  pg_catalog.set_config('role', $3, true)
)::pg_catalog.int8
union all
select case
  when current_user operator(pg_catalog.=) $3
   and pg_catalog.current_schema() operator(pg_catalog.=) $2
   and pg_catalog.current_setting('search_path') operator(pg_catalog.=) $1
   and pg_catalog.current_setting('synchronous_commit') in ('on', 'remote_apply')
  then coalesce(pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text::pg_catalog.int8, 0)
  else pg_catalog.concat('pg_tenant:scope_escaped')::pg_catalog.int8 end`

/**
 * Level `role` (the default): a schema and a NOLOGIN role for each tenant. The scope runs as that role, so that
 * even a qualified name reaches nothing of another tenant.
 */
export function roleIsolation(pool: PoolLike, naming: Naming): Isolation {
  return {
    level: 'role',
    poolOf: () => pool,
    entranceOf: (tenant) => {
      const schema = schemaOf(naming, tenant)
      return {
        place: schema,
        gate: {
          name: 'pg_tenant_gate_role',
          text: TEXT,
          // Another role may not lock this tenant's marker.
          failsSafe: true,
          values: [searchPathOf(naming, tenant), schema, roleOf(naming, tenant)],
        },
        pin: `lock table ${qualify(schema, naming.marker)} in access share mode`,
      }
    },
  }
}
