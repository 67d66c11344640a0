import { appendFile, cp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Binaries } from './binaries.ts'
import { createServerDirectory } from './directory.ts'
import { TestPostgresError } from './error.ts'
import { initialise } from './initialised.ts'
import { type SpawnServerOptions, spawnServer } from './server-process.ts'
import { canReach, type ServerUser } from './server-user.ts'
import { checkedKey, TEST_SETTINGS } from './settings.ts'

/** A data directory with the programs for it; `dir` is what `createDirectory` made. */
export interface Cluster extends SpawnServerOptions {
  readonly binDir: string
  readonly dataDir: string
}

/** Longest socket path that every platform takes, with some reserve. */
const MAX_SOCKET_PATH = 100

/**
 * Runs initdb: superuser `postgres`, trust authentication (the server is reachable from this machine alone),
 * UTF-8 with C.UTF-8 rules, as every system has them and they sort alike everywhere.
 * @throws TestPostgresError `POSTGRES_START_FAILED`, `INVALID_OPTION`
 */
export async function initCluster(
  options: SpawnServerOptions,
  binaries: Binaries,
  settings: Readonly<Record<string, string>>,
): Promise<Cluster> {
  const binDir = await reachableBinDir(binaries, options.dir, options.user)
  const cluster = { ...options, binDir, dataDir: join(options.dir, 'data') }
  const flags = initdbFlags(binaries.major)
  await initialise(cluster.dataDir, options.user, [binaries.binDir, ...flags], async () => {
    const initdb = spawnServer(join(binDir, 'initdb'), ['-D', cluster.dataDir, ...flags], options)
    const status = await initdb.wait()
    if (status === 0) return
    throw new TestPostgresError('POSTGRES_START_FAILED', `initdb failed (${status}):\n${initdb.log()}`)
  })
  const sockets = createServerDirectory(join(options.dir, 's'), options.user)
  await appendFile(join(cluster.dataDir, 'postgresql.conf'), configuration(sockets, settings))
  return cluster
}

/** A user that cannot enter the directory the programs lie in gets a copy of them in his own. */
async function reachableBinDir(
  binaries: Binaries,
  dir: string,
  user: ServerUser | undefined,
): Promise<string> {
  if (canReach(binaries.binDir, user)) return binaries.binDir
  if (!binaries.relocatable) {
    const why = 'as root cannot run PostgreSQL, another user does, and that one may not enter the directory'
    throw new TestPostgresError('POSTGRES_START_FAILED', `binDir ${binaries.binDir}: ${why}`)
  }
  const copy = join(dir, 'native')
  await cp(dirname(binaries.binDir), copy, { recursive: true, verbatimSymlinks: true })
  return join(copy, 'bin')
}

function initdbFlags(major: number): string[] {
  const flags = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync', '--no-instructions']
  if (major >= 17) return [...flags, '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  return [...flags, `--locale=${process.platform === 'linux' ? 'C.UTF-8' : 'C'}`]
}

/** Durability is off, as the data is thrown away; `synchronous_commit` stays on, as tests look at it. */
function configuration(sockets: string, settings: Readonly<Record<string, string>>): string {
  const all = {
    ...TEST_SETTINGS,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: sockets,
    lc_messages: 'C',
    ...settings,
  }
  if (join(sockets, '.s.PGSQL.65535.lock').length > MAX_SOCKET_PATH) all.unix_socket_directories = ''
  const lines = Object.entries(all).map(
    ([key, value]) => `${checkedKey(key)} = '${value.replaceAll("'", "''")}'`,
  )
  return `\n${lines.join('\n')}\n`
}
