import type { TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'

export const credentialTable = ({ controlSchema }: RegistryPlace) =>
  qualify(controlSchema, 'tenant_credential')

/** Whether this registry made the tenant's login role: then it may be changed and dropped. */
export async function isOurs(admin: Admin, place: RegistryPlace, tenant: TenantKey): Promise<boolean> {
  const text = `select from ${credentialTable(place)} where prefix = $1 and key = $2`
  return (await admin.run(text, [place.prefix, tenant])).length === 1
}

export async function sealedOf(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
): Promise<string | undefined> {
  const text = `select sealed from ${credentialTable(place)} where prefix = $1 and key = $2 and sealed is not null`
  const [row] = await admin.run(text, [place.prefix, tenant])
  return row && String(row.sealed)
}

/** Writes down whose role this is, and the sealed password where it is kept here. */
export async function keepCredential(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  role: string,
  sealed: string | null,
): Promise<void> {
  const text = `insert into ${credentialTable(place)} (prefix, key, role, sealed) values ($1, $2, $3, $4)
    on conflict (prefix, key) do update set role = excluded.role, sealed = excluded.sealed, rotated_at = now()`
  await admin.run(text, [place.prefix, tenant, role, sealed])
}

export async function forgetCredential(admin: Admin, place: RegistryPlace, tenant: TenantKey): Promise<void> {
  const text = `delete from ${credentialTable(place)} where prefix = $1 and key = $2`
  await admin.run(text, [place.prefix, tenant])
}
