import { TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { isServerError } from '../errors/server-error.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import type { RegistryNames, TenantNames } from '../isolation/own-names.ts'
import { qualify } from '../sql/identifier.ts'
import { bucketOf } from './bucket.ts'
import {
  isUnderWay,
  learned,
  recordColumns,
  type TenantFacts,
  type TenantRecord,
  type TenantStatus,
} from './record.ts'

/** Which rows of the control schema are this tenancy's: those with its schema prefix. */
export interface RegistryPlace {
  readonly controlSchema: string
  readonly prefix: string
  /** Who is told what names tenants have. */
  readonly names?: TenantNames
}

const tenantTable = ({ controlSchema }: RegistryPlace) => qualify(controlSchema, 'tenant')
const adoptionTable = ({ controlSchema }: RegistryPlace) => qualify(controlSchema, 'tenant_adoption')
const migrationTable = ({ controlSchema }: RegistryPlace) => qualify(controlSchema, 'tenant_migration')

/** How a tenant is written down. */
export interface Registering extends TenantFacts {
  /** Whether a deleted tenant's key may be used again. */
  readonly reuse: boolean
  /** Whether it comes from another cluster (`fleet.move`): what is not said of it is not so. */
  readonly arrives?: boolean | undefined
  readonly names: RegistryNames
}

type Registered = { readonly status: TenantStatus; readonly isolation: string } & RegistryNames

/** A tenant's row, which is its lock (see locks.ts) until the transaction ends. */
export async function recordOf(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
): Promise<TenantRecord | undefined> {
  const [row] = await admin.run(
    `select ${recordColumns('t')} from ${tenantTable(place)} t where prefix = $1 and key = $2 for no key update of t`,
    [place.prefix, tenant],
  )
  if (!row) return undefined
  return learned(place, row)
}

/**
 * Writes down that a tenant is being provisioned, or finds what it is; in either case its row is locked from here on.
 *
 * @returns its status before: `provisioning` for a new one
 * @throws TenancyError CONFLICT when it is deleted, being deleted or moved, or lives at another isolation level, or when another
 *   tenant has one of the names
 */
export async function register(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  isolation: IsolationLevel,
  { plan, placement, reuse, arrives = false, names }: Registering,
): Promise<TenantStatus> {
  const registering = admin.run<Registered>(
    `insert into ${tenantTable(place)} as t (prefix, key, isolation, plan, placement, schema_name, role_name, database_name)
     values ($1, $2, $3, $4, coalesce($5, 'default'), $7, $8, $9)
     on conflict (prefix, key) do update set
       plan = coalesce($4, case when not ($10 and t.status = 'deleted') then t.plan end), placement = coalesce($5, t.placement), updated_at = now(),
       status = case when t.status = 'deleted' and $6 then 'provisioning' else t.status end,
       isolation = case when t.status = 'deleted' and $6 then $3 else t.isolation end,
       schema_name = case when t.status = 'deleted' and $6 then $7 else t.schema_name end,
       role_name = case when t.status = 'deleted' and $6 then $8 else t.role_name end,
       database_name = case when t.status = 'deleted' and $6 then $9 else t.database_name end,
       created_at = case when t.status = 'deleted' and $6 then now() else t.created_at end,
       deleted_at = case when $6 then null else t.deleted_at end
     returning status, isolation, schema_name as schema, role_name as role, database_name as database`,
    [
      place.prefix,
      tenant,
      isolation,
      plan ?? null,
      placement ?? null,
      reuse,
      names.schema,
      names.role,
      names.database,
      arrives,
    ],
  )
  const [row] = await registering.catch((error: unknown) => Promise.reject(withWords(error, tenant)))
  const { status, isolation: level, ...known } = row as Registered
  place.names?.learn(tenant, known)
  if (status === 'deleted') throw conflict(tenant, DELETED)
  if (status === 'deleting') throw conflict(tenant, DELETING)
  if (isUnderWay(status) && !(arrives && status === 'arriving')) throw conflict(tenant, MOVING)
  if (level !== isolation) throw conflict(tenant, OTHER_LEVEL)
  return status
}

/** The tenant has everything now: active, unless it is suspended. */
export async function registered(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  schemaVersion: string | undefined,
): Promise<void> {
  await admin.run(
    `with changed as (
       update ${tenantTable(place)} set updated_at = now(), schema_version = coalesce($3, schema_version),
         status = case status when 'provisioning' then 'active' else status end
       where prefix = $1 and key = $2)
     select pg_notify($4, $5)`,
    [place.prefix, tenant, schemaVersion ?? null, place.controlSchema, bucketOf(tenant)],
  )
}

/** An applied migration, as the ledgers keep it. */
export interface AppliedMigration {
  readonly id: string
  readonly checksum: string
  readonly durationMs: number
}

/**
 * Applied migrations, for "who is behind?".
 *
 * @param ledger the tenant's own, quoted, which is written by the same statement where it is in the same database
 */
export async function recordMigrations(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  applied: readonly AppliedMigration[],
  ledger?: string,
): Promise<void> {
  const own =
    ledger === undefined
      ? ''
      : `with own as (insert into ${ledger} (id, checksum) select * from unnest($3::text[], $4::text[]))`
  await admin.run(
    `${own} insert into ${migrationTable(place)} (prefix, key, id, checksum, duration_ms)
     select $1, $2, * from unnest($3::text[], $4::text[], $5::int[])
     on conflict (prefix, key, id) do update set checksum = excluded.checksum`,
    [
      place.prefix,
      tenant,
      applied.map(({ id }) => id),
      applied.map(({ checksum }) => checksum),
      applied.map(({ durationMs }) => durationMs),
    ],
  )
}

/** Changes a status; what comes with it (a reason, the end) is written in the same statement. */
export async function setStatus(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  status: TenantStatus,
  reason: string | null = null,
): Promise<void> {
  await admin.run(
    `update ${tenantTable(place)} set status = $3, suspended_reason = $4, updated_at = now(),
       deleted_at = case $3 when 'deleted' then now() end,
       schema_name = case $3 when 'deleted' then null else schema_name end,
       role_name = case $3 when 'deleted' then null else role_name end,
       database_name = case $3 when 'deleted' then null else database_name end
     where prefix = $1 and key = $2`,
    [place.prefix, tenant, status, reason],
  )
  if (status === 'deleted') {
    for (const table of [migrationTable(place), adoptionTable(place)])
      await admin.run(`delete from ${table} where prefix = $1 and key = $2`, [place.prefix, tenant])
  }
  await announce(admin, place, tenant)
}

/** Tells who listens that something changed, and of which tenants it may be; more of it everybody could read (hazard m). */
export async function announce(
  admin: Admin,
  { controlSchema }: RegistryPlace,
  tenant?: TenantKey,
): Promise<void> {
  await admin.run('select pg_notify($1, $2)', [controlSchema, tenant === undefined ? '' : bucketOf(tenant)])
}

const DELETED =
  'A tenant of that key was dropped. So that nobody meets data meant for somebody else, its key is not used again ' +
  'unless you say so: provision(key, { reuseDeletedKey: true }).'
const DELETING = 'This tenant is being dropped. Run drop(key) again to finish that.'
const MOVING =
  'This tenant is being moved between clusters. Wait for that, or finish it with the same fleet.move(key, to).'
const OTHER_LEVEL = 'This tenant lives at another isolation level. Use a tenancy of that level for it.'

const NAMES_OF = /^idx_tenant_(schema|role|database)_name$/

/** Names that are not made of prefix and key are one tenant's each. */
function withWords(error: unknown, tenant: TenantKey): unknown {
  const [, what] = (isServerError(error) && NAMES_OF.exec(error.constraint ?? '')) || []
  if (what === undefined) return error
  const message = `Another tenant has that ${what} already. Nothing was changed; ${what}Of must give each key a name of its own.`
  return new TenancyError('CONFLICT', message, { details: { tenant, option: `${what}Of` } })
}

/** @throws TenancyError CONFLICT */
export function requireSettled(tenant: TenantKey, status: TenantStatus): void {
  if (isUnderWay(status)) throw conflict(tenant, MOVING)
}

function conflict(tenant: TenantKey, message: string): TenancyError {
  return new TenancyError('CONFLICT', message, { details: { tenant } })
}
