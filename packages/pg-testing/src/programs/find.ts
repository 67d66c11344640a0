import { spawnSync } from 'node:child_process'
import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Beside PATH: Debian's folder of servers' programs, and where it keeps each PostgreSQL's own. */
const SBIN = ['/usr/sbin', '/usr/local/sbin']
const POSTGRESQL = '/usr/lib/postgresql'

const answers = new Map<string, boolean>()

/**
 * The path of a program that this machine may or may not have (`psql`, `pg_dump`, `pgbouncer`, `chromium`): on PATH, in
 * the folders of administrators' programs, else in Debian's newest PostgreSQL. It counts only when it answers
 * `--version`. The environment's `TEST_HIDE` (names, separated by commas) makes as if they were not there.
 *
 * @param names one program's names; the first that is there counts
 * @returns `undefined` where there is none: skip the tests that need it
 * @example
 * ```ts
 * import { findProgram } from '@org/pg-testing'
 *
 * const psql = findProgram('psql')
 * console.log(psql === undefined ? 'no psql here' : 'psql is installed')
 * ```
 */
export function findProgram(...names: readonly string[]): string | undefined {
  const hidden = (process.env.TEST_HIDE ?? '').split(',')
  if (names.some((name) => hidden.includes(name))) return undefined
  return names.flatMap((name) => folders().map((folder) => join(folder, name))).find(isThere)
}

function folders(): string[] {
  const path = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return [...path, ...SBIN, ...debianPostgres()]
}

function debianPostgres(): string[] {
  try {
    const majors = readdirSync(POSTGRESQL).sort((a, b) => Number(b) - Number(a))
    return majors.map((major) => join(POSTGRESQL, major, 'bin'))
  } catch {
    return []
  }
}

/** Asked once: a browser takes its time to say its version, and some distributions ship a stub that says none. */
function isThere(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
  } catch {
    return false
  }
  const known = answers.get(file) ?? spawnSync(file, ['--version'], { timeout: 30_000 }).status === 0
  answers.set(file, known)
  return known
}
