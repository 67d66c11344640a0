import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from './cluster.ts'
import { TestPostgresError } from './error.ts'
import { freePort } from './free-port.ts'
import { type ServerProcess, spawnServer } from './server-process.ts'

const READY_TIMEOUT_MS = 60_000
const PORT_ATTEMPTS = 10

/** Lines of postmaster.pid (PostgreSQL: src/include/utils/pidfile.h), counted from 0. */
const PID_LINE = 0
const STATUS_LINE = 7

export interface Postmaster {
  readonly port: number
  readonly process: ServerProcess
}

/**
 * Starts the server on a free port, on another one if someone else took it meanwhile.
 * With `port` given it insists on that one, for a few seconds.
 * @throws TestPostgresError `POSTGRES_START_FAILED`, with the end of the server's log
 */
export async function startPostmaster(cluster: Cluster, port?: number): Promise<Postmaster> {
  for (let attempt = 1; ; attempt++) {
    const candidate = port ?? (await freePort())
    const args = ['-D', cluster.dataDir, '-p', String(candidate)]
    const server = spawnServer(join(cluster.binDir, 'postgres'), args, cluster)
    if (await becomesReady(cluster, server)) return { port: candidate, process: server }
    await server.stop('SIGQUIT')
    const log = server.log()
    if (!/could not bind|could not create lock file/.test(log) || attempt === PORT_ATTEMPTS) {
      throw new TestPostgresError('POSTGRES_START_FAILED', `PostgreSQL did not start:\n${log}`)
    }
    if (port !== undefined) await sleep(500)
  }
}

/** Reads what pg_ctl reads, but more often than its ten times a second, and needs no connection for it. */
async function becomesReady(cluster: Cluster, server: ServerProcess): Promise<boolean> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  while (!server.hasExited() && Date.now() < deadline) {
    const lines = pidFile(cluster)
    if (Number(lines[PID_LINE]) === server.pid && lines[STATUS_LINE]?.trim() === 'ready') return true
    await sleep(5)
  }
  return false
}

function pidFile(cluster: Cluster): string[] {
  try {
    return readFileSync(join(cluster.dataDir, 'postmaster.pid'), 'utf8').split('\n')
  } catch {
    return []
  }
}
