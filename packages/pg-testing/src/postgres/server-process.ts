import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerUser } from './server-user.ts'
import type { Watchdog } from './watchdog.ts'

const STOP_TIMEOUT_MS = 15_000
const LOG_TAIL = 3000

export interface ServerProcess {
  readonly pid: number
  /** waits for its end, keeping the event loop alive: the exit code or the signal; never rejected */
  wait(): Promise<number | NodeJS.Signals>
  hasExited(): boolean
  /** sends the signal and waits; SIGKILL after 15 s */
  stop(signal: NodeJS.Signals): Promise<void>
  /** the end of what it wrote to stdout and stderr */
  log(): string
}

export interface SpawnServerOptions {
  /** working directory, where the `log` goes; the server's user must be able to enter it */
  readonly dir: string
  readonly user: ServerUser | undefined
  readonly watchdog: Watchdog
}

/** Each session takes its memory in a few large pages and keeps it: faults of small ones were up to an eighth of a server's processor time. */
const ALLOCATOR = {
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
  MALLOC_TOP_PAD_: '4194304',
  MALLOC_TRIM_THRESHOLD_: '1073741824',
}

/** A clean environment: PG* variables would change what the server does, and our secrets are not its business. */
const serverEnvironment = (): Record<string, string> => ({
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
  ...ALLOCATOR,
  ...(process.env.LD_LIBRARY_PATH ? { LD_LIBRARY_PATH: process.env.LD_LIBRARY_PATH } : {}),
})

/** Starts a program in the background, guarded by the watchdog; it does not keep the event loop alive. */
export function spawnServer(command: string, args: string[], options: SpawnServerOptions): ServerProcess {
  const logFile = join(options.dir, 'log')
  const log = openSync(logFile, 'a')
  const child = spawn(command, args, {
    ...options.user,
    cwd: options.dir,
    env: serverEnvironment(),
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  child.unref()
  let failure = ''
  let ended = false
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    const end = (status: number | NodeJS.Signals): void => {
      ended = true
      // Its id may be given to another process from here on.
      options.watchdog.guard(0)
      resolve(status)
    }
    child.once('exit', (code, signal) => end(code ?? signal ?? 1))
    child.once('error', (error) => {
      failure = `${error.message}\n`
      end(1)
    })
  })
  const pid = child.pid ?? 0
  options.watchdog.guard(pid)
  return {
    pid,
    wait() {
      if (!ended) child.ref()
      return exited
    },
    hasExited: () => ended,
    log: () => failure + readFileSync(logFile, 'utf8').slice(-LOG_TAIL),
    async stop(signal) {
      if (ended) return
      child.ref()
      child.kill(signal)
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
      await exited
      clearTimeout(timer)
    },
  }
}
