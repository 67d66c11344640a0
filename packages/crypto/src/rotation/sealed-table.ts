import { invalidOption, TenancyError } from '@org/core'
import { KEY_TYPES, type KeyColumn, type SealedTable } from '../envelope/sealed-table.ts'

/** A {@link SealedTable}, checked. */
export interface ParsedTable {
  readonly table: string
  readonly keys: readonly Required<KeyColumn>[]
  readonly value: string
  readonly nameOf: (...key: string[]) => string
  readonly holds: (name: string) => 'secret' | 'open' | 'unknown'
}

/** Every sealed value of `app_settings`, whoever defined it; what is not sealed is left alone. */
export const SEALED_SETTINGS: SealedTable = Object.freeze({
  table: 'app_settings',
  key: 'key',
  value: 'value',
  holds: () => 'unknown' as const,
})

/** @throws TenancyError INVALID_OPTION */
export function parseTable(candidate: SealedTable): ParsedTable {
  const {
    table,
    key,
    value,
    nameOf,
    holds = () => 'secret' as const,
  } = (candidate ?? {}) as Partial<SealedTable>
  const columns = Array.isArray(key) ? key : [key]
  if (columns.length === 0) throw invalidOption('tables', 'tables with a key of at least one column')
  if (nameOf === undefined && columns.length > 1)
    throw invalidOption('tables', 'tables with nameOf where the key has several columns')
  if (typeof (nameOf ?? holds) !== 'function' || typeof holds !== 'function')
    throw invalidOption('tables', 'tables whose nameOf and holds are functions')
  return {
    table: identifier(table),
    keys: columns.map(parseColumn),
    value: identifier(value),
    nameOf: nameOf ?? ((name) => name ?? ''),
    holds,
  }
}

function parseColumn(column: unknown): Required<KeyColumn> {
  if (typeof column === 'string') return { column: identifier(column), type: 'text' }
  const { column: name, type = 'text' } = (column ?? {}) as Partial<KeyColumn>
  if (!KEY_TYPES.includes(type))
    throw invalidOption('tables', `tables with key columns of ${KEY_TYPES.join(', ')}`)
  return { column: identifier(name), type }
}

/** 63 bytes is what PostgreSQL keeps of a name (manual, 4.1.1): a longer one would name something else. */
function identifier(name: unknown): string {
  if (typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= 63 && !name.includes('\0'))
    return name
  throw invalidOption('tables', 'tables and columns with names of 1 to 63 bytes, unqualified')
}

/** The place's name of a row. @throws TenancyError INVALID_OPTION when `nameOf` gives none */
export function nameOfRow(table: ParsedTable, key: readonly string[]): string {
  const name: unknown = table.nameOf(...key)
  if (typeof name === 'string' && name !== '') return name
  throw new TenancyError('INVALID_OPTION', 'nameOf must give a text that is not empty for every row.', {
    details: { option: 'tables', table: table.table },
  })
}
