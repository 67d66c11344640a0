import { copySource, replaced } from './catalog.ts'
import type { AdminClient } from './client.ts'
import { digestComputed } from './computed.ts'
import { copyOut } from './copy.ts'
import type { ArchivedTable, TableSummary } from './format/manifest.ts'
import type { ArchiveWriter } from './format/writer.ts'
import { archiveHasher } from './hash-row.ts'
import type { Place } from './place.ts'
import { asReader, type TableReader, withReaders } from './readers.ts'
import type { Found, Visit } from './visit.ts'

/**
 * Reads every table and says what it holds.
 *
 * @param writer takes the data as well, where an archive is made of it
 */
export async function digestTables(
  found: Found,
  visit: Visit,
  tables: readonly ArchivedTable[],
  writer?: ArchiveWriter,
): Promise<TableSummary[]> {
  const { place } = visit
  const done: TableSummary[] = []
  await withReaders(found, visit, async (readerOf) => {
    for (const [index, table] of tables.entries()) {
      await writer?.startTable(index)
      const hasher = archiveHasher()
      const computedDigest = table.partitioned
        ? undefined
        : await copyTable(readerOf(table.name), place, table, writer, hasher)
      done.push({
        name: table.name,
        ...hasher.end(),
        ...(computedDigest !== undefined && { computedDigest }),
      })
    }
  })
  return done
}

async function copyTable(
  reader: TableReader,
  place: Place,
  table: ArchivedTable,
  writer: ArchiveWriter | undefined,
  hasher: ReturnType<typeof archiveHasher>,
): Promise<string | undefined> {
  const take = (piece: Buffer, first: boolean, last: boolean) => {
    hasher.add(piece, first, last)
    return writer?.add(piece)
  }
  const copy = (client: AdminClient) => copyOut(client, `copy ${copySource(place, table)} to stdout`, take)
  await asReader(reader, place, table, copy, (client) => requireUnchanged(client, place, table))
  // Where nobody but the administrator could look at them, definitions have to do.
  if (table.computed === undefined || reader.role === 'none') return undefined
  let computed: string | undefined
  const digest = async (client: AdminClient) => {
    computed = await digestComputed(client, place, table)
  }
  await asReader(reader, place, table, digest)
  return computed
}

async function requireUnchanged(client: AdminClient, place: Place, { name }: ArchivedTable): Promise<void> {
  if (!(await isUnchanged(client, place, name))) throw replaced()
}

const UNCHANGED = `select c.relfilenode = pg_relation_filenode(c.oid) as unchanged
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2`

/**
 * TRUNCATE and the rewriting kinds of ALTER TABLE do not keep old row versions (manual 13.6): a snapshot from before
 * finds the table empty. The file the snapshot knows must still be the table's.
 */
export async function isUnchanged(
  client: Pick<AdminClient, 'run'>,
  { schema }: Place,
  table: string,
): Promise<boolean> {
  const [row] = await client.run(UNCHANGED, [schema, table])
  return row?.unchanged === true
}
