import { execFileSync } from 'node:child_process'
import { chownSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram } from '../programs/find.ts'
import { redact } from './admin.ts'
import { createDirectory, removeDirectory } from './directory.ts'
import { TestPostgresError } from './error.ts'
import { freePort } from './free-port.ts'
import { configuration, type StartPgBouncerOptions, userList } from './pgbouncer-config.ts'
import { type ServerProcess, type SpawnServerOptions, spawnServer } from './server-process.ts'
import { serverUser } from './server-user.ts'
import { startWatchdog } from './watchdog.ts'

const READY_TIMEOUT_MS = 60_000
const PORT_ATTEMPTS = 5

export interface PgBouncer {
  /** as the given URL, but through PgBouncer */
  readonly url: string
  /** e.g. `1.18.0` */
  readonly version: string
  /** ends all its sessions; safe to call twice */
  stop(): Promise<void>
}

/**
 * Puts PgBouncer in front of a server, on a free port of 127.0.0.1, for all its databases. Any role that
 * exists on the server may connect, without a password, and is itself on the server's side too. Ends with this
 * process, even on SIGKILL.
 * @throws TestPostgresError `PGBOUNCER_MISSING`, `PGBOUNCER_START_FAILED`, `INVALID_OPTION`
 * @example
 * ```ts
 * import { hasPgBouncer, startPgBouncer, startPostgres } from '@org/pg-testing'
 *
 * const server = await startPostgres()
 * const database = await server.createDatabase()
 * if (hasPgBouncer()) {
 *   const pooler = await startPgBouncer({ url: database.url, poolSize: 2 })
 *   console.log(pooler.url) // connect here: two server connections for all clients
 *   await pooler.stop()
 * }
 * await server.stop()
 * ```
 */
export async function startPgBouncer(options: StartPgBouncerOptions): Promise<PgBouncer> {
  const program = findProgram('pgbouncer')
  if (!program) {
    const how = 'install it (Debian: apt-get install pgbouncer) or skip the test unless hasPgBouncer()'
    throw new TestPostgresError('PGBOUNCER_MISSING', `no pgbouncer on this machine: ${how}`)
  }
  if (!URL.canParse(options.url)) {
    throw new TestPostgresError('INVALID_OPTION', `url is not a postgres:// URL: ${redact(options.url)}`)
  }
  const version =
    /PgBouncer (\S+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown'
  const user = serverUser()
  const dir = await createDirectory(user)
  const watchdog = startWatchdog(dir, 'TERM')
  try {
    const { server, port } = await listenSomewhere(program, options, { dir, user, watchdog })
    const url = new URL(options.url)
    url.hostname = '127.0.0.1'
    url.port = String(port)
    return {
      url: url.href,
      version,
      async stop() {
        await server.stop('SIGTERM')
        await removeDirectory(dir)
        watchdog.release()
      },
    }
  } catch (error) {
    watchdog.release()
    throw error
  }
}

async function listenSomewhere(
  program: string,
  options: StartPgBouncerOptions,
  place: SpawnServerOptions,
): Promise<{ server: ServerProcess; port: number }> {
  const ini = join(place.dir, 'pgbouncer.ini')
  const authFile = join(place.dir, 'userlist.txt')
  writeForServer(authFile, userList(options), place)
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    writeForServer(ini, configuration(options, authFile, port), place)
    const server = spawnServer(program, [ini], place)
    if (await accepts(port, server)) return { server, port }
    await server.stop('SIGTERM')
    const log = server.log()
    if (!/in use/i.test(log) || attempt === PORT_ATTEMPTS) {
      throw new TestPostgresError('PGBOUNCER_START_FAILED', `pgbouncer did not start:\n${log}`)
    }
  }
}

/** Passwords inside: for the server's user alone. */
function writeForServer(file: string, text: string, { user }: SpawnServerOptions): void {
  writeFileSync(file, text, { mode: 0o600 })
  if (user) chownSync(file, user.uid, user.gid)
}

async function accepts(port: number, server: ServerProcess): Promise<boolean> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  while (!server.hasExited() && Date.now() < deadline) {
    if (await canConnect(port)) return true
    await sleep(5)
  }
  return false
}

async function canConnect(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
