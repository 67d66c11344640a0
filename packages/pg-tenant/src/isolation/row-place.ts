import { MAX_IDENTIFIER_BYTES, TenancyError } from '@org/core'

/** The setting that says whose rows a transaction sees (a custom one: manual 19.16). */
export const TENANT_SETTING = 'app.tenant_id'

/** Options of level `row`. */
export interface RowOptions {
  /** The schema that holds the tables of all tenants (default `app`). It belongs to one tenancy. */
  readonly schema?: string | undefined
  /** The column (`text`, `varchar`, `uuid`, `bigint` or `integer`) that names a row's tenant, in all but the reference tables (default `tenant_id`). */
  readonly tenantColumn?: string | undefined
  /** Tables of that schema that every tenant may read and none may write (default none). */
  readonly referenceTables?: readonly string[] | undefined
  /**
   * The schema of views for reporting (default: none). With it every tenant has a role of its own, named as at level `role`
   * (`rolePrefix` + key), that reads its rows there and nothing else: who is connected decides, no setting. It cannot log in
   * until you give it a password. For scopes nothing changes.
   */
  readonly views?: string | undefined
}

/** The same, checked. */
export interface RowPlace {
  readonly schema: string
  readonly tenantColumn: string
  readonly referenceTables: readonly string[]
  readonly views?: string
}

const SCHEMA = /^[a-z_][a-z0-9_]*$/

/** @throws TenancyError INVALID_OPTION */
export function parseRowPlace(options: RowOptions = {}): RowPlace {
  const { schema = 'app', tenantColumn = 'tenant_id', referenceTables = [], views } = options
  if (!isSchema(schema)) {
    throw invalid('row.schema', 'the name of a schema of the application: a-z, 0-9 and "_", not "pg_…"')
  }
  if (!isName(tenantColumn)) throw invalid('row.tenantColumn', 'the name of a column')
  if (!Array.isArray(referenceTables) || !referenceTables.every(isName)) {
    throw invalid('row.referenceTables', 'an array of names of tables, without their schema')
  }
  if (views !== undefined && (!isSchema(views) || views === schema || views === 'public')) {
    throw invalid('row.views', 'the name of a schema for the views alone: a-z, 0-9 and "_", not "pg_…"')
  }
  const place = { schema, tenantColumn, referenceTables: [...referenceTables] }
  return views === undefined ? place : { ...place, views }
}

function isSchema(name: unknown): name is string {
  return isName(name) && SCHEMA.test(name) && !/^(pg_.*|information_schema)$/.test(name)
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
