import { invalidOption } from '@org/core'

/** Reference data in a shared schema, which every scope may read. */
export interface SharedTable {
  /** `table` in any of `sharedSchemas`, `schema.table`, or `schema.*` for all of one. */
  readonly name: string
  /** Whether scopes may also write it (default false). */
  readonly write?: boolean
  /**
   * Whether tenants may make foreign keys to it (default false). PostgreSQL checks one with the rights of the table's owner, and calls
   * the casts of its columns then: whoever may make one can do whatever that owner can, and before PostgreSQL 18, by a deferred trigger
   * behind ON DELETE CASCADE, whatever they can who delete its rows. For tenants whose SQL is yours alone.
   */
  readonly references?: boolean
}

/** The same, checked; as the query that compares it with what is there takes it. */
export interface DeclaredTable {
  readonly schema: string | null
  readonly name: string | null
  readonly write: boolean
  readonly references: boolean
}

/** Linear, and names of PostgreSQL are bounded anyway: a schema and a table of 63 bytes. */
const MOST = 200

/** @throws TenancyError INVALID_OPTION */
export function parseSharedTables(given: readonly (string | SharedTable)[] = []): readonly DeclaredTable[] {
  if (!Array.isArray(given))
    throw invalidOption('sharedTables', 'an array of names, or { name, write, references }')
  return given.map((one: unknown) => {
    const {
      name,
      write = false,
      references = false,
      ...rest
    } = (typeof one === 'string' ? { name: one } : (one ?? {})) as Record<string, unknown>
    if (typeof name !== 'string' || name === '' || name.length > MOST || name.includes('\0'))
      throw invalidOption('sharedTables', 'names: table, schema.table or schema.*')
    if (typeof write !== 'boolean' || typeof references !== 'boolean' || Object.keys(rest).length > 0)
      throw invalidOption(
        'sharedTables',
        'names, or { name, write: true or false, references: true or false }',
      )
    const dot = name.indexOf('.')
    const [schema, table] = dot < 0 ? [null, name] : [name.slice(0, dot), name.slice(dot + 1)]
    if (schema === '' || table === '')
      throw invalidOption('sharedTables', 'names: table, schema.table or schema.*')
    return { schema, name: table === '*' ? null : table, write, references }
  })
}
