import type { TenantKey } from '@org/core'
import { rolePrefixAt } from '../isolation/names.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { RUN_TABLE } from '../lifecycle/run-table.ts'
import { qualify } from '../sql/identifier.ts'
import { type CheckScope, type CheckText, checksOf } from './checks.ts'
import type { Collected } from './collected.ts'
import type { Look } from './read-only.ts'
import { ROLE_CHECKS } from './role-checks.ts'
import { SCHEMA_CHECKS } from './schema-checks.ts'

const CHECKS = [...SCHEMA_CHECKS, ...ROLE_CHECKS]

/** What an examination has at hand. */
export interface Examination {
  readonly fleet: Lifecycle
  /** The role the application logs in with. */
  readonly application: string
  readonly collected: Collected
}

/** A tenant whose database is looked at. */
export interface Home {
  readonly key: string
  readonly status: string
  readonly database: string
}

interface CheckSet {
  readonly scope: Exclude<CheckScope, 'home'>
  /** Whether something that cannot run in a transaction may have been cut off. */
  readonly run?: boolean
  readonly roles?: boolean
}

/** The checks of a database that holds the registry; `own` are those that only this kind of place has, `more` its values. */
export async function runChecks(
  look: Look,
  { fleet, application, collected }: Examination,
  { scope, run = false, roles = true }: CheckSet,
  own: readonly CheckText[] = [],
  more: readonly unknown[] = [],
): Promise<void> {
  const { controlSchema } = fleet.registry
  const tenant = qualify(controlSchema, 'tenant')
  const place = { scope, tenant, run: run ? qualify(controlSchema, RUN_TABLE) : undefined, roles }
  const values = valuesOf(fleet, application)
  for (const { code, severity, sql, fix } of checksOf(place, CHECKS, own)) {
    // A statement is not given values that it does not ask for.
    const given = sql.includes('$7') ? [...values, ...more] : values
    for (const { subject, what } of await look<Found>(sql, given)) {
      collected.add({ code, severity, subject, message: `${subject} ${what}.`, fix })
    }
  }
}

/** The checks of one tenant's own database. */
export async function runHomeChecks(
  look: Look,
  { fleet, application, collected }: Examination,
  { key, status, database }: Home,
): Promise<void> {
  const names = fleet.naming.names.of(key as TenantKey)
  const values = [...valuesOf(fleet, application), key, status, names?.schema ?? null, names?.role ?? null]
  const place = { scope: 'home', tenant: HOME, run: undefined, roles: true } as const
  for (const { code, severity, sql, fix } of checksOf(place, CHECKS)) {
    for (const { subject, what } of await look<Found>(sql, values)) {
      const message = `Database ${database}: ${subject} ${what}.`
      collected.add({ code, severity, subject: `${database}: ${subject}`, message, fix })
    }
  }
}

/** One tenant in the place of the registry's table, which is in another database. */
const HOME = `(select $1::text as prefix, $7::text as key, $8::text as status, $6::text as isolation, $9::text as schema_name,
  $10::text as role_name, null::text as database_name)`

interface Found {
  readonly subject: string
  readonly what: string
}

function valuesOf({ naming, level }: Lifecycle, application: string): unknown[] {
  const { schemaPrefix, marker, sharedSchemas } = naming
  const rolePrefix = rolePrefixAt(naming, level)
  return [schemaPrefix, rolePrefix, marker, application, sharedSchemas, level]
}
