import { TenancyError, type TenantKey } from '@org/core'
import type { Room } from '../admin/tenant-room.ts'
import type { Admin } from '../admin/transaction.ts'
import { markerOf, schemaOf, searchPathOf } from '../isolation/names.ts'
import { TENANT_SETTING } from '../isolation/row.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { databaseOf, type Lifecycle, ownerOf } from '../lifecycle/lifecycle.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { OWN_PATH } from '../sql/own-path.ts'

/** Where a tenant's data is and who owns it: all that backup, restore and export know of an isolation level. */
export interface Place {
  readonly tenant: TenantKey
  /** What advisory locks of the tenant are named after; the same in every program (see `lockTenant`). */
  readonly lockName: string
  /** The schema of its tables: its own, or at level `row` the one all share. */
  readonly schema: string
  /** The role that owns its tables; `undefined` where the administrator does (level `row`, and schemas that are distributed). */
  readonly owner: string | undefined
  /** Whether Citus may keep them on another node. */
  readonly distributed?: boolean
  /** Whether the application may have tables of its own beside the owner's (level `schema`). */
  readonly shared?: boolean
  readonly searchPath: string
  /** Tables in the schema that are no data of the tenant: this library's own, and at level `row` reference tables. */
  readonly ours: readonly string[]
  /** The table that says whose schema it is; none at level `row`. */
  readonly marker: string | undefined
  /** Its name alone. */
  readonly markerName: string
  /** The tenant's own database (level `database`). */
  readonly database: string | undefined
  /** At level `row`: the column that says whose a row is. It is not archived, so that a copy may have another key. */
  readonly tenantColumn: string | undefined
}

export function placeOf(
  lifecycle: Pick<Lifecycle, 'naming' | 'ofLevel' | 'distributedSchemas'>,
  tenant: TenantKey,
): Place {
  const { naming, ofLevel } = lifecycle
  const lockName = schemaOf(naming, tenant)
  const { row } = ofLevel
  if (row) {
    const searchPath = quoteIdentifier(row.schema) + naming.sharedPath
    const [marker, database, owner] = [undefined, undefined, undefined]
    const { schema, tenantColumn, referenceTables: ours } = row
    const markerName = naming.marker
    return { tenant, markerName, lockName, schema, owner, searchPath, ours, marker, database, tenantColumn }
  }
  return {
    tenant,
    lockName,
    schema: lockName,
    owner: ownerOf(lifecycle, tenant),
    shared: traitsOf(ofLevel.level).separateOwner,
    distributed: lifecycle.distributedSchemas !== undefined,
    searchPath: searchPathOf(naming, tenant),
    ours: [markerOf(naming, tenant), LEDGER_TABLE],
    marker: qualify(lockName, markerOf(naming, tenant)),
    markerName: markerOf(naming, tenant),
    database: databaseOf(lifecycle, tenant),
    tenantColumn: undefined,
  }
}

/**
 * Where what may run this tenant's code runs.
 *
 * @param rowSecurity whether policies that bind the owner hide rows, or are an error
 */
export function roomOf(
  { schema, owner, searchPath, shared = false }: Place,
  rowSecurity: 'on' | 'off' = 'off',
): Room {
  const settings = { check_function_bodies: 'off', row_security: rowSecurity }
  return { schema, owner, searchPath, shared, settings }
}

/**
 * From here to the end of the transaction statements run with the table rights of the owner. The session is still the
 * administrator's: nothing may run in it that a tenant has written, so no query over its tables is planned here (index
 * expressions and checks would be folded); whole tables are copied, and the rest goes to {@link roomOf}. Where tenants
 * share tables, these are the migrations' alone, and their triggers and policies need their path.
 */
export async function actAsOwner(admin: Admin, { owner, searchPath, ...place }: Place): Promise<void> {
  await admin.run(`select set_config('search_path', $1, true), set_config('role', $2, true)`, [
    place.tenantColumn === undefined ? OWN_PATH : searchPath,
    owner ?? 'none',
  ])
  if (place.tenantColumn === undefined) return
  // Policies bind an administrator who is no superuser; a superuser is bound by what is said in every statement.
  await admin.run(
    `select set_config('${TENANT_SETTING}', $1, true), set_config('row_security', 'on', true)`,
    [place.tenant],
  )
}

/** At level `row`, behind {@link actAsOwner}: what a statement over a table says so that it finds this tenant's rows only. */
export function whereOf({ tenantColumn }: Place, table = ''): string {
  if (tenantColumn === undefined) return ''
  return ` where ${table}${quoteIdentifier(tenantColumn)}::pg_catalog.text = current_setting('${TENANT_SETTING}')`
}

/**
 * Opens a schema whose owner was shut out (the tenant is suspended or being dropped), for this transaction only:
 * others never see it, because it is rolled back or undone before COMMIT.
 */
export async function openForOwner(admin: Admin, { schema, owner }: Place): Promise<void> {
  if (owner === undefined) return
  await admin.run(`grant usage, create on schema ${quoteIdentifier(schema)} to ${quoteIdentifier(owner)}`)
}

/** The tenant's marker, held so that nobody drops it under us. The first statement: it takes no snapshot. */
export async function holdMarker(admin: Admin, { marker }: Place): Promise<void> {
  if (marker !== undefined) await admin.run(`lock table ${marker} in access share mode`)
}

export function otherLevel(tenant: TenantKey): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'This tenant lives at another isolation level. Use a tenancy of that level for it.',
    {
      details: { tenant },
    },
  )
}

/**
 * Runs commands (no queries: nothing may be planned) as the owner of the tenant's tables, under its path; behind them
 * both are as before.
 */
export async function asTenant(
  admin: Admin,
  { owner, searchPath }: Pick<Place, 'owner' | 'searchPath'>,
  commands: string,
): Promise<void> {
  const role = owner === undefined ? 'none' : quoteIdentifier(owner)
  await admin.run(
    `set local role ${role}; set local search_path to ${searchPath}; ${commands}; set local role none; set local search_path to ${OWN_PATH}`,
  )
}
