import type { Queryable } from './queryable.ts'
import type { TenantKey } from './tenant-key.ts'

/** A table outside the tenant's own data that holds rows of tenants: in a control schema, say. */
export interface TenantTable {
  /** Its schema, as it is called (not quoted). */
  readonly schema: string
  /** Its name, as it is called. */
  readonly name: string
  /** The column with the tenant's key. */
  readonly tenant: string
  /** Columns that the server the rows come to fills by itself: sequences. */
  readonly anew?: readonly string[] | undefined
  /** SQL in place of a column's value, by its name; `t` is the row. */
  readonly read?: Readonly<Record<string, string>> | undefined
  /**
   * Rows are added and never changed, and there may be many: whether some came meanwhile is told by their number, without a lock
   * that others would wait for (default false).
   */
  readonly appended?: boolean | undefined
}

/** What cannot go along and must not be lost without anybody having said so. */
export interface Staying {
  /** How many, of what {@link Belongings.name} says. */
  readonly count: number
  /** What to do first, as a sentence to read. */
  readonly advice: string
}

/**
 * What a package keeps of a tenant outside the tenant's own data: taken along when the tenant moves to another cluster
 * (`fleet.move` of `@org/pg-tenant`).
 */
export interface Belongings {
  /** One word, the same in every cluster. */
  readonly name: string
  /** Those that others refer to first; none where nothing can go along. */
  readonly tables: readonly TenantTable[]
  /**
   * Where the tenant leaves: what would stay behind. The move is refused for it unless the caller has named it in `lose`. Asked
   * before anything is closed, and once more behind the last scope.
   */
  stays?(control: Queryable, tenant: TenantKey): Promise<Staying | undefined>
  /**
   * Level `database`: a table of the tenant's own whose rows are no good in another cluster, though they move with all else that
   * is the tenant's. The move is refused while it has some, as by {@link Belongings.stays}.
   */
  readonly own?: { readonly table: string; readonly advice: string }
  /**
   * Where the tenant leaves, in a transaction of its own, before anything is read: brings to rest what is under way.
   *
   * @returns what is still under way; with anything but 0 the move waits and asks again
   */
  leave?(control: Queryable, tenant: TenantKey): Promise<number>
  /** Where it comes, in the transaction that puts its rows in, before them: partitions, say. `source` is where it leaves. */
  prepare?(control: Queryable, tenant: TenantKey, source: Queryable): Promise<unknown>
  /** The same, behind its rows. */
  arrive?(control: Queryable, tenant: TenantKey): Promise<unknown>
}
