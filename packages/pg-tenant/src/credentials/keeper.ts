import type { TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import type { CredentialFinder, Credentials } from '../isolation/credentials.ts'

/** Fetches a tenant's credentials from where the caller keeps them; `undefined` when there are none. */
export type SuppliedCredentials = (
  tenant: TenantKey,
) => Credentials | undefined | Promise<Credentials | undefined>

/** Where the passwords of tenants are kept. */
export interface CredentialKeeper extends CredentialFinder {
  /** Whether the caller keeps them, and says what they are. */
  readonly supplied: boolean
  /** The password a tenant is to get, if that is decided already; else one is generated. */
  chosen(admin: Admin, tenant: TenantKey): Promise<string | undefined>
  /** What goes into the registry's table beside the role's name: the sealed password, or nothing. */
  toStore(tenant: TenantKey, password: string): Promise<string | null>
}
