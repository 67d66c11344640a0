import type { Writable } from 'node:stream'
import { invalidOption, type TenantKey } from '@org/core'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import { throwIfAborted } from '../abort.ts'
import { readTables } from '../catalog.ts'
import type { AdminClient } from '../client.ts'
import { wholeRows } from '../copy.ts'
import { beginReading } from '../describe.ts'
import { openSink, type Sink } from '../format/sink.ts'
import { namedLargeObjects } from '../large-objects.ts'
import { type Place, placeOf } from '../place.ts'
import { asReader, type TableReader, withReaders } from '../readers.ts'
import { readDataSkipped, type Skipped } from '../structure/read.ts'
import { type Found, type Visit, visitTenant } from '../visit.ts'
import { copyQuery } from './copy-query.ts'
import { fileNames } from './file-names.ts'
import { type ExportFolder, openFolder } from './folder.ts'
import { type ExportFormat, FORMATS } from './lines.ts'
import { selectOf } from './select.ts'

/** Options of {@link exportTenant}. */
export interface ExportOptions {
  /**
   * A folder to be made, with a file for each table and `manifest.json`; or a Writable (`jsonl` only), which gets
   * `{"table":…,"row":…}` lines and is ended.
   */
  readonly to: string | Writable
  /** `jsonl` (default): an object a line. `csv`: RFC 4180 with a header. */
  readonly format?: ExportFormat | undefined
  /** Whether sealed values (`enc:…`) are written as they are (default false: `enc:***`). */
  readonly includeSecrets?: boolean | undefined
  /**
   * Of `csv`: whether text that a spreadsheet would run (it begins with `=`, `+`, `-`, `@`, a tab or a line end) is written as it
   * is (default false: behind an apostrophe, which says that it is text). For programs, which read it as it is, use `jsonl`.
   */
  readonly keepFormulas?: boolean | undefined
  /** Stops the export: what runs is cancelled on the server, and nothing is kept. */
  readonly signal?: AbortSignal | undefined
}

export interface ExportedTable {
  readonly table: string
  /** The file in the folder; `null` when it went to a stream. */
  readonly file: string | null
  readonly rows: number
  readonly bytes: number
  /** SHA-256 of the file, in hex; `null` when it went to a stream. */
  readonly sha256: string | null
}

/** What `manifest.json` says. */
export interface ExportResult {
  readonly tenant: TenantKey
  readonly format: ExportFormat
  /** ISO 8601: the instant the data is of. */
  readonly createdAt: string
  readonly includesSecrets: boolean
  readonly rows: number
  /** In the order of their names. */
  readonly tables: readonly ExportedTable[]
  /** What is not there: large objects, foreign tables. */
  readonly skipped: readonly Skipped[]
}

/**
 * Writes a tenant's data for people and other programs, as of one instant and in constant memory: every table, in the
 * order of its primary key, without this library's own tables and, at level `row`, without the tenant column. The folder is there whole or not at all.
 *
 * @throws TenancyError INVALID_OPTION, TENANT_NOT_FOUND, CONFLICT (something is there under that name),
 *   SERVICE_UNAVAILABLE (it cannot be written), TIMEOUT, ABORTED, DATABASE_ERROR, CONNECTION_LOST
 */
export async function exportTenant(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: ExportOptions,
): Promise<ExportResult> {
  const { to, format = 'jsonl', includeSecrets = false, keepFormulas = false, signal } = options ?? {}
  if (!Object.hasOwn(FORMATS, format)) throw invalidOption('format', '"jsonl" or "csv"')
  if (typeof includeSecrets !== 'boolean') throw invalidOption('includeSecrets', 'true or false')
  if (typeof keepFormulas !== 'boolean') throw invalidOption('keepFormulas', 'true or false')
  if (typeof to !== 'string' && format === 'csv')
    throw invalidOption('to', 'a folder: a stream takes "jsonl" only')
  throwIfAborted(signal)
  const visit: Visit = { lifecycle, tenant, place: placeOf(lifecycle, tenant), signal }
  const out = typeof to === 'string' ? await openFolder(to) : await openSink(to, signal)
  try {
    const result = await visitTenant(visit, ['active', 'suspended'], (found) =>
      run(found, visit, { out, format, includeSecrets, neutralised: format === 'csv' && !keepFormulas }),
    )
    if ('file' in out) await writeManifest(out, result)
    throwIfAborted(signal)
    await out.finish()
    return result
  } catch (error) {
    await out.abandon()
    throw error
  }
}

interface Output {
  readonly out: ExportFolder | Sink
  readonly format: ExportFormat
  readonly includeSecrets: boolean
  readonly neutralised: boolean
}

async function run(found: Found, visit: Visit, output: Output): Promise<ExportResult> {
  const { place, tenant } = visit
  const { home } = found
  await beginReading(found, place)
  const [facts] = await home.run(
    `select to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "createdAt"`,
  )
  const skipped = [...(await readDataSkipped(home, place)), ...(await namedLargeObjects(found, visit))]
  const tables = (await readTables(home, place)).filter(({ partitioned }) => !partitioned)
  const names = tables.map(({ name }) => name).sort()
  const files = fileNames(names, FORMATS[output.format].extension)
  const done: ExportedTable[] = []
  await withReaders(found, visit, async (readerOf) => {
    for (const name of names)
      done.push(await exportTable(home, readerOf(name), place, name, files.get(name) ?? name, output))
  })
  const rows = done.reduce((sum, table) => sum + table.rows, 0)
  const { format, includeSecrets: includesSecrets } = output
  return { tenant, format, createdAt: String(facts?.createdAt), includesSecrets, rows, tables: done, skipped }
}

async function exportTable(
  home: AdminClient,
  reader: TableReader,
  place: Place,
  table: string,
  file: string,
  { out, format, includeSecrets: withSecrets, neutralised }: Output,
): Promise<ExportedTable> {
  const { line } = FORMATS[format]
  const selected = await selectOf(home, place, table, { withSecrets, neutralised })
  const target = 'file' in out ? await out.file(file) : streamOf(out, table)
  // The header of a csv is its first line.
  let rows = format === 'csv' ? -1 : 0
  const take = wholeRows((row) => {
    rows++
    return target.add(line(row))
  })
  await asReader(reader, place, { name: table }, (client) =>
    copyQuery(client, reader, place, table, FORMATS[format], selected, take),
  )
  const { bytes, sha256 } = await target.end()
  return { table, file: sha256 === null ? null : file, rows, bytes, sha256 }
}

/** Lines of one table on a stream that several share. */
function streamOf(sink: Sink, table: string) {
  const [before, after] = [Buffer.from(`{"table":${JSON.stringify(table)},"row":`), Buffer.from('}\n')]
  let bytes = 0
  let written: Promise<void> = Promise.resolve()
  return {
    add: (line: Buffer) => {
      const whole = Buffer.concat([before, line.subarray(0, -1), after])
      bytes += whole.length
      written = written.then(() => sink.write(whole))
      written.catch(() => {})
      return written
    },
    end: async () => {
      await written
      return { bytes, sha256: null }
    },
  }
}

/** Last of all: a folder without it is no export. */
async function writeManifest(folder: ExportFolder, result: ExportResult): Promise<void> {
  const file = await folder.file('manifest.json')
  await file.add(Buffer.from(`${JSON.stringify(result, undefined, 2)}\n`))
  await file.end()
}
