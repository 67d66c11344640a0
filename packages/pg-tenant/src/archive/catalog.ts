import { TenancyError } from '@org/core'
import { readInRoom } from '../admin/in-room.ts'
import type { Admin } from '../admin/transaction.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { pinSettings } from './client.ts'
import type { ArchivedColumn, ArchivedSequence, ArchivedTable } from './format/manifest.ts'
import { type Place, roomOf, whereOf } from './place.ts'
import { underPath } from './under-path.ts'

// $1 schema, $2 the tenant's path (types read the same under another tenant's), $3 tables that are not the tenant's, $4 the
// tenant column of shared tables, or null.
const TABLES = `with path as materialized (select set_config('search_path', $2, true))
  select c.relname as name, c.relkind = 'p' as partitioned, parent.relname as parent,
    pg_get_expr(c.relpartbound, c.oid) as bound,
    coalesce((select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod))
                              order by a.attnum)
              from pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                and a.attname is distinct from $4), '[]') as columns,
    (select coalesce(json_agg(a.attname order by a.attnum), '[]') from pg_attribute a
     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = 's') as computed,
    (select coalesce(json_agg(distinct r.relname), '[]') from pg_constraint f join pg_class r on r.oid = f.confrelid
     where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid and r.relnamespace = c.relnamespace) as needs
  from path, pg_namespace n join pg_class c on c.relnamespace = n.oid
  left join pg_inherits i on i.inhrelid = c.oid and c.relispartition
  left join pg_class parent on parent.oid = i.inhparent
  where n.nspname = $1 and c.relkind in ('r', 'p') and c.relname <> all ($3::text[])
    and ($4::text is null or exists (select from pg_attribute a
      where a.attrelid = c.oid and a.attname = $4 and not a.attisdropped))
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  order by c.relname collate "C"`

const RELATIONS = `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relkind = $2::"char" and ($2 <> 'm' or c.relispopulated)
  order by c.oid`

/** The tenant's tables, those that others refer to first. */
export async function readTables(
  admin: Admin,
  { schema, searchPath, ours, tenantColumn }: Place,
): Promise<ArchivedTable[]> {
  const rows = await underPath<TableRow>(admin, TABLES, [schema, searchPath, [...ours], tenantColumn ?? null])
  const tables = new Map<string, { table: ArchivedTable; needs: readonly string[] }>()
  for (const row of rows) {
    const { name, partitioned, parent, bound, columns, computed, needs } = row
    const partitionOf = parent !== null && bound !== null ? { parent, bound } : undefined
    const table: ArchivedTable = {
      name,
      columns,
      partitioned,
      ...(computed.length > 0 && { computed }),
      ...(partitionOf && { partitionOf }),
    }
    tables.set(name, { table, needs })
  }
  return inOrder(tables)
}

interface TableRow {
  readonly name: string
  readonly partitioned: boolean
  readonly parent: string | null
  readonly bound: string | null
  readonly columns: ArchivedColumn[]
  readonly computed: string[]
  readonly needs: string[]
}

/** Depth first; where tables refer to each other in a circle, any order is as good. */
function inOrder(
  tables: ReadonlyMap<string, { table: ArchivedTable; needs: readonly string[] }>,
): ArchivedTable[] {
  const ordered = new Set<ArchivedTable>()
  const entered = new Set<string>()
  const visit = (name: string) => {
    const found = tables.get(name)
    if (!found || entered.has(name)) return
    entered.add(name)
    const { parent } = found.table.partitionOf ?? {}
    for (const needed of parent === undefined ? found.needs : [parent, ...found.needs]) visit(needed)
    ordered.add(found.table)
  }
  for (const name of tables.keys()) visit(name)
  return [...ordered]
}

/**
 * Names of the tenant's relations of a kind (`pg_class.relkind`), oldest first; materialized views only when they hold
 * data. None at level `row`, where they are everybody's.
 */
export async function readNames(
  admin: Admin,
  { schema, tenantColumn }: Place,
  kind: 'S' | 'm' | 'f',
): Promise<string[]> {
  if (tenantColumn !== undefined) return []
  return (await admin.run(RELATIONS, [schema, kind])).map(({ name }) => String(name))
}

/** Sequences asked for in one statement. */
const AT_ONCE = 200

// $1 schema. Those whose owner, the current role, has taken the right to read them back from itself.
const DENIED = `select pg_catalog.string_agg(pg_catalog.format('grant select on sequence %I.%I to current_user', n.nspname, c.relname), '; ') as grants
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relkind = 'S' and pg_catalog.pg_get_userbyid(c.relowner) = current_user
    and not pg_catalog.has_table_privilege(c.oid, 'select')`

// $1 schema, $2 who reads them.
const FOREIGN = `select c.relname as name, pg_catalog.pg_get_userbyid(c.relowner) as owner
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relkind = 'S' and not pg_catalog.has_table_privilege(coalesce($2::name, session_user), c.oid, 'select') limit 1`

function unreadableSequence(sequence: string, owner: string): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'A sequence in the tenant’s schema belongs to another role and cannot be read by the tenant’s role. Nothing was kept. Run as its ' +
      'owner: ALTER SEQUENCE … OWNER TO the tenant’s role, or GRANT SELECT on it to that role.',
    { details: { reason: 'owner', sequence, owner } },
  )
}

/**
 * Where the tenant's sequences stand, read by their owner. They are outside transactions: read them after the data. In the tenant's
 * room, where it has one: what was a sequence in this transaction's snapshot may be a view by now.
 *
 * @param until whether they are locked until this transaction ends, so that nothing else gets their names
 */
export async function readSequences(
  admin: Admin,
  place: Place,
  until?: 'the end',
): Promise<ArchivedSequence[]> {
  const names = await readNames(admin, place, 'S')
  const found: ArchivedSequence[] = []
  if (names.length === 0) return found
  await admin.run('savepoint sequences')
  const [denied] = await admin.run(DENIED, [place.schema])
  if (typeof denied?.grants === 'string') await admin.run(denied.grants)
  await admin.run('set local role none')
  const [foreign] = await admin.run(FOREIGN, [place.schema, place.owner ?? null])
  if (foreign) throw unreadableSequence(String(foreign.name), String(foreign.owner))
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const some = names.slice(from, from + AT_ONCE)
    const selects = some.map(
      (name, at) =>
        `select ${at} as at, last_value::pg_catalog.text, is_called from ${qualify(place.schema, name)}`,
    )
    for (const { at, last, called } of await askSequences(admin, place, selects.join(' union all ')))
      found.push({ name: String(some[Number(at)]), lastValue: String(last), isCalled: called === true })
  }
  if (until === undefined) await admin.run('rollback to savepoint sequences')
  await admin.run('release savepoint sequences')
  return found
}

// $1 schema. What was a sequence in this transaction's snapshot, and whose name another relation has by now.
const REPLACED = `select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relkind = 'S'
    and pg_catalog.to_regclass(pg_catalog.format('%I.%I', n.nspname, c.relname))::pg_catalog.oid is distinct from c.oid limit 1`

/** Behind {@link readSequences} that holds them. @throws TenancyError CONFLICT */
export async function requireSequences(admin: Admin, { schema }: Place): Promise<void> {
  if ((await admin.run(REPLACED, [schema])).length > 0) throw replaced()
}

/** What a backup was to read is not what it was when it began. */
export const replaced = (): TenancyError =>
  new TenancyError(
    'CONFLICT',
    'A table or sequence was truncated, rewritten or replaced while the backup ran, so it cannot be read as of one instant. ' +
      'Nothing was kept; run the backup again.',
  )

async function askSequences(admin: Admin, place: Place, sql: string): Promise<Record<string, unknown>[]> {
  const columns = 'at pg_catalog.int4, last pg_catalog.text, called pg_catalog.bool'
  if (place.owner === undefined) return await admin.run(`select * from (${sql}) t (at, last, called)`)
  await pinSettings(admin)
  return await readInRoom(admin, roomOf(place), sql, columns)
}

/**
 * What COPY reads of a table: its columns or, of a shared table, those of the tenant's rows. Only the first is no query,
 * which would be planned.
 */
export function copySource(place: Place, table: ArchivedTable): string {
  const name = qualify(place.schema, table.name)
  if (place.tenantColumn === undefined) return `${name}${columnList(table)}`
  const columns = table.columns.map(({ name }) => quoteIdentifier(name)).join(', ')
  return `(select ${columns} from only ${name}${whereOf(place)})`
}

/** The columns of a table as COPY takes them; nothing for a table that has none. */
export function columnList({ columns }: Pick<ArchivedTable, 'columns'>): string {
  return columns.length === 0 ? '' : ` (${columns.map(({ name }) => quoteIdentifier(name)).join(', ')})`
}
