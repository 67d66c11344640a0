import { SQLSTATE, sqlStateOf } from '@org/core'
import { withBriefLocks } from '../admin/brief-locks.ts'
import type { Place } from '../archive/place.ts'
import { requireNoDependents } from '../lifecycle/dependents.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { InTurn } from './work.ts'

/** Relations dropped in one transaction: each takes a lock, and so does each of its indexes, sequences and TOAST. */
const BATCH = 50

// Partitions first: dropping a partitioned table drops, and locks, all that are left.
const NEXT = `select 'drop ' || case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
    when 'f' then 'foreign table' else 'table' end || format(' if exists %I.%I cascade', n.nspname, c.relname) as sql
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.oid = $1::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relname <> all ($2::text[])
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                    and (d.deptype in ('e', 'i') or (d.deptype = 'a' and c.relkind = 'S')))
  order by c.relispartition desc, c.relkind = 'p', c.oid limit $3`

/**
 * Drops the tables, views and sequences of a schema a few at a time, so that a tenant with thousands of them does not
 * exhaust the server's lock table. The marker stays: it says whose schema this is to whoever goes on after a crash.
 *
 * @returns how many statements ran
 */
export async function dropObjects({ schema, ours, owner }: Place, inTurn: InTurn): Promise<number> {
  let dropped = 0
  for (let batch = BATCH; ; ) {
    try {
      const done = await inTurn(async (admin) => {
        // What somebody hung on it meanwhile would go with it.
        await requireNoDependents(admin, schema, owner)
        const rows = await admin.run(NEXT, [quoteIdentifier(schema), [...ours], batch])
        if (rows.length > 0) await withBriefLocks(admin, schema, rows.map(({ sql }) => sql).join('; '))
        return rows.length
      })
      if (done === 0) return dropped
      dropped += done
    } catch (error) {
      // Tables with many indexes, or a server with few locks: take smaller bites.
      // Also "out of shared memory", when `max_locks_per_transaction` is used up.
      if (batch === 1 || sqlStateOf(error) !== SQLSTATE.OUT_OF_MEMORY) throw error
      batch = Math.floor(batch / 2)
    }
  }
}
