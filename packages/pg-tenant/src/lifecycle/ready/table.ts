import type { TenantKey } from '@org/core'
import type { Admin } from '../../admin/transaction.ts'
import { qualify } from '../../sql/identifier.ts'
import { IS_DISTRIBUTED } from '../distributed-schemas.ts'
import type { Lifecycle } from '../lifecycle.ts'

// Every statement here is given: $1 prefix, $2 level, $3 ids and $4 checksums of the migrations there are.
// One that has a migration that was edited or is unknown does not fit, and is not given to anybody.
const FITS = (migration: string) => `not exists (
  select from ${migration} m where m.prefix = t.prefix and m.key = t.key and not exists (
    select from unnest($3::text[], $4::text[]) w (id, checksum) where w.id = m.id and w.checksum = m.checksum))`
const HAS = (migration: string) =>
  `(select count(*)::int from ${migration} m where m.prefix = t.prefix and m.key = t.key)`
const READY = `t.prefix = $1 and t.isolation = $2 and t.status = 'ready'`

const tablesOf = ({ registry: { controlSchema } }: Lifecycle) => ({
  tenant: qualify(controlSchema, 'tenant'),
  migration: qualify(controlSchema, 'tenant_migration'),
})

const valuesOf = ({ level, migrations, registry }: Lifecycle): unknown[] => [
  registry.prefix,
  level,
  migrations.map(({ id }) => id),
  migrations.map(({ checksum }) => checksum),
]

// One made ahead before schemas were distributed would stay where it is.
const DISTRIBUTED = `select from pg_namespace n where n.nspname = $1 || t.key and ${IS_DISTRIBUTED}`

/** A ready tenant, its row locked until the transaction ends. */
export interface Ready {
  readonly key: TenantKey
  /** Whether it has every migration there is. */
  readonly current: boolean
}

/**
 * Takes the oldest ready tenant nobody else is taking, those that are up to date first. Nothing when there is none, or
 * when one of the names it would get is in use.
 *
 * @param names the schema, and the role if there is one
 */
export async function takeReady(
  admin: Admin,
  lifecycle: Lifecycle,
  names: { readonly schema: string; readonly role: string | undefined },
): Promise<Ready | undefined> {
  const { tenant, migration } = tablesOf(lifecycle)
  const has = HAS(migration)
  const spread = lifecycle.distributedSchemas ? `and exists (${DISTRIBUTED})` : ''
  const [row] = await admin.run(
    `select t.key, ${has} = cardinality($3::text[]) as current from ${tenant} t
     where ${READY} and ${FITS(migration)} ${spread}
       and not exists (select from pg_namespace where nspname = $5)
       and not exists (select from pg_roles where rolname = $6)
     order by ${has} desc, t.created_at limit 1 for update of t skip locked`,
    [...valuesOf(lifecycle), names.schema, names.role ?? ''],
  )
  return row as Ready | undefined
}

/** Takes a ready tenant that is behind (to bring it up to date) or does not fit (to remove it). */
export async function takeStale(
  admin: Admin,
  lifecycle: Lifecycle,
): Promise<{ readonly key: TenantKey; readonly fits: boolean } | undefined> {
  const { tenant, migration } = tablesOf(lifecycle)
  const [row] = await admin.run(
    `select t.key, ${FITS(migration)} as fits from ${tenant} t
     where ${READY} and not (${FITS(migration)} and ${HAS(migration)} = cardinality($3::text[]))
     limit 1 for update of t skip locked`,
    valuesOf(lifecycle),
  )
  return row as { key: TenantKey; fits: boolean } | undefined
}

/** Takes any ready tenant. */
export async function takeAny(admin: Admin, lifecycle: Lifecycle): Promise<TenantKey | undefined> {
  const { tenant } = tablesOf(lifecycle)
  const [row] = await admin.run(
    `select t.key from ${tenant} t where ${READY} limit 1 for update of t skip locked`,
    valuesOf(lifecycle).slice(0, 2),
  )
  return row?.key as TenantKey | undefined
}

/** How many ready tenants fit, behind or not. */
export async function countReady(admin: Pick<Admin, 'run'>, lifecycle: Lifecycle): Promise<number> {
  const { tenant, migration } = tablesOf(lifecycle)
  const [row] = await admin.run(
    `select count(*)::int as ready from ${tenant} t where ${READY} and ${FITS(migration)}`,
    valuesOf(lifecycle),
  )
  return Number(row?.ready)
}

/** Writes down a tenant that is about to be made ahead. */
export async function addReady(admin: Admin, lifecycle: Lifecycle, key: TenantKey): Promise<void> {
  const { tenant } = tablesOf(lifecycle)
  await admin.run(`insert into ${tenant} (prefix, key, isolation, status) values ($1, $2, $3, 'ready')`, [
    lifecycle.registry.prefix,
    key,
    lifecycle.level,
  ])
}

/** What was noted for `from` belongs to `to`, and so does the marker; the reserved key is gone. */
export async function moveReady(
  admin: Admin,
  lifecycle: Lifecycle,
  from: TenantKey,
  to: TenantKey,
): Promise<void> {
  const { tenant, migration } = tablesOf(lifecycle)
  const marker = qualify(lifecycle.naming.schemaPrefix + to, lifecycle.naming.marker)
  // By itself: where schemas are distributed it is on another node than the registry.
  await admin.run(`update ${marker} set key = $1, created_at = now()`, [to])
  await admin.run(
    `with moved as (update ${migration} set key = $3 where prefix = $1 and key = $2)
     delete from ${tenant} where prefix = $1 and key = $2`,
    [lifecycle.registry.prefix, from, to],
  )
}

/** Forgets a ready tenant that was taken down. It was nobody's, so it leaves no tombstone. */
export async function removeReady(admin: Admin, lifecycle: Lifecycle, key: TenantKey): Promise<void> {
  const { tenant, migration } = tablesOf(lifecycle)
  const values = [lifecycle.registry.prefix, key]
  await admin.run(`delete from ${migration} where prefix = $1 and key = $2`, values)
  await admin.run(`delete from ${tenant} where prefix = $1 and key = $2`, values)
}
