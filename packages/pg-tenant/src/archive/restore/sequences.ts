import type { Admin } from '../../admin/transaction.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import type { ArchivedTable } from '../format/manifest.ts'
import { type Place, whereOf } from '../place.ts'

// $1 a table. Sequences of its identity and serial columns that go up.
const OWNED = `select a.attname as column, n.nspname as schema, s.relname as name, q.seqincrement::text as step
  from pg_depend d join pg_class s on s.oid = d.objid and s.relkind = 'S' join pg_namespace n on n.oid = s.relnamespace
    join pg_sequence q on q.seqrelid = s.oid and q.seqincrement > 0
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
  where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = $1::regclass
    and d.deptype in ('a', 'i')
  order by s.oid`

/**
 * Brings the sequences that tenants share past the keys of the rows restored, so that the next row of the tenant gets a
 * free one. Never back: others draw from them. Last in the transaction, because a sequence that has to move keeps
 * everybody waiting until COMMIT.
 */
export async function advanceSequences(
  admin: Admin,
  place: Place,
  tables: readonly ArchivedTable[],
): Promise<void> {
  for (const { name: table } of tables) {
    const home = qualify(place.schema, table)
    for (const owned of await admin.run(OWNED, [home])) {
      const sequence = qualify(String(owned.schema), String(owned.name))
      const newest = `select max(${quoteIdentifier(String(owned.column))})::bigint from ${home}${whereOf(place)}`
      const behind = `select last_value < (${newest}) or (last_value = (${newest}) and not is_called) as behind from ${sequence}`
      if (!(await isTrue(admin, behind))) continue
      // Says what is so already, for its lock: nobody draws between the second look and setval.
      await admin.run(`alter sequence ${sequence} increment by ${owned.step}`)
      if (await isTrue(admin, behind)) await admin.run(`select setval($1::regclass, (${newest}))`, [sequence])
    }
  }
}

async function isTrue(admin: Admin, sql: string): Promise<boolean> {
  const [row] = await admin.run(sql)
  return row?.behind === true
}
