import { TORN } from '../errors/from-scope.ts'

// What this transaction has written, by the locks that it holds: `elsewhere`, tables that another node commits; `here`, ordinary
// ones; `together`, where Citus commits in two phases, because this node takes part as a node (reference tables, tables in its metadata,
// shards of its own). Names of shards are hidden in pg_class, so they are asked for first.
const WRITTEN = `select case
    when pg_catalog.relation_is_a_known_shard(l.relation) or p.repmodel operator(pg_catalog.=) 't' then 'together'
    when p.colocationid operator(pg_catalog.<>) 0 then 'elsewhere'
    when exists (select from pg_catalog.pg_class c where c.oid operator(pg_catalog.=) l.relation
      and c.relkind operator(pg_catalog.=) any (array['r', 'p']::pg_catalog."char"[])
      and c.relpersistence operator(pg_catalog.<>) 't'
      and c.relnamespace operator(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace) then 'here' end as place
  from pg_catalog.pg_lock_status() l left join pg_catalog.pg_dist_partition p on p.logicalrelid operator(pg_catalog.=) l.relation
  where l.pid operator(pg_catalog.=) pg_catalog.pg_backend_pid() and l.locktype operator(pg_catalog.=) 'relation'
    and l.mode operator(pg_catalog.=) any (array['RowExclusiveLock', 'AccessExclusiveLock']::pg_catalog.text[])
    and l.relation operator(pg_catalog.>=) 16384::pg_catalog.oid`

/** Whether Citus commits all of it or nothing. */
export const IS_WHOLE = `(select pg_catalog.bool_or(w.place operator(pg_catalog.=) 'elsewhere')
    and pg_catalog.bool_or(w.place operator(pg_catalog.=) 'here')
    and pg_catalog.bool_and(w.place operator(pg_catalog.<>) 'together') from (${WRITTEN}) w) is not true`

/** The same in one call, of a function in the control schema; its name counts its releases. */
export const WHOLE = 'scope_is_whole_1'

/**
 * Raises where a scope would be torn: Citus commits on the one other node that was written first and then here, in one phase each. A
 * crash of this node in between keeps the tenant's half and loses the other. Asked only where something was written.
 *
 * @param asks {@link IS_WHOLE}, which costs a tenth of a scope by being there, or a call
 */
export const refusesTorn = (asks: string) => `case
  when pg_catalog.pg_current_xact_id_if_assigned() is null or ${asks} then true
  else pg_catalog.concat('${TORN}')::pg_catalog.bool end`
