import type { PoolLike } from '../driver/types.ts'
import { qualify } from '../sql/identifier.ts'
import type { Isolation } from './isolation.ts'
import { type Naming, schemaOf, searchPathOf } from './names.ts'

// $1 search path, $2 schema, $3 to $5 the limits. As in role.ts, but the scope stays with the application's role:
// a role that somebody left behind on the session is put off, and taking one during the scope is noticed.
const TEXT = `select pg_catalog.pg_backend_pid() operator(pg_catalog.+) pg_catalog.num_nulls(
  pg_catalog.pg_advisory_unlock_all(),
  pg_catalog.set_config('statement_timeout', $3, true),
  pg_catalog.set_config('lock_timeout', $4, true),
  pg_catalog.set_config('idle_in_transaction_session_timeout', $5, true),
  pg_catalog.set_config('synchronous_commit', case pg_catalog.current_setting('synchronous_commit')
    when 'remote_apply' then 'remote_apply' else 'on' end, true),
  pg_catalog.set_config('role', 'none', true),
  pg_catalog.set_config('search_path', $1, true)
)::pg_catalog.int8
union all
select case
  when current_user operator(pg_catalog.=) session_user
   and pg_catalog.current_schema() operator(pg_catalog.=) $2
   and pg_catalog.current_setting('search_path') operator(pg_catalog.=) $1
   and pg_catalog.current_setting('synchronous_commit') in ('on', 'remote_apply')
  then coalesce(pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text::pg_catalog.int8, 0)
  else pg_catalog.concat('pg_tenant:scope_escaped')::pg_catalog.int8 end`

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
        gate: {
          name: 'pg_tenant_gate_schema',
          text: TEXT,
          failsSafe: false,
          values: [searchPathOf(naming, tenant), schema],
        },
        pin: `lock table ${qualify(schema, naming.marker)} in access share mode`,
      }
    },
  }
}
