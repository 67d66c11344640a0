import type { OptionNames, TenantKey } from '@org/core'
import type { IsolationLevel } from '../isolation/isolation.ts'
import type { RegistryNames, TenantNames } from '../isolation/own-names.ts'
import { qualify, quoteLiteral } from '../sql/identifier.ts'

/**
 * Where a tenant is in its life. `ready` is nobody's yet: made ahead, under a key that no caller can name. `provisioning` and `deleting` are seen only while something is under way or was cut
 * off: run it again. `moving`, `moved` (where it leaves) and `arriving` (where it comes) are those of `fleet.move`. `deleted` is a
 * tombstone: the key is not given to a new owner by accident.
 */
export type TenantStatus =
  | 'ready'
  | 'provisioning'
  | 'active'
  | 'suspended'
  | 'moving'
  | 'arriving'
  | 'moved'
  | 'deleting'
  | 'deleted'

/** What is made or restored under these is left out of service. */
export function isShut(status: TenantStatus): boolean {
  return status === 'suspended' || status === 'arriving'
}

/** Under way between two clusters: nothing but `fleet.move` may touch it. */
export function isUnderWay(status: TenantStatus | undefined): boolean {
  return status === 'moving' || status === 'arriving' || status === 'moved'
}

/** What the registry knows of a tenant. */
export interface TenantRecord {
  readonly key: TenantKey
  readonly status: TenantStatus
  /** What the administrator wrote when suspending it; never shown to the tenant by this library. */
  readonly suspendedReason: string | null
  readonly isolation: IsolationLevel
  /** The plan it is on: a word of the application's. */
  readonly plan: string | null
  /** Which cluster holds it (default `default`). */
  readonly placement: string
  /** Id of the newest migration it has. */
  readonly schemaVersion: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly deletedAt: Date | null
}

/** What may be said of a tenant when it is made. */
export interface TenantFacts {
  /** The plan the tenant is on, a word of the application's; kept in the registry. */
  readonly plan?: string | undefined
  /** Which cluster holds it; kept in the registry (default `default`). */
  readonly placement?: string | undefined
}

/** Their names, for calls that take them as options. */
export const FACTS: OptionNames<TenantFacts> = { plan: true, placement: true }

/** Them alone, of options that hold more. */
export const factsOf = (options: TenantFacts): TenantFacts =>
  Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(FACTS, name)))

/** What was said of a tenant, to be said of it elsewhere. */
export const saidOf = (record: TenantRecord): TenantFacts =>
  Object.fromEntries(Object.entries(factsOf(record as TenantFacts)).filter(([, value]) => value !== null))

/** A record as it is read, with names that are not made of prefix and key; times are text ({@link recordColumns}). */
export type RecordRow = {
  readonly [name in keyof TenantRecord]: Date extends TenantRecord[name]
    ? string | Exclude<TenantRecord[name], Date>
    : TenantRecord[name]
} & { readonly names: RegistryNames }

/** A record as it was read; what it says of the tenant's names is known to its scopes from now on. */
export function learned(to: { readonly names?: TenantNames }, row: Record<string, unknown>): TenantRecord {
  const { names, createdAt, updatedAt, deletedAt, ...record } = row as RecordRow
  to.names?.learn(record.key, names)
  return {
    ...record,
    createdAt: new Date(createdAt),
    updatedAt: new Date(updatedAt),
    deletedAt: deletedAt === null ? null : new Date(deletedAt),
  }
}

/**
 * A name that is not made of prefix and key, or null; `row` is the alias of the registry's table. Read through JSON: a control
 * schema of the release before has no such columns, and whoever looks must not need the right to bring it up to date.
 */
export const ownName = (what: keyof RegistryNames, row = 't') => `(to_jsonb(${row}) ->> '${what}_name')`

/**
 * The registry's table, or a query in its place, as `t` with all three names, for statements that read all of it: a column that it does
 * not have is found one level out, and is null. (JSON of 100,000 rows takes a second.)
 */
export const tenantsWithNames = (table: string) =>
  `(select null::text as schema_name, null::text as role_name, null::text as database_name) none
  cross join lateral (select o.prefix, o.key, o.status, o.isolation, schema_name, role_name, database_name from ${table} o) t`

/** All three, as one value of {@link RecordRow}. */
export const ownNames = (row: string) =>
  `json_build_object('schema', ${ownName('schema', row)}, 'role', ${ownName('role', row)},
  'database', ${ownName('database', row)}) as names`

/** The columns of {@link RecordRow}, for every statement that reads one, `row` being the alias of the table. */
export const recordColumns = (row: string) => `${COLUMNS}, ${ownNames(row)}`

// ISO 8601, whatever the DateStyle of the database or the pool's parser of its type.
const moment = (column: string, name: string) => `to_json(${column}) #>> '{}' as "${name}"`

const COLUMNS = `key, status, suspended_reason as "suspendedReason", isolation, plan, placement, schema_version as "schemaVersion",
  ${moment('created_at', 'createdAt')}, ${moment('updated_at', 'updatedAt')}, ${moment('deleted_at', 'deletedAt')}`

/** What a scope asks on its own session. Neither a key nor a prefix holds a quote. */
export const namesQuestion =
  ({ controlSchema, prefix }: { readonly controlSchema: string; readonly prefix: string }) =>
  (tenant: TenantKey): string =>
    `select ${ownName('schema')}, ${ownName('role')}, ${ownName('database')} from ${qualify(controlSchema, 'tenant')} t
     where prefix operator(pg_catalog.=) ${quoteLiteral(prefix)} and key operator(pg_catalog.=) ${quoteLiteral(tenant)}`
