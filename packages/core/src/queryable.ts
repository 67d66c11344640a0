import type { TenantKey } from './tenant-key.ts'

/** A row as an object. */
export type Row = Record<string, unknown>

/** What a query resolves to: the part of `pg`'s result that packages may rely on. */
export interface QueryRows<R = Row> {
  readonly rows: R[]
  /** Rows returned or affected; `null` for commands that count nothing. */
  readonly rowCount: number | null
}

/** Anything that runs one SQL statement: a tenant's handle, a `pg` pool or client. How packages meet. */
export interface Queryable {
  query<R extends object = Row>(text: string, values?: readonly unknown[]): Promise<QueryRows<R>>
}

/** A statement with a name, under which a connection may keep it prepared. */
export interface NamedQuery {
  /** 1 to 40 bytes; one name, one text. */
  readonly name: string
  readonly text: string
  readonly values?: readonly unknown[]
  /**
   * Its text says the type of every value and of every column it returns (default `false`): where it is kept prepared, no
   * migration of a table makes another statement of it, and nothing is done in case one had.
   */
  readonly steady?: boolean
}

/** A {@link Queryable} that runs every statement as one tenant, and says which: a `withTenant` handle is one. */
export interface TenantQueryable extends Queryable {
  readonly tenant: TenantKey
  /**
   * Sends a statement whose answer nobody reads in front of whatever this handle sends next, COMMIT included: it costs no
   * round trip of its own. Await it as `query`; that it resolved says only that it stands in line. When the server refuses
   * it, the call it went out with rejects and the whole transaction is rolled back. A handle that cannot do this lacks it.
   */
  queue?(query: string | NamedQuery, values?: readonly unknown[]): Promise<void>
}
