import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { TenancyError } from '@org/core'

/** The programs of PostgreSQL that are used. */
export type Program = 'pg_dump' | 'pg_restore'

/** How to reach the server; goes into the environment of the program, never into its arguments. */
export interface ProgramConnection {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly password: string | undefined
  /** `PGSSLMODE`, e.g. `verify-full`; with `PGSSLROOTCERT` and the like taken from this process's environment. */
  readonly sslMode: string | undefined
}

const KEPT_OUTPUT = 4_000

/**
 * Runs a program to its end.
 *
 * @returns what it printed
 * @throws TenancyError SERVICE_UNAVAILABLE when it is not installed, DATABASE_ERROR when it fails; what it said is in
 *   `details.said`, without values
 */
export function runProgram(
  program: Program,
  folder: string | undefined,
  args: readonly string[],
  connection?: ProgramConnection,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(folder === undefined ? program : join(folder, program), args, {
      env: { ...process.env, ...(connection && environment(connection)), LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (text: Buffer) => {
      out = (out + text.toString()).slice(-KEPT_OUTPUT)
    })
    child.stderr.on('data', (text: Buffer) => {
      err = (err + text.toString()).slice(-KEPT_OUTPUT)
    })
    child.once('error', () => reject(missing(program)))
    child.once('close', (code) => (code === 0 ? resolve(out) : reject(failed(program, code, err))))
  })
}

function environment({ host, port, user, database, password, sslMode }: ProgramConnection) {
  return {
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGDATABASE: database,
    ...(password !== undefined && { PGPASSWORD: password }),
    ...(sslMode !== undefined && { PGSSLMODE: sslMode }),
  }
}

/** The major version of an installed program; `undefined` when it is not installed. */
export async function versionOf(program: Program, folder: string | undefined): Promise<number | undefined> {
  const text = await runProgram(program, folder, ['--version']).catch(() => undefined)
  const [, major] = /\(PostgreSQL\) (\d+)/.exec(text ?? '') ?? []
  return major === undefined ? undefined : Number(major)
}

function missing(program: Program): TenancyError {
  return new TenancyError(
    'SERVICE_UNAVAILABLE',
    `${program} is not installed here (or not in the folder given). Install PostgreSQL's client programs, or use format: ` +
      "'archive', which needs none.",
    { details: { program } },
  )
}

/** Quoted texts and DETAIL lines can hold values; names in double quotes stay. */
function failed(program: Program, exitCode: number | null, said: string): TenancyError {
  const lines = said
    .split('\n')
    .filter((line) => /(?:error|fatal|warning):/i.test(line) && !/detail:/i.test(line))
  const redacted = lines
    .join(' ')
    .replaceAll(/'[^']*'/g, "'…'")
    .replaceAll(/\([^)]*\)=\([^)]*\)/g, '(…)')
    .slice(0, 500)
  return new TenancyError(
    'DATABASE_ERROR',
    `${program} ended with exit code ${exitCode}. What it made was not kept.`,
    {
      details: { program, exitCode, said: redacted },
    },
  )
}
