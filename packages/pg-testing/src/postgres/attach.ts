import { withClient } from './admin.ts'
import { createOwnedDatabase } from './databases.ts'
import { TestPostgresError } from './error.ts'
import { ensureTemplate } from './template.ts'
import type { PostgresServer, TestDatabase } from './types.ts'

const OLDEST_VERSION = 150_000

const VERSION = `SELECT current_setting('server_version_num')::int AS version`

/** What starting a server adds to a mere URL. */
export interface ServerControl {
  readonly source: PostgresServer['source']
  restart?(mode: 'fast' | 'immediate'): Promise<void>
  /** `created`: databases of this handle that were not dropped */
  stop(created: Iterable<TestDatabase>): Promise<void>
}

/** The public handle over a running server. */
export async function attach(url: string, control: ServerControl): Promise<PostgresServer> {
  const version = await readVersion(url)
  const created = new Set<TestDatabase>()
  return {
    url,
    source: control.source,
    version,
    async createDatabase(options = {}) {
      const database = await createOwnedDatabase(url, options.template)
      const tracked: TestDatabase = {
        ...database,
        async drop() {
          await database.drop()
          created.delete(tracked)
        },
      }
      created.add(tracked)
      return tracked
    },
    template: (id, build) => ensureTemplate(url, id, build),
    async restart(mode = 'fast') {
      if (!control.restart) {
        const why = 'restart() needs an embedded server that this process started'
        throw new TestPostgresError(
          'UNSUPPORTED',
          `${why}: startPostgres({ url: false, prefer: 'embedded' })`,
        )
      }
      await control.restart(mode)
    },
    stop: () => control.stop(created),
  }
}

async function readVersion(url: string): Promise<number> {
  const result = await withClient(url, (client) => client.query<{ version: number }>(VERSION))
  const version = result.rows[0]?.version ?? 0
  if (version >= OLDEST_VERSION) return version
  throw new TestPostgresError(
    'POSTGRES_VERSION',
    `PostgreSQL 15 or newer is needed, the server is ${version}`,
  )
}

/**
 * Attaches to a server that runs already, typically the one the vitest global set-up started. Costs one short
 * connection; `stop()` does nothing and `restart()` is refused, as the server belongs to someone else.
 * Databases this process leaves behind go with the server, or are swept by the next `startPostgres` on its URL.
 * @throws TestPostgresError `POSTGRES_UNREACHABLE`, `POSTGRES_VERSION`
 * @example
 * ```ts
 * import { connectPostgres, startPostgres } from '@org/pg-testing'
 *
 * const { url, stop } = await startPostgres()
 * const server = await connectPostgres(url) // in another process, as a rule
 * const database = await server.createDatabase()
 * await database.drop()
 * await stop()
 * ```
 */
export async function connectPostgres(url: string): Promise<PostgresServer> {
  return await attach(url, { source: 'url', stop: async () => undefined })
}
