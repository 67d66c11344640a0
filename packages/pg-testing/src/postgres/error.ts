/** Every way the PostgreSQL test tools can fail; the closed union a caller may switch on. */
export type TestPostgresErrorCode =
  /** neither a URL, nor Docker, nor embedded binaries: nothing to test against */
  | 'POSTGRES_UNAVAILABLE'
  /** initdb or the server did not come up; the message holds its log */
  | 'POSTGRES_START_FAILED'
  /** the server at the URL cannot be reached */
  | 'POSTGRES_UNREACHABLE'
  /** the server's version is not supported, or not the one asked for */
  | 'POSTGRES_VERSION'
  /** an option that this source of servers cannot honour, or a malformed one */
  | 'INVALID_OPTION'
  /** the operation needs a server of our own (embedded), or one that still runs */
  | 'UNSUPPORTED'
  /** a template could not be built */
  | 'TEMPLATE_FAILED'
  /** a database could not be created or dropped */
  | 'DATABASE_FAILED'
  /** the `pgbouncer` binary is not installed */
  | 'PGBOUNCER_MISSING'
  /** pgbouncer did not come up; the message holds its log */
  | 'PGBOUNCER_START_FAILED'
  /** the given role may not see other sessions */
  | 'INSUFFICIENT_PRIVILEGE'

/** Thrown by everything in this folder; `code` is stable, `cause` is kept. */
export class TestPostgresError extends Error {
  readonly code: TestPostgresErrorCode

  constructor(code: TestPostgresErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TestPostgresError'
    this.code = code
  }
}

/** The text of whatever was thrown; node gives an `AggregateError` without a message when a host refuses. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message || (error as NodeJS.ErrnoException).code || error.name
}
