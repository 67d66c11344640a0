import { TenancyError } from '@org/core'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import type { TableSummary } from '../archive/manifest.ts'
import { readTables } from '../catalog.ts'
import { begin, pinSettings, withAdminClient } from '../client.ts'
import { actAsOwner, openForOwner, type Place } from '../place.ts'
import type { DroppedTable } from './receipt.ts'

const SIZES = `select relname as name, pg_total_relation_size(oid)::text as bytes from pg_class
  where relnamespace = $1::regnamespace and relkind in ('r', 'p')`

/** Rows and bytes of every table; rows are counted unless a backup has counted them. */
export async function measure(
  { adminPool }: Lifecycle,
  place: Place,
  backedUp: readonly TableSummary[] | undefined,
): Promise<DroppedTable[]> {
  const counted = new Map(backedUp?.map(({ name, rows }) => [name, rows]))
  return withAdminClient(adminPool, async (admin) => {
    await begin(admin, 'repeatable read read write')
    await pinSettings(admin)
    const sizes = await admin.run(SIZES, [quoteIdentifier(place.schema)])
    const bytesOf = new Map(sizes.map(({ name, bytes }) => [name, Number(bytes)]))
    await openForOwner(admin, place)
    const tables = await readTables(admin, place)
    await actAsOwner(admin, place)
    const found: DroppedTable[] = []
    for (const { name, partitioned } of tables) {
      let rows = counted.get(name)
      if (rows === undefined && partitioned) rows = 0
      if (rows === undefined) {
        const table = qualify(place.schema, name)
        // In a savepoint, which gives the locks back.
        await admin.run('savepoint one_table')
        const [row] = await admin.run(`select count(*)::text as rows from only ${table}`)
        await admin.run('rollback to savepoint one_table; release savepoint one_table')
        rows = Number(row?.rows)
      }
      found.push({ name, rows, bytes: bytesOf.get(name) ?? 0 })
    }
    return found
  })
}

/** The receipt's totals. */
export function totals(tables: readonly DroppedTable[]): { rows: number; bytes: number } {
  return {
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    bytes: tables.reduce((sum, table) => sum + table.bytes, 0),
  }
}

export function busy(scopes: number, waitedMs: number): TenancyError {
  return new TenancyError(
    'TIMEOUT',
    `${scopes} running scope(s) of this tenant did not end within ${waitedMs} ms. Nothing was changed and it is still in ` +
      "service. Run it again, give it a longer drain, or say onBusy: 'terminate'.",
    { details: { scopes, waitedMs } },
  )
}
