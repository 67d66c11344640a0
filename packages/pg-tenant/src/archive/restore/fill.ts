import type { Admin } from '../../admin/transaction.ts'
import { traitsOf } from '../../isolation/traits.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { columnList, readNames } from '../catalog.ts'
import type { AdminClient } from '../client.ts'
import type { ArchivedTable } from '../format/manifest.ts'
import type { ArchiveEnd, OpenArchive } from '../format/reader.ts'
import type { Place } from '../place.ts'
import { matchSequences, matchTables } from './drift.ts'
import { loadData } from './load.ts'
import { advanceSequences } from './sequences.ts'
import { suspendChecks } from './suspend-checks.ts'
import { verifyData } from './verify.ts'

/** Puts an archive's data into the tables that the migrations made, as their owner, and checks that it is there. */
export async function fill(
  admin: AdminClient,
  place: Place,
  archive: OpenArchive,
  verify: 'full' | 'archive',
): Promise<ArchiveEnd> {
  const { manifest } = archive
  // The code that runs here is the migrations', in a schema that nobody else has seen: it finds its names by their path.
  const role = place.owner === undefined ? 'none' : quoteIdentifier(place.owner)
  await admin.run(`set local role ${role}; set local search_path to ${place.searchPath}`)
  const tables = await matchTables(admin, place, manifest)
  const checkAgain = await suspendChecks(admin, place)
  const { shared } = traitsOf(manifest.isolation)
  // Of shared tables reference data is not archived: that is what the migrations put in.
  const held = new Set(manifest.tables.map(({ name }) => name))
  await empty(admin, place, shared ? tables.filter(({ name }) => held.has(name)) : tables)
  const into = manifest.tables.map((table) =>
    table.partitioned ? undefined : `${qualify(place.schema, table.name)}${columnList(table)}`,
  )
  const end = await loadData(admin, archive, into)
  const { summary } = end
  if (verify === 'full') await verifyData(admin, place, manifest.tables, summary.tables)
  await checkAgain()
  const { sequences } = summary
  await matchSequences(
    admin,
    place,
    sequences.map(({ name }) => name),
  )
  for (const { name, lastValue, isCalled } of sequences) {
    await admin.run('select setval($1::regclass, $2::bigint, $3)', [
      qualify(place.schema, name),
      lastValue,
      isCalled,
    ])
  }
  if (shared) await advanceSequences(admin, place, manifest.tables)
  const views = shared ? await readNames(admin, place, 'm') : manifest.materializedViews
  for (const name of views) {
    await admin.run(`refresh materialized view ${qualify(place.schema, name)}`)
  }
  return end
}

/** Tables emptied in one statement. */
const AT_ONCE = 500

/** Migrations may have put rows in; the archive holds them as they were at last. */
async function empty(admin: Admin, { schema }: Place, tables: readonly ArchivedTable[]): Promise<void> {
  for (let from = 0; from < tables.length; from += AT_ONCE) {
    const names = tables.slice(from, from + AT_ONCE).map(({ name }) => qualify(schema, name))
    await admin.run(`truncate ${names.join(', ')}`)
  }
}
