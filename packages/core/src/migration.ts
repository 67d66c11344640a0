/** One step in the life of every tenant's schema. Packages ship their tables as these. */
export interface Migration {
  /** Its name for ever, e.g. `0001_notes`; up to 200 characters. */
  readonly id: string
  /** SQL, one or several statements, run as the tenant's own role with its search path: names unqualified. */
  readonly sql: string
  /**
   * `false`: its statements run one by one, outside a transaction, as CREATE INDEX CONCURRENTLY has to (default: `true`, unless the SQL
   * begins with `-- pg-tenant: no-transaction`).
   */
  readonly transaction?: boolean
}
