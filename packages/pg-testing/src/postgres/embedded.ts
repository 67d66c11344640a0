import { attach } from './attach.ts'
import type { Binaries } from './binaries.ts'
import { type Cluster, initCluster } from './cluster.ts'
import { createDirectory, removeDirectory, sweepDirectories } from './directory.ts'
import { TestPostgresError } from './error.ts'
import { offerPlace } from './initialised.ts'
import { type Postmaster, startPostmaster } from './postmaster.ts'
import { canReach, serverUser } from './server-user.ts'
import type { PostgresServer } from './types.ts'
import { startWatchdog, type Watchdog } from './watchdog.ts'

/**
 * Runs a server of our own in a temporary directory (in memory where there is room), on 127.0.0.1. Both go when this process ends, however
 * it ends (see the watchdog); what even the watchdog missed, the next start sweeps.
 * @throws TestPostgresError `POSTGRES_START_FAILED`, `INVALID_OPTION`
 */
export async function startEmbedded(
  binaries: Binaries,
  settings: Readonly<Record<string, string>>,
): Promise<PostgresServer> {
  const user = serverUser()
  await sweepDirectories(user)
  const dir = await createDirectory(user, !canReach(binaries.binDir, user))
  const watchdog = startWatchdog(dir, 'QUIT')
  try {
    const cluster = await initCluster({ dir, user, watchdog }, binaries, settings)
    offerPlace(dir)
    return await run(cluster, watchdog)
  } catch (error) {
    // Stops whatever runs already and removes the directory.
    watchdog.release()
    throw error
  }
}

async function run(cluster: Cluster, watchdog: Watchdog): Promise<PostgresServer> {
  let postmaster: Postmaster | undefined = await startPostmaster(cluster)
  const { port } = postmaster

  async function restart(mode: 'fast' | 'immediate'): Promise<void> {
    if (!postmaster) throw new TestPostgresError('UNSUPPORTED', 'the server has been stopped')
    await postmaster.process.stop(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
    postmaster = await startPostmaster(cluster, port)
  }

  async function stop(): Promise<void> {
    // The data is thrown away: no checkpoint.
    await postmaster?.process.stop('SIGQUIT')
    postmaster = undefined
    await removeDirectory(cluster.dir)
    watchdog.release()
  }

  const inTurn = queue()
  return await attach(`postgres://postgres@127.0.0.1:${port}/postgres`, {
    source: 'embedded',
    restart: (mode) => inTurn(() => restart(mode)),
    stop: () => inTurn(stop),
  })
}

/** Runs one after the other: a stop during a restart would miss the new server. */
function queue(): (work: () => Promise<void>) => Promise<void> {
  let last: Promise<void> = Promise.resolve()
  return (work) => {
    last = last.then(work, work)
    return last
  }
}
