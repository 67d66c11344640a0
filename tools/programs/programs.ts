/** A program that some tests need and npm does not bring. */
export interface Program {
  /** Its names; the first that is there counts. `TEST_HIDE` takes the first. */
  readonly names: readonly [string, ...string[]]
  /** What is not tested without it. */
  readonly tests: string
  /** Debian's package. */
  readonly debian: string
}

export const PROGRAMS: readonly Program[] = [
  { names: ['pgbouncer'], tests: 'everything through a transaction-mode pooler', debian: 'pgbouncer' },
  { names: ['pg_dump'], tests: "archives in PostgreSQL's own format", debian: 'postgresql-client' },
  { names: ['pg_restore'], tests: "archives in PostgreSQL's own format", debian: 'postgresql-client' },
  { names: ['psql'], tests: 'the SQL that `init` and `deploy/` give to psql', debian: 'postgresql-client' },
  { names: ['redis-server'], tests: 'the recipe for BullMQ', debian: 'redis-server' },
  {
    names: ['chromium', 'chromium-browser', 'google-chrome'],
    tests: 'the administration page in a browser',
    debian: 'chromium',
  },
]
