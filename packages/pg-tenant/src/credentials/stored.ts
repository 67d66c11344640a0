import type { Sealing, TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import { readRegistry } from '../registry/read.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import type { CredentialKeeper } from './keeper.ts'
import { credentialTable, sealedOf } from './table.ts'

/** Passwords in the control schema, sealed: neither the database nor a dump of it can open them. */
export function storedCredentials(
  sealing: Sealing,
  pool: PoolLike,
  registry: RegistryPlace,
): CredentialKeeper {
  // The prefix is part of the place: two tenancies share the table.
  const placeOf = (tenant: TenantKey) => ({
    tenant,
    table: 'tenant_credential',
    name: registry.prefix + tenant,
  })
  const text = `select sealed, role from ${credentialTable(registry)} where prefix = $1 and key = $2 and sealed is not null`
  return {
    supplied: false,
    find: async (tenant) => {
      const [row] = await readRegistry(pool, text, [registry.prefix, tenant])
      if (!row) return undefined
      const password = await sealing.open(String(row.sealed), placeOf(tenant))
      return { user: String(row.role), password }
    },
    chosen: async (admin, tenant) => {
      const sealed = await sealedOf(admin, registry, tenant)
      return sealed === undefined ? undefined : await sealing.open(sealed, placeOf(tenant))
    },
    toStore: async (tenant, password) => await sealing.seal(password, placeOf(tenant)),
  }
}
