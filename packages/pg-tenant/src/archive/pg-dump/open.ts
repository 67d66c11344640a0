import { unreadable } from '../format/format.ts'
import type { ArchiveManifest, ArchiveSummary } from '../format/manifest.ts'
import type { ArchiveEnd, DataBlock, OpenArchive } from '../format/reader.ts'
import { requireProgram } from './connection.ts'
import { type DumpManifest, readDumpManifest } from './manifest.ts'
import { type ProgramOptions, streamProgram } from './program.ts'
import { splitDump } from './split.ts'

/**
 * Opens a file of pg_dump as an archive: structure and counts are in its manifest, the rows are what `pg_restore` prints.
 * That program never meets a server: a file from elsewhere could have it run anything there.
 *
 * @throws TenancyError NOT_FOUND, VALIDATION_ERROR, SERVICE_UNAVAILABLE (no `pg_restore`, or an older one)
 */
export async function openDump(
  path: string,
  options: ProgramOptions,
  signal: AbortSignal | undefined,
): Promise<OpenArchive> {
  const dump = await readDumpManifest(path)
  await requireProgram('pg_restore', options.programs, dump.programVersion, 'file')
  const stopped = new AbortController()
  const either = signal ? AbortSignal.any([signal, stopped.signal]) : stopped.signal
  return {
    manifest: { ...dump, format: 'pg-tenant-archive' } as ArchiveManifest,
    qualified: true,
    blocks: () => readBlocks(path, dump, { ...options, signal: either }),
    close: async () => stopped.abort(),
  }
}

async function* readBlocks(
  path: string,
  dump: DumpManifest,
  options: ProgramOptions & { readonly signal: AbortSignal },
): AsyncGenerator<DataBlock, ArchiveEnd, undefined> {
  const { schema, skipped, tables, sequences, rows, bytes, sha256 } = dump
  const indexes = new Map(tables.map(({ name }, index) => [name, index]))
  // Names in comments have blanks for line breaks.
  const told = new Map(tables.map(({ name }, index) => [name.replace(/[\n\r]/g, ' '), index]))
  const args = ['--data-only', '--format=custom', '--no-owner', '--no-privileges', '--file=-', path]
  const { output, ended } = streamProgram({ program: 'pg_restore', ...options, args })
  // Whoever reads may stop in the middle and never come back; the program is stopped then.
  ended.catch(() => {})
  for await (const { table, entry, columns, data } of splitDump(output, schema)) {
    const named = indexes.get(table)
    // Where a hash is of an OID pg_dump has the rows of each partition come in through the whole.
    const index = named !== undefined && tables[named]?.partitioned ? told.get(entry) : named
    // What depends on something that cannot be made has no place; pg_dump has its rows all the same.
    if (index === undefined && skipped.length > 0) continue
    const expected = index === undefined ? undefined : tables[index]?.columns.map(({ name }) => name)
    if (index === undefined || !expected || !sameNames(columns, expected)) throw unreadable('damaged')
    yield { table: index, data }
  }
  await ended
  const summary: ArchiveSummary = { tables, sequences, rows, bytes }
  return { summary, sha256, bytes }
}

const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, at) => name === b[at])
