import type { Sealing, TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import type { PoolLike } from '../driver/types.ts'
import { invalid } from '../errors/invalid.ts'
import type { CredentialFinder, Credentials } from '../isolation/credentials.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { storedCredentials } from './stored.ts'
import { suppliedCredentials } from './supplied.ts'

/** Fetches a tenant's credentials from where the caller keeps them; `undefined` when there are none. */
export type CredentialSource = (
  tenant: TenantKey,
) => Credentials | undefined | Promise<Credentials | undefined>

/** Where the passwords of tenants are kept. */
export interface CredentialKeeper extends CredentialFinder {
  /** The password a tenant is to get, if that is decided already; else one is generated. */
  chosen(admin: Admin, tenant: TenantKey): Promise<string | undefined>
  /** What goes into the registry's table beside the role's name: the sealed password, or nothing. */
  toStore(tenant: TenantKey, password: string): Promise<string | null>
}

/** @throws TenancyError INVALID_OPTION */
export function keeperOf(
  option: CredentialSource | Sealing | undefined,
  pool: PoolLike,
  registry: RegistryPlace,
): CredentialKeeper {
  if (typeof option === 'function') return suppliedCredentials(option)
  if (typeof option?.seal === 'function' && typeof option.open === 'function')
    return storedCredentials(option, pool, registry)
  throw invalid(
    'credentials',
    'a function that fetches the credentials of a tenant, or something that seals them ({ seal, open }, such as the ' +
      'Envelopes of @org/crypto): at this isolation level every tenant logs in by itself',
  )
}
