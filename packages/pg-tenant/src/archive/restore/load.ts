import type { AdminClient } from '../client.ts'
import { type CopyIn, copyIn } from '../copy.ts'
import { unreadable } from '../format/format.ts'
import type { ArchiveEnd, OpenArchive } from '../format/reader.ts'

/**
 * Sends the archive's data into tables, block by block, and returns its end. The next one is read while the server takes this one.
 *
 * @param into for each table of the archive where its rows go, as COPY names it; `undefined` for one that holds none
 */
export async function loadData(
  admin: AdminClient,
  archive: OpenArchive,
  into: readonly (string | undefined)[],
): Promise<ArchiveEnd> {
  const blocks = archive.blocks()
  let ahead = blocks.next()
  let running: { readonly table: number; readonly copy: CopyIn } | undefined
  try {
    for (;;) {
      const next = await ahead
      if (running && (next.done || next.value.table !== running.table)) {
        const { copy } = running
        await copy.finish()
        running = undefined
      }
      if (next.done) return next.value
      const { table, data } = next.value
      ahead = blocks.next()
      // Where this block fails, nobody asks for that one.
      ahead.catch(() => {})
      const target = into[table]
      if (target === undefined) throw unreadable('damaged')
      running ??= { table, copy: await copyIn(admin, `copy ${target} from stdin`) }
      await running.copy.write(data)
    }
  } catch (error) {
    // Else ROLLBACK would wait behind the COPY for ever.
    await running?.copy.abandon()
    throw error
  }
}
