import type { BackedUpTable } from '../archive/backup-options.ts'
import { readTables } from '../archive/catalog.ts'
import type { AdminClient } from '../archive/client.ts'
import { beginReading } from '../archive/describe.ts'
import { actAsOwner, type Place, whereOf } from '../archive/place.ts'
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
    await actAsOwner(home, place)
    const dropped: DroppedTable[] = []
    for (const { name, partitioned } of tables) {
      const [rows, bytes] = [partitioned ? 0 : counted.get(name), partitioned ? 0 : sizes.get(name)]
      const known = rows !== undefined && bytes !== undefined
      dropped.push({ name, ...(known ? { rows, bytes } : await look(home, place, name, bytes)) })
    }
    return dropped
  })
}

/** On disk, with indexes and TOAST; of tables that tenants share nobody can say whose part is whose. */
async function sizesOf(home: AdminClient, { schema, tenantColumn }: Place): Promise<Map<string, number>> {
  if (tenantColumn !== undefined) return new Map()
  const sizes = await home.run(SIZES, [quoteIdentifier(schema)])
  return new Map(sizes.map(({ name, bytes }) => [String(name), Number(bytes)]))
}

/** Rows, and of shared tables the bytes of the rows themselves; in a savepoint, which gives the locks back. */
async function look(
  home: AdminClient,
  place: Place,
  table: string,
  known: number | undefined,
): Promise<{ rows: number; bytes: number }> {
  const bytes = known === undefined ? ', coalesce(sum(pg_column_size(t)), 0)::float8 as bytes' : ''
  await home.run('savepoint one_table')
  const [row] = await home.run(
    `select count(*)::float8 as rows${bytes} from only ${qualify(place.schema, table)} t${whereOf(place, 't.')}`,
  )
  await home.run('rollback to savepoint one_table; release savepoint one_table')
  return { rows: Number(row?.rows), bytes: known ?? Number(row?.bytes) }
}

/** The receipt's totals. */
export function totals(tables: readonly DroppedTable[]): { rows: number; bytes: number } {
  return {
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    bytes: tables.reduce((sum, table) => sum + table.bytes, 0),
  }
}
