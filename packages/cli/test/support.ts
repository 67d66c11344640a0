import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { afterAll, beforeAll } from 'vitest'
import { type Io, type OutStream, run } from '../src/index.ts'

/** What a command wrote, and its exit code. */
export interface Ran {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
  /** The one JSON document on stdout. */
  json<T = Record<string, never>>(): T
  /** The JSON lines on stdout. */
  lines(): Record<string, unknown>[]
}

export interface RunOptions {
  readonly env?: Io['env']
  readonly cwd?: string
  readonly signal?: AbortSignal
  readonly stdin?: Io['stdin']
  /** Whether stderr is a terminal. */
  readonly terminal?: boolean
}

/** Runs a command line in this process. */
export async function pgTenant(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [stdout, stderr] = [new Collected(false), new Collected(options.terminal ?? false)]
  const { env = {}, cwd = tmpdir(), signal = new AbortController().signal, stdin } = options
  const exit = await run(argv, { stdout, stderr, stdin, env, cwd, signal })
  return ran(exit, stdout.bytes(), stderr.bytes().toString())
}

/** The same, for output that is no text. */
export async function pgTenantBytes(argv: readonly string[], options: Pick<RunOptions, 'env' | 'cwd'>) {
  const [stdout, stderr] = [new Collected(false), new Collected(false)]
  const { env = {}, cwd = tmpdir() } = options
  const exit = await run(argv, { stdout, stderr, env, cwd, signal: new AbortController().signal })
  return { exit, bytes: stdout.bytes() }
}

export function ran(exit: number, out: Buffer, stderr: string): Ran {
  const stdout = out.toString()
  return {
    exit,
    stdout,
    stderr,
    json: <T>() => JSON.parse(stdout) as T,
    lines: () =>
      stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  }
}

class Collected extends Writable implements OutStream {
  readonly isTTY: boolean
  readonly columns = 100
  readonly #pieces: Buffer[] = []

  constructor(isTTY: boolean) {
    super({ decodeStrings: true })
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#pieces.push(chunk)
    done()
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces)
  }
}

/** Somebody at a terminal who types this. */
export function typing(text: string): NonNullable<Io['stdin']> {
  return Object.assign(Readable.from([Buffer.from(text)]), { isTTY: true })
}

/** A folder of the test file's own. */
export function useFolder(): { path: string; write(name: string, text: string): Promise<string> } {
  const folder = {
    path: '',
    write: async (name: string, text: string) => {
      const file = join(folder.path, name)
      await writeFile(file, text)
      return file
    },
  }
  beforeAll(async () => {
    folder.path = await mkdtemp(join(tmpdir(), 'pg-tenant-cli-'))
  })
  afterAll(() => rm(folder.path, { recursive: true, force: true }))
  return folder
}
