import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRunning, startPostgres, startWireProxy, type WireMessage, type WireProxy } from '@org/pg-testing'
import pg from 'pg'
import { eventually } from '../support/world.ts'

/** Where the server dies: as a statement comes in, while it runs, or when it is done and nobody knows yet. */
export type Moment = 'before' | 'during' | 'after'

/** A server of our own behind a proxy that can kill it, all processes at once, at a chosen message. */
export interface CrashServer {
  readonly url: string
  /** The same through the proxy. */
  readonly mortalUrl: string
  /** Has the server killed at the `at`-th message with statements (from 1) that passes the proxy from now on. */
  arm(at: number, moment: Moment): void
  /** Counts messages without killing. */
  disarm(): void
  /** How many messages with statements have passed since. */
  passed(): number
  /** Whether the server was killed since it was armed; resolves when it runs again on the same data. */
  crashed(): Promise<boolean>
  /** Whatever state it is in: stops it at once and starts it on the same data. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/**
 * `full_page_writes` as in production: SIGKILL can tear a page of 8 kB in the middle, and without them recovery could not
 * mend it. `fsync` stays off: the machine itself goes on, and so does its cache.
 */
export async function startCrashServer(): Promise<CrashServer> {
  const server = await startPostgres({
    url: false,
    prefer: 'embedded',
    settings: {
      full_page_writes: 'on',
      log_min_messages: 'fatal',
      min_wal_size: '32MB',
      max_wal_size: '64MB',
    },
  })
  const directory = await dataDirectory(server.url)
  const state = { passed: 0, at: Number.POSITIVE_INFINITY, moment: 'before' as Moment, held: false }
  let restarted: Promise<void> | undefined
  const crash = () => {
    state.at = Number.POSITIVE_INFINITY
    restarted = killServer(directory).then(() => server.restart('immediate'))
  }
  const proxy: WireProxy = await startWireProxy({
    target: server.url,
    onMessage: (message) => {
      if (isAnswered(message) && state.held) {
        state.held = false
        crash()
        return 'cut-before'
      }
      if (!carriesStatements(message) || ++state.passed !== state.at) return 'deliver'
      if (state.moment === 'after') state.held = true
      else if (state.moment === 'during') setImmediate(crash)
      else crash()
      return state.moment === 'before' ? 'cut-before' : 'deliver'
    },
  })
  return {
    url: server.url,
    mortalUrl: proxy.url,
    arm: (at, moment) => void Object.assign(state, { passed: 0, at, moment, held: false }),
    disarm: () => void Object.assign(state, { passed: 0, at: Number.POSITIVE_INFINITY, held: false }),
    passed: () => state.passed,
    crashed: async () => {
      const running = restarted
      restarted = undefined
      await running
      return running !== undefined
    },
    restart: () => server.restart('immediate'),
    stop: async () => {
      await proxy.close()
      await server.stop()
    },
  }
}

/** One statement or several, and the end of a group of the extended protocol. */
const carriesStatements = ({ from, type }: WireMessage) =>
  from === 'frontend' && (type === 'Query' || type === 'Sync')
const isAnswered = ({ from, type }: WireMessage) => from === 'backend' && type === 'ReadyForQuery'

/**
 * SIGKILL to the postmaster and every process under it. It is stopped first, so that it can neither start another one nor
 * clean up; resolves when all are gone, because a new one refuses to start while one of them has the shared memory.
 */
export async function killServer(directory: string): Promise<void> {
  const postmaster = Number.parseInt(readFileSync(join(directory, 'postmaster.pid'), 'utf8'), 10)
  process.kill(postmaster, 'SIGSTOP')
  const all = [postmaster, ...childrenOf(postmaster)]
  for (const pid of all) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has just ended by itself.
    }
  }
  await eventually(() => !all.some(isRunning))
}

/** Linux says it without a program; elsewhere `pgrep` is part of the system. */
function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`
  const list = existsSync(file)
    ? readFileSync(file, 'utf8')
    : execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
  return list.split(/\s+/).filter(Boolean).map(Number)
}

/** Where the server keeps its data: asked while it lives. */
async function dataDirectory(url: string): Promise<string> {
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query<{ dir: string }>(`select current_setting('data_directory') as dir`)
  await client.end()
  return String(rows[0]?.dir)
}
