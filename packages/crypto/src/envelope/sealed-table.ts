/** The types a key column may have; part of SQL, so it is one of these or nothing. */
export const KEY_TYPES = ['text', 'uuid', 'bigint', 'integer', 'smallint'] as const

/** A column of a table's key. */
export interface KeyColumn {
  readonly column: string
  /** its type (default `text`, which also fits `varchar`) */
  readonly type?: (typeof KEY_TYPES)[number]
}

/** A table that holds sealed values in a text column, in the schema of each tenant. */
export interface SealedTable {
  /** its name, unqualified: the tenant's search path finds it */
  readonly table: string
  /** the columns that together name a row: a primary key, or not null and unique */
  readonly key: string | KeyColumn | readonly (string | KeyColumn)[]
  /** the column with the envelopes */
  readonly value: string
  /**
   * What the place of a row's secret is called, from the key's columns as text. Default: a key of one column is the
   * name itself; several need this.
   */
  readonly nameOf?: (...key: string[]) => string
  /**
   * What the row of this name holds: a `secret`, which should be sealed; something `open`, which is left alone; or
   * `unknown`: a secret if it begins as an envelope does, else left alone. Default: every row holds a secret.
   */
  readonly holds?: (name: string) => 'secret' | 'open' | 'unknown'
}
