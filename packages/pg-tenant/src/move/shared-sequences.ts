import { inAdminTransaction } from '../admin/transaction.ts'
import { askTable } from '../archive/ask-table.ts'
import { beginReading } from '../archive/describe.ts'
import type { ArchivedTable } from '../archive/format/manifest.ts'
import { placeOf } from '../archive/place.ts'
import { withReaders } from '../archive/readers.ts'
import {
  type NumberedColumn,
  newestOf,
  numberedColumns,
  requireNumbersLeft,
} from '../archive/restore/sequences.ts'
import { visitTenant } from '../archive/visit.ts'
import type { Route } from './route.ts'

/**
 * Whether the sequences of tables that all share can go past the tenant's keys, asked with the tenant in service.
 *
 * @throws TenancyError CONFLICT (`details.reason` `sequence`)
 */
export async function requireNumbers(
  route: Route,
  { tables }: { readonly tables: readonly ArchivedTable[] },
): Promise<void> {
  const { to, tenant } = route
  const { adminPool } = to.lifecycle
  const place = placeOf(to.lifecycle, tenant)
  const all = await inAdminTransaction(adminPool, (admin) => numberedColumns(admin, place, tables))
  const held = new Map(tables.map((table) => [table.name, table.columns.map(({ name }) => name)]))
  const columns = all.filter(({ table, column }) => held.get(table)?.includes(column))
  if (columns.length === 0) return
  const newest = await newestHere(route, columns)
  await inAdminTransaction(adminPool, async (admin) => {
    for (const [at, column] of columns.entries()) {
      const number = newest[at]
      if (number !== undefined) await requireNumbersLeft(admin, place, column, number)
    }
  })
}

/** The tenant's highest number in each. */
async function newestHere(
  { from: { lifecycle }, tenant }: Route,
  columns: readonly NumberedColumn[],
): Promise<(string | undefined)[]> {
  const visit = { lifecycle, tenant, place: placeOf(lifecycle, tenant) }
  const { place } = visit
  return await visitTenant(visit, ['active', 'suspended'], async (found) => {
    await beginReading(found, place)
    const newest: (string | undefined)[] = []
    await withReaders(found, visit, async (readerOf) => {
      for (const { table, column } of columns) {
        const sql = `select (${newestOf(place, table, column)}) as newest`
        // What nobody may ask is found when it arrives.
        const asked = await askTable(readerOf(table), place, table, sql, 'newest pg_catalog.int8')
        const number = asked?.newest
        newest.push(number === null || number === undefined ? undefined : BigInt(String(number)).toString())
      }
    })
    return newest
  })
}
