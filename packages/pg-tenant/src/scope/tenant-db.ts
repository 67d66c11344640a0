import type { Readable, Writable } from 'node:stream'
import type { Row, TenantKey, TenantQueryable } from '@org/core'
import type { QueryResult } from './result.ts'
import type { QueryConfig, StreamOptions } from './statement.ts'

/**
 * A tenant's database, inside one scope. It is revoked when the callback it was given to ends, and it never hands
 * out the connection.
 */
export interface TenantDb extends TenantQueryable {
  /** Whose data this is. */
  readonly tenant: TenantKey

  /**
   * Runs one statement as this tenant. Statements run one after the other, also when started together.
   *
   * @throws TenancyError VALIDATION_ERROR or STATEMENT_REFUSED before anything is sent
   * @throws TenancyError DATABASE_ERROR, DUPLICATE_RESOURCE, CONFLICT or TIMEOUT when the server refuses it
   * @throws TenancyError SCOPE_ENDED, SCOPE_FAILED, SCOPE_BUSY, CONNECTION_LOST or ABORTED when the scope cannot run it
   */
  query<R extends object = Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>>
  query<R extends readonly unknown[] = unknown[]>(
    query: QueryConfig & { readonly rowMode: 'array' },
    values?: readonly unknown[],
  ): Promise<QueryResult<R>>
  query<R extends object = Row>(query: QueryConfig, values?: readonly unknown[]): Promise<QueryResult<R>>

  /**
   * Sends a statement whose answer nobody reads in front of the next one, or of COMMIT: no round trip of its own. Resolves
   * when it stands in line. When the server refuses it, the call it went out with rejects (as {@link query} would) and the
   * scope can only roll back. What a savepoint queued goes when the savepoint is undone.
   *
   * @throws TenancyError VALIDATION_ERROR; STATEMENT_REFUSED for anything but INSERT, UPDATE, DELETE, MERGE, SELECT and WITH
   * @throws TenancyError SCOPE_ENDED, SCOPE_FAILED or SCOPE_BUSY when the scope cannot run it
   */
  queue(query: string | QueryConfig, values?: readonly unknown[]): Promise<void>

  /**
   * Runs `fn` in a savepoint: if it throws, only its own statements are undone.
   *
   * @throws TenancyError SILENT_ROLLBACK or QUERY_NOT_AWAITED when `fn` hid a failure or left something running
   */
  savepoint<T>(fn: (db: TenantDb) => Promise<T>): Promise<T>

  /**
   * The same as {@link savepoint}, for code that does not know it runs inside a scope.
   *
   * @throws TenancyError CROSS_TENANT when `key` is not this tenant
   */
  withTenant<T>(key: string, fn: (db: TenantDb) => Promise<T>): Promise<T>

  /**
   * Rows of a large result, fetched in batches (a portal, in constant memory). Other statements may run between
   * two rows. Leaving the loop closes the portal.
   */
  stream<R extends object = Row>(
    query: string | QueryConfig,
    values?: readonly unknown[],
    options?: StreamOptions,
  ): AsyncIterableIterator<R>

  /** `COPY … FROM STDIN`: a stream to write to. Await `finished(stream)` or `pipeline(…)`. */
  copyFrom(sql: string): Promise<Writable>
  /** `COPY … TO STDOUT`: a stream to read from. Read it to its end. */
  copyTo(sql: string): Promise<Readable>
}
