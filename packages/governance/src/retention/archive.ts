import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { TenancyError } from '@org/core'
import { invalidOption } from '../input/input.ts'

/** What is about to be removed. */
export interface ArchivedPart {
  /** E.g. `audit_log_2026_01`. */
  readonly name: string
  readonly table: string
  /** ISO 8601: from, and before. */
  readonly since: string
  readonly until: string
}

/**
 * Keeps what is about to be removed. When it rejects, nothing is removed. It may be called again for the same part, with what is
 * still there of it (another run was cut off, or a hold was released): it must not write over what it kept before.
 *
 * @param lines one JSON object for each row
 */
export type Archive = (part: ArchivedPart, lines: AsyncIterable<string>) => Promise<void>

const FORMAT = 'org-governance-archive'

/**
 * Archives to files of a directory, one for each part: a line that says what it is, a line for each row, and a line with
 * their number and the digest of all lines before (SHA-256). A file is complete when it has its name: it is written under
 * another, flushed to the disk, read back and compared before that. It is never written over: what comes later of the same part
 * is in `<part>.2.jsonl`, and so on.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { archiveTo, retention } from '@org/governance/retention'
 *
 * // A file for each part that leaves the audit log; of a volume that is backed up.
 * retention({ profile: 'standard', archive: archiveTo('/var/lib/app/archive') })
 * ```
 */
export function archiveTo(directory: string): Archive {
  if (typeof directory !== 'string' || directory === '') throw invalidOption('directory', 'a path')
  return async (part, lines) => {
    if (!/^[a-z0-9_]{1,63}$/.test(part.name)) throw invalidOption('part.name', 'the name of a partition')
    const unfinished = join(directory, `${part.name}.jsonl.${process.pid}.part`)
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const rows = await write(unfinished, part, lines)
      const found = await examine(unfinished)
      if (found.rows !== rows) throw damaged(part.name)
      const path = await placeFor(join(directory, part.name), found)
      if (path !== undefined) await rename(unfinished, path)
    } catch (error) {
      throw withoutPlace(error, part.name)
    } finally {
      await rm(unfinished, { force: true }).catch(() => {})
    }
  }
}

/** A disk that is full, a folder that is not ours: for whoever operates it, and no defect of the program. */
function withoutPlace(error: unknown, name: string): unknown {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined) return error
  return new TenancyError(
    'SERVICE_UNAVAILABLE',
    `The archive cannot be written (${code}); nothing of it was removed. Look at its folder, then run retention again.`,
    { details: { archive: name } },
  )
}

/** The first name that nothing has, or none where the same rows are kept already: a run that was cut off behind this is repeated. */
async function placeFor(base: string, { sha256 }: Examined): Promise<string | undefined> {
  for (let number = 1; ; number++) {
    const path = number === 1 ? `${base}.jsonl` : `${base}.${number}.jsonl`
    if (!existsSync(path)) return path
    const kept = await examine(path).catch(() => undefined)
    if (kept?.sha256 === sha256) return undefined
  }
}

async function write(path: string, part: ArchivedPart, lines: AsyncIterable<string>): Promise<number> {
  const file = await open(path, 'w', 0o600)
  const hash = createHash('sha256')
  let rows = 0
  try {
    const add = async (line: string) => {
      hash.update(`${line}\n`)
      await file.write(`${line}\n`)
    }
    await add(JSON.stringify({ format: FORMAT, version: 1, ...part }))
    for await (const line of lines) {
      await add(line)
      rows++
    }
    await file.write(`${JSON.stringify({ rows, sha256: hash.digest('hex') })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  return rows
}

/**
 * Reads an archive through and compares it with what it says of itself.
 *
 * @throws TenancyError VALIDATION_ERROR when it is not whole
 * @example
 * ```ts
 * import { existsSync } from 'node:fs'
 * import { verifyArchive } from '@org/governance/retention'
 *
 * const path = '/var/lib/app/archive/audit_log_2026_01.jsonl'
 * if (existsSync(path)) console.log((await verifyArchive(path)).rows)
 * ```
 */
export async function verifyArchive(path: string): Promise<ArchivedPart & { readonly rows: number }> {
  const { sha256: _, ...found } = await examine(path)
  return found
}

type Examined = ArchivedPart & { readonly rows: number; readonly sha256: string }

async function examine(path: string): Promise<Examined> {
  const hash = createHash('sha256')
  let header: (ArchivedPart & { readonly format?: unknown }) | undefined
  let held: string | undefined
  let rows = -1
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (held !== undefined) {
      hash.update(`${held}\n`)
      rows++
    }
    header ??= parsed(line)
    held = line
  }
  const end = parsed<{ rows?: unknown; sha256?: unknown }>(held)
  const sha256 = hash.digest('hex')
  if (header?.format !== FORMAT || end?.rows !== rows || end.sha256 !== sha256) throw damaged(path)
  const { name, table, since, until } = header
  return { name, table, since, until, rows, sha256 }
}

function parsed<T>(line: string | undefined): T | undefined {
  try {
    return JSON.parse(line ?? '') as T
  } catch {
    return undefined
  }
}

function damaged(name: string): TenancyError {
  return new TenancyError(
    'VALIDATION_ERROR',
    'This archive is not whole: its lines are not those it says it has.',
    {
      details: { archive: name.slice(-100) },
    },
  )
}
