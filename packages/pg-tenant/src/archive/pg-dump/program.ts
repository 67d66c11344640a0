import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { TenancyError } from '@org/core'
import { aborted } from '../../errors/from-scope.ts'
import { throwIfAborted } from '../abort.ts'

/** The programs of PostgreSQL that are used. */
export type Program = 'pg_dump' | 'pg_restore'

/** Options of what uses PostgreSQL's own programs. */
export interface ProgramOptions {
  /** The folder that holds `pg_dump` and `pg_restore` (default: the programs found on the path). */
  readonly programs?: string | undefined
  /**
   * Variables for them that the admin pool's connection does not tell, e.g. `PGSSLMODE`, `PGSSLROOTCERT`, `PGPASSFILE`
   * (default: this process's environment; `PGSSLMODE` is `verify-full` or `require` where the pool uses TLS).
   */
  readonly programEnvironment?: Readonly<Record<string, string>> | undefined
}

/** Libpq's variables; a password goes there, never into arguments. */
export type ProgramEnvironment = Readonly<Record<string, string | undefined>>

/** One run of a program. */
export interface ProgramRun extends ProgramOptions {
  readonly program: Program
  readonly args: readonly string[]
  readonly environment?: ProgramEnvironment | undefined
  /** What it reads; the program ends with it, also when this process is killed. */
  readonly input?: Readable | undefined
  readonly signal?: AbortSignal | undefined
}

const KEPT_OUTPUT = 4_000

/**
 * Runs a program to its end.
 *
 * @returns what it printed
 * @throws TenancyError SERVICE_UNAVAILABLE when it is not installed, DATABASE_ERROR when it fails; what it said is in
 *   `details.said`, without values; ABORTED
 */
export async function runProgram(run: ProgramRun): Promise<string> {
  const { output, ended } = streamProgram(run)
  let out = ''
  output.on('data', (text: Buffer) => {
    out = (out + text.toString()).slice(-KEPT_OUTPUT)
  })
  await ended
  return out
}

/**
 * Starts a program.
 *
 * @returns what it prints, to be read to the end, and its end; errors as {@link runProgram}
 */
export function streamProgram(run: ProgramRun): { readonly output: Readable; readonly ended: Promise<void> } {
  const { program, programs, args, environment, programEnvironment, input, signal } = run
  throwIfAborted(signal)
  const child = spawn(programs === undefined ? program : join(programs, program), args, {
    env: { ...process.env, ...environment, ...programEnvironment, LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>((resolve, reject) => {
    // It tells the server to cancel, and ends.
    const stop = () => child.kill('SIGTERM')
    signal?.addEventListener('abort', stop, { once: true })
    let err = ''
    child.stderr.on('data', (text: Buffer) => {
      err = (err + text.toString()).slice(-KEPT_OUTPUT)
    })
    const over = (end: () => void) => {
      signal?.removeEventListener('abort', stop)
      input?.destroy()
      end()
    }
    // It may end before it has read everything.
    child.stdin.on('error', () => {})
    input?.on('error', stop)
    if (input) input.pipe(child.stdin)
    else child.stdin.end()
    child.once('error', () => over(() => reject(missing(program))))
    child.once('close', (code) =>
      over(() => {
        if (signal?.aborted) reject(aborted(signal))
        else if (code === 0) resolve()
        else reject(failed(program, code, err))
      }),
    )
  })
  return { output: child.stdout, ended }
}

/** The major version of an installed program; `undefined` when it is not installed. */
export async function versionOf(program: Program, folder: string | undefined): Promise<number | undefined> {
  const text = await runProgram({ program, programs: folder, args: ['--version'] }).catch(() => undefined)
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
    .replace(/\)=\(.*/s, ')=(…)')
    .slice(0, 500)
  return new TenancyError(
    'DATABASE_ERROR',
    `${program} ended with exit code ${exitCode}. What it did was not kept.${POLICIES.test(said) ? BY_ARCHIVE : ''}`,
    {
      details: { program, exitCode, said: redacted },
    },
  )
}

/** What the server says to an owner whom policies bind (FORCE ROW LEVEL SECURITY). */
const POLICIES = /row-level security policy/
const BY_ARCHIVE = " Policies hide rows from the table's owner, and so from pg_dump: use format: 'archive'."
