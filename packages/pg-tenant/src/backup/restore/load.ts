import { qualify } from '../../sql/identifier.ts'
import { unreadable } from '../archive/format.ts'
import type { ArchivedTable } from '../archive/manifest.ts'
import type { ArchiveEnd, OpenArchive } from '../archive/reader.ts'
import { columnList } from '../catalog.ts'
import type { AdminClient } from '../client.ts'
import { type CopyIn, copyIn } from '../copy.ts'

/** Sends the archive's data into its tables, block by block as it is read, and returns its end. */
export async function loadData(
  admin: AdminClient,
  schema: string,
  archive: OpenArchive,
): Promise<ArchiveEnd> {
  const blocks = archive.blocks()
  let running: { readonly table: number; readonly copy: CopyIn } | undefined
  try {
    for (;;) {
      const next = await blocks.next()
      if (running && (next.done || next.value.table !== running.table)) {
        const { copy } = running
        await copy.finish()
        running = undefined
      }
      if (next.done) return next.value
      const { table, data } = next.value
      running ??= { table, copy: await copyIn(admin.wire, copySql(schema, archive.manifest.tables[table])) }
      await running.copy.write(data)
    }
  } catch (error) {
    // Else ROLLBACK would wait behind the COPY for ever.
    await running?.copy.abandon()
    throw error
  }
}

function copySql(schema: string, table: ArchivedTable | undefined): string {
  if (!table || table.partitioned) throw unreadable('damaged')
  return `copy ${qualify(schema, table.name)}${columnList(table)} from stdin`
}
