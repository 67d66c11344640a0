import { TenancyError } from '@org/core'
import type { Admin } from '../../admin/transaction.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import type { ArchivedTable } from '../format/manifest.ts'
import { type Place, whereOf } from '../place.ts'

// $1 a table. Sequences of its identity and serial columns that go up.
const OWNED = `select a.attname as column, n.nspname as schema, s.relname as name, q.seqincrement::text as step, q.seqmax::text as most
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
 *
 * @throws TenancyError CONFLICT (`details.reason` `sequence`) where the tenant's keys would leave the others hardly any: who has tables
 *   of its own gives a row any key
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
      // guard: half of the numbers that are left is for the others
      if (place.tenantColumn !== undefined && (await isTrue(admin, tooFar(newest, sequence, owned.most))))
        throw noneLeft(table, String(owned.column))
      // Says what is so already, for its lock: nobody draws between the second look and setval.
      await admin.run(`alter sequence ${sequence} increment by ${owned.step}`)
      if (await isTrue(admin, behind)) await admin.run(`select setval($1::regclass, (${newest}))`, [sequence])
    }
  }
}

const tooFar = (newest: string, sequence: string, most: unknown) =>
  `select (${newest}) - last_value::numeric > (${String(most)} - last_value::numeric) / 2 as behind from ${sequence}`

async function isTrue(admin: Admin, sql: string): Promise<boolean> {
  const [row] = await admin.run(sql)
  return row?.behind === true
}

function noneLeft(table: string, column: string): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'A row of the tenant has a key so high that the sequence all tenants draw from would have to skip more than half of the numbers it ' +
      'has left. Nothing was restored. Give that row another key (details: table, column), or make the shared column a bigint.',
    { details: { reason: 'sequence', table, column } },
  )
}
