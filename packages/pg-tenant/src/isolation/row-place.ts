import { MAX_IDENTIFIER_BYTES, TenancyError } from '@org/core'

/** The setting that says whose rows a transaction sees (a custom one: manual 19.16). */
export const TENANT_SETTING = 'app.tenant_id'

/** Options of level `row`. */
export interface RowOptions {
  /** The schema that holds the tables of all tenants (default `app`). It belongs to one tenancy. */
  readonly schema?: string | undefined
  /** The column of type `text` that names a row's tenant, in all but the reference tables (default `tenant_id`). */
  readonly tenantColumn?: string | undefined
  /** Tables of that schema that every tenant may read and none may write (default none). */
  readonly referenceTables?: readonly string[] | undefined
}

/** The same, checked. */
export interface RowPlace {
  readonly schema: string
  readonly tenantColumn: string
  readonly referenceTables: readonly string[]
}

const SCHEMA = /^[a-z_][a-z0-9_]*$/

/** @throws TenancyError INVALID_OPTION */
export function parseRowPlace(options: RowOptions = {}): RowPlace {
  const { schema = 'app', tenantColumn = 'tenant_id', referenceTables = [] } = options
  if (!isName(schema) || !SCHEMA.test(schema) || /^(pg_.*|information_schema)$/.test(schema)) {
    throw invalid('row.schema', 'the name of a schema of the application: a-z, 0-9 and "_", not "pg_…"')
  }
  if (!isName(tenantColumn)) throw invalid('row.tenantColumn', 'the name of a column')
  if (!Array.isArray(referenceTables) || !referenceTables.every(isName)) {
    throw invalid('row.referenceTables', 'an array of names of tables, without their schema')
  }
  return { schema, tenantColumn, referenceTables: [...referenceTables] }
}

function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) return false
  return Buffer.byteLength(value) <= MAX_IDENTIFIER_BYTES
}

function invalid(option: string, expected: string): TenancyError {
  return new TenancyError('INVALID_OPTION', `Option "${option}" must be ${expected}.`, {
    details: { option },
  })
}
