import { invalidOption, type TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import {
  type GateParts,
  gateForms,
  ITSELF,
  type LeaveFunction,
  STILL_DURABLE,
  searches,
  sets,
  still,
  stillSearches,
} from './gate.ts'
import type { Entrance, Isolation, IsolationLevel } from './isolation.ts'
import { type Naming, schemaOf } from './names.ts'
import { isName } from './own-names.ts'
import { LatelyEntered } from './renewal.ts'

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

// `drop` waits for running scopes twice as long: one that was brief cannot have outlived its tenant.
const BRIEF =
  `pg_catalog.clock_timestamp() operator(pg_catalog.<) ` +
  `(pg_catalog.transaction_timestamp() operator(pg_catalog.+) '5 s'::pg_catalog.interval)`

// $3 search path, $4 tenant. As in schema.ts, with the tenant in a setting that the policies read.
// The function `entered` (lifecycle/levels/row/entrance.ts) is asked again, behind the rest, by a scope that has written: its tenant
// may have been suspended or dropped meanwhile, and then nothing is committed. One that has only read has nothing to commit, but if it
// lasted may have read what is another tenant's by now, of the same key. Its queries
// take snapshots of their own; the portal's is as old as the scope. It runs as its owner, so whether the application still finds the
// schema under its name is asked outside of it (hazard b).
const parts = (schema: string, entered: string): GateParts => ({
  count: 2,
  enters: [searches('$3'), sets(TENANT_SETTING, '$4')],
  role: ITSELF,
  pins: `${entered}($4, $3)`,
  holds: [
    still('current_user', 'session_user'),
    still(`pg_catalog.current_setting('${TENANT_SETTING}')`, '$4'),
    stillSearches('$3'),
    STILL_DURABLE,
    still('current_schema', `'${schema}'`),
    `(pg_catalog.pg_current_xact_id_if_assigned() is null and ${BRIEF} or ${entered}($4, $3))`,
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
    pin: undefined,
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
