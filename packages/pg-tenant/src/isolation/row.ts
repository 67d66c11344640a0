import { invalidOption, type TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { type GateParts, gateForms, ITSELF, type LeaveFunction, searches, sets, still } from './gate.ts'
import type { Entrance, Isolation, IsolationLevel } from './isolation.ts'
import { LatelyEntered } from './lately.ts'
import { type Naming, schemaOf } from './names.ts'
import { isName } from './own-names.ts'

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
    throw invalidOption('row.schema', 'the name of a schema of the application: a-z, 0-9 and "_", not "pg_…"')
  }
  if (!isName(tenantColumn)) throw invalidOption('row.tenantColumn', 'the name of a column')
  if (!Array.isArray(referenceTables) || !referenceTables.every(isName)) {
    throw invalidOption('row.referenceTables', 'an array of names of tables, without their schema')
  }
  if (views !== undefined && (!isSchema(views) || views === schema || views === 'public')) {
    throw invalidOption('row.views', 'the name of a schema for the views alone: a-z, 0-9 and "_", not "pg_…"')
  }
  const place = { schema, tenantColumn, referenceTables: [...referenceTables] }
  return views === undefined ? place : { ...place, views }
}

function isSchema(name: unknown): name is string {
  return isName(name) && SCHEMA.test(name) && !/^(pg_.*|information_schema)$/.test(name)
}

/** The word for this level in the registry. */
export const ROW: IsolationLevel = 'row'

// $3 search path, $4 tenant. As in schema.ts, with the tenant in a setting that the policies read.
// What the function `entered` (lifecycle/levels/row/entrance.ts) asks holds for the second row too: the setting, the path and
// durability are as they were set, and the tenant has not been suspended meanwhile. Its queries take snapshots of their own;
// the portal's is as old as the scope. It runs as its owner, so whether the application still finds the schema under its
// name is asked outside of it (hazard b).
const parts = (schema: string, entered: string): GateParts => ({
  count: 2,
  enters: [searches('$3'), sets(TENANT_SETTING, '$4')],
  role: ITSELF,
  holds: [
    still('current_user', 'session_user'),
    `${entered}($4, $3)`,
    still('pg_catalog.current_schema()', `'${schema}'`),
  ],
})

/**
 * Level `row`: the tables of all tenants in one schema, kept apart by forced row-level security. It stops mistakes and
 * a missing `where`; hostile SQL that changes the setting and puts it back within one statement is not stopped.
 */
export function rowIsolation(
  pool: PoolLike,
  naming: Naming,
  { schema }: Pick<RowPlace, 'schema'>,
  leave?: LeaveFunction,
): Isolation {
  const entered = qualify(schema, naming.marker)
  const forms = gateForms(parts(schema, entered), leave)
  const lately = new LatelyEntered()
  const path = quoteIdentifier(schema) + naming.sharedPath
  const make = (tenant: TenantKey, place: string): Entrance => ({
    place,
    gate: { forms, values: [path, tenant] },
    // Neither a key nor the names in the path hold a quote (parseTenantKey, parseRowPlace, parseNaming).
    pin: `select ${entered}('${tenant}', '${path}')`,
    pinRuns: true,
  })
  return {
    level: ROW,
    poolOf: () => pool,
    entranceOf: (tenant) => {
      const place = schemaOf(naming, tenant)
      return lately.find(tenant, place, '') ?? lately.keep(tenant, place, '', make(tenant, place))
    },
  }
}
