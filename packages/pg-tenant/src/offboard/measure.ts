import { readInRoom } from '../admin/in-room.ts'
import { askTable } from '../archive/ask-table.ts'
import type { BackedUpTable } from '../archive/backup-options.ts'
import { readTables } from '../archive/catalog.ts'
import { type AdminClient, pinSettings } from '../archive/client.ts'
import { copyOut } from '../archive/copy.ts'
import { beginReading } from '../archive/describe.ts'
import { type Place, roomOf, whereOf } from '../archive/place.ts'
import { asReader, type TableReader, withReaders } from '../archive/readers.ts'
import { type Visit, visitTenant } from '../archive/visit.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import type { DroppedTable } from './receipt.ts'

const SIZES = `select relname as name, pg_total_relation_size(oid)::float8 as bytes from pg_class
  where relnamespace = $1::regnamespace and relkind in ('r', 'p')`

/** Rows and bytes of every table; rows are counted unless a backup has counted them. */
export async function measure(
  visit: Visit,
  backedUp: readonly BackedUpTable[] | undefined,
): Promise<DroppedTable[]> {
  const { place } = visit
  const counted = new Map(backedUp?.map(({ name, rows }) => [name, rows]))
  return await visitTenant(visit, ['deleting'], async (found) => {
    const { home } = found
    await beginReading(found, place)
    const tables = await readTables(home, place)
    const sizes = await sizesOf(home, place)
    const dropped: DroppedTable[] = []
    await withReaders(found, visit, async (readerOf) => {
      const unknown = tables.filter(
        ({ name, partitioned }) => !partitioned && !counted.has(name) && sizes.has(name),
      )
      const plain = unknown.map(({ name }) => name).filter((name) => isPlain(readerOf(name)))
      for (const [name, rows] of await countTogether(home, place, plain)) counted.set(name, rows)
      for (const { name, partitioned } of tables) {
        const bytes = partitioned ? 0 : sizes.get(name)
        const rows = partitioned ? 0 : counted.get(name)
        if (rows !== undefined && bytes !== undefined) dropped.push({ name, rows, bytes })
        else if (bytes === undefined) dropped.push({ name, ...(await lookAtRows(home, place, name)) })
        else dropped.push({ name, rows: await countRows(readerOf(name), place, name), bytes })
      }
    })
    return dropped
  })
}

/** Whether the tenant's role reads it as it is. */
const isPlain = ({ denied, forced, role }: TableReader): boolean => role !== 'none' && !forced && !denied

/** Tables counted in one call of the room. */
const AT_ONCE = 100

/** Many at once: a call of the room costs more than a small table. In savepoints, which give the locks back. */
async function countTogether(
  home: AdminClient,
  place: Place,
  tables: readonly string[],
): Promise<[string, number][]> {
  const counted: [string, number][] = []
  for (let from = 0; from < tables.length; from += AT_ONCE) {
    const names = tables.slice(from, from + AT_ONCE)
    const counts = names.map(
      (name, at) =>
        `select ${at}, pg_catalog.count(*)::pg_catalog.float8 from only ${qualify(place.schema, name)}`,
    )
    await home.run('savepoint many_tables')
    const rows = await readInRoom(
      home,
      roomOf(place),
      counts.join(' union all '),
      'at pg_catalog.int4, rows pg_catalog.float8',
    )
    await pinSettings(home)
    for (const { at, rows: found } of rows) counted.push([names[Number(at)] as string, Number(found)])
    await home.run('rollback to savepoint many_tables; release savepoint many_tables')
  }
  return counted
}

async function countRows(reader: TableReader, place: Place, table: string): Promise<number> {
  const name = qualify(place.schema, table)
  const sql = `select pg_catalog.count(*)::pg_catalog.float8 as rows from only ${name}`
  const asked = await askTable(reader, place, table, sql, 'rows pg_catalog.float8')
  if (asked) return Number(asked.rows)
  let rows = 0
  const count = (client: AdminClient) =>
    copyOut(client, `copy ${name} to stdout`, (_piece, _first, last) => {
      if (last) rows++
      return undefined
    })
  await asReader(reader, place, { name: table }, count)
  return rows
}

/** On disk, with indexes and TOAST; of tables that tenants share nobody can say whose part is whose. */
async function sizesOf(home: AdminClient, { schema, tenantColumn }: Place): Promise<Map<string, number>> {
  if (tenantColumn !== undefined) return new Map()
  const sizes = await home.run(SIZES, [quoteIdentifier(schema)])
  return new Map(sizes.map(({ name, bytes }) => [String(name), Number(bytes)]))
}

/** Of tables that tenants share: its rows, and their own bytes; in a savepoint, which gives the locks back. */
async function lookAtRows(
  home: AdminClient,
  place: Place,
  table: string,
): Promise<{ rows: number; bytes: number }> {
  await home.run('savepoint one_table')
  const [row] = await home.run(
    `select count(*)::float8 as rows, coalesce(sum(pg_column_size(t)), 0)::float8 as bytes
     from only ${qualify(place.schema, table)} t${whereOf(place, 't.')}`,
  )
  await home.run('rollback to savepoint one_table; release savepoint one_table')
  return { rows: Number(row?.rows), bytes: Number(row?.bytes) }
}

/** The receipt's totals. */
export function totals(tables: readonly DroppedTable[]): { rows: number; bytes: number } {
  return {
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    bytes: tables.reduce((sum, table) => sum + table.bytes, 0),
  }
}
