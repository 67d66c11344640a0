import type { Envelopes } from '../envelope/envelopes.ts'
import type { ParsedTable } from './sealed-table.ts'
import type { TableSql } from './sql.ts'

/** One table of one tenant, with what seals there. */
export interface Target {
  readonly table: ParsedTable
  readonly sql: TableSql
  readonly envelopes: Envelopes
}
