import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { TenancyError } from '@org/core'
import { MAX_PAYLOAD_BYTES, unreadable } from '../format/format.ts'
import {
  type ArchivedSequence,
  type ArchiveManifest,
  checkDescription,
  checkSummary,
  type TableSummary,
} from '../format/manifest.ts'

/** What is written beside a file of `pg_dump`: `<file>.manifest.json`. */
export interface DumpManifest extends Omit<ArchiveManifest, 'format' | 'tables'> {
  readonly format: 'pg-tenant-dump'
  /** Major version of pg_dump: pg_restore must be as new. */
  readonly programVersion: number
  readonly tables: readonly (ArchiveManifest['tables'][number] & TableSummary)[]
  readonly sequences: readonly ArchivedSequence[]
  readonly rows: number
  readonly bytes: number
  /** SHA-256 of the file, in hex. */
  readonly sha256: string
}

export const manifestPathOf = (file: string): string => `${file}.manifest.json`

/** How a file in pg_dump's custom format begins. */
const MAGIC = Buffer.from('PGDMP')

/** Whether a file is one of pg_dump's; not if it cannot be read, which whoever reads it next says better. */
export async function isDump(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return false
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0)
    return bytesRead === MAGIC.length && buffer.equals(MAGIC)
  } catch {
    return false
  } finally {
    await file.close()
  }
}

/** SHA-256 and size of a file. */
export async function digestOfFile(path: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 18 })) {
    hash.update(piece as Buffer)
    bytes += (piece as Buffer).length
  }
  return { sha256: hash.digest('hex'), bytes }
}

/**
 * Reads the manifest of a file of `pg_dump`, and the whole file to see that it is the one.
 *
 * @throws TenancyError NOT_FOUND when there is no manifest, VALIDATION_ERROR when it does not fit the file
 * @example
 * ```ts
 * import { existsSync } from 'node:fs'
 * import { inspectDump } from '@org/pg-tenant/admin'
 *
 * const path = 'backups/acme.dump' // made by tenancy.backup('acme', { to: path, format: 'pg_dump' })
 * if (existsSync(path)) console.log((await inspectDump(path)).tenant)
 * ```
 */
export async function readDumpManifest(path: string): Promise<DumpManifest> {
  if (!(await isDump(path))) throw unreadable('not_an_archive')
  const manifest = parseDumpManifest(await readBounded(manifestPathOf(path)))
  const { sha256, bytes } = await digestOfFile(path)
  if (sha256 !== manifest.sha256 || bytes !== manifest.bytes)
    throw unreadable(bytes < manifest.bytes ? 'truncated' : 'damaged')
  return manifest
}

/** No more of it than an archive's manifest may have. */
async function readBounded(path: string): Promise<Buffer> {
  const file = await open(path, 'r').catch(() => {
    throw new TenancyError(
      'NOT_FOUND',
      'There is no manifest beside this file of pg_dump (<file>.manifest.json), so it cannot be checked. It was not made by ' +
        'backup, was copied without it, or its backup was cut off. Nothing was changed.',
    )
  })
  try {
    if ((await file.stat()).size > MAX_PAYLOAD_BYTES) throw unreadable('damaged')
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** @throws TenancyError VALIDATION_ERROR */
export function parseDumpManifest(payload: Buffer): DumpManifest {
  const manifest = checkDescription<DumpManifest>(payload, 'pg-tenant-dump')
  const { sequences, tables, rows, bytes, programVersion, sha256 } = manifest
  checkSummary({ sequences, tables, rows, bytes })
  const whole = Number.isSafeInteger(programVersion) && typeof sha256 === 'string'
  if (!whole || manifest.structure === undefined) throw unreadable('damaged')
  return manifest
}
