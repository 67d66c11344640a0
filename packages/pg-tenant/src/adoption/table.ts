import type { TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import type { OwnedObject } from './objects.ts'

/** What was there before, so that it can be again. */
export interface Before {
  readonly schema: Pick<OwnedObject, 'oid' | 'owner' | 'acl'>
  readonly objects: readonly Pick<OwnedObject, 'class' | 'oid' | 'owner' | 'acl' | 'columns'>[]
  /** OIDs of the roles that keep what they may. */
  readonly owners: readonly number[]
  /** The tenant's role was there, and is to be afterwards. */
  readonly keptRole?: true
  /** The transaction that adopted it first, an `xid8`. */
  readonly since: string
}

const table = ({ controlSchema }: RegistryPlace) => qualify(controlSchema, 'tenant_adoption')

/** What was before a tenant was adopted; `undefined` when it was not, or when that is confirmed. */
export async function beforeOf(
  admin: Pick<Admin, 'run'>,
  place: RegistryPlace,
  tenant: TenantKey,
): Promise<Before | undefined> {
  const [row] = await admin.run(`select before from ${table(place)} where prefix = $1 and key = $2`, [
    place.prefix,
    tenant,
  ])
  return row?.before as Before | undefined
}

export async function keepBefore(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  before: Before,
): Promise<void> {
  await admin.run(
    `insert into ${table(place)} (prefix, key, before) values ($1, $2, $3)
     on conflict (prefix, key) do update set before = excluded.before`,
    [place.prefix, tenant, JSON.stringify(before)],
  )
}

export async function forgetBefore(admin: Admin, place: RegistryPlace, tenant: TenantKey): Promise<void> {
  await admin.run(`delete from ${table(place)} where prefix = $1 and key = $2`, [place.prefix, tenant])
}

/** What there was before, and what came since. */
export function withMore(before: Before, more: Before): Before {
  const known = new Set(before.objects.map((one) => `${one.class} ${one.oid}`))
  return {
    schema: before.schema,
    ...(before.keptRole && { keptRole: true as const }),
    since: before.since,
    objects: [...before.objects, ...more.objects.filter((one) => !known.has(`${one.class} ${one.oid}`))],
    owners: [...new Set([...before.owners, ...more.owners])],
  }
}
