import type { Readable, Writable } from 'node:stream'
import type { Tenancy } from '@org/pg-tenant'
import type { Pool } from 'pg'
import type { SubjectName } from './options.ts'

export type Rows = readonly Record<string, unknown>[]

export interface NamedQuery {
  readonly name: string
  readonly text: string
  readonly values: readonly unknown[]
}

/** What an operation gets to work with inside a scope. */
export interface ScopedDb {
  query(text: string, values?: readonly unknown[]): Promise<{ rows: Rows }>
  query(query: NamedQuery): Promise<{ rows: Rows }>
  savepoint<T>(fn: (db: ScopedDb) => Promise<T>): Promise<T>
  withTenant<T>(key: string, fn: (db: ScopedDb) => Promise<T>): Promise<T>
  /** Only where there is such a thing. */
  stream?(text: string, values: readonly unknown[], options: { batchSize: number }): AsyncIterable<unknown>
  copyFrom?(sql: string): Promise<Writable>
  copyTo?(sql: string): Promise<Readable>
}

/** The part of the library's scope options that operations use. */
export interface SubjectOptions {
  readonly readOnly?: boolean
  readonly isolationLevel?: 'serializable'
  readonly statementTimeout?: number
  readonly idleTimeout?: number
  readonly signal?: AbortSignal
  readonly retry?: { readonly attempts: number }
  readonly resolveUnknownOutcome?: boolean
}

/** How a failed operation is to be read: it certainly did nothing, or nobody can know. */
export type Failure = 'rejected' | 'unknown'

/** What is soaked: the library or the obvious helper, over one pool. */
export interface Subject {
  readonly name: SubjectName
  readonly pool: Pool
  /** Its transactions are ended by texts, as those of `pg`: what is written behind such a text may be there or not. */
  readonly byText?: boolean
  /** Of the library. */
  readonly tenancy?: Tenancy
  withTenant<T>(key: string, fn: (db: ScopedDb) => Promise<T>, options?: SubjectOptions): Promise<T>
  query(
    key: string,
    text: string,
    values: readonly unknown[],
    options?: SubjectOptions,
  ): Promise<{ rows: Rows }>
  /** Ends the clients it keeps, and with them the locks of their sessions. */
  rest?(): Promise<void>
  failureOf(error: unknown): Failure
  codeOf(error: unknown): string
  /** The error for whoever has to find out why. */
  describe(error: unknown): string
}
