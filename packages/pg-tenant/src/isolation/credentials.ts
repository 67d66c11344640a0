import type { TenantKey } from '@org/core'

/** What it takes to log in as a tenant; what is left out is the application pool's own, or follows from the key. */
export interface Credentials {
  /** Only where it is not the role's name, as some poolers want it. */
  readonly user?: string | undefined
  readonly password: string
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly database?: string | undefined
  /** As `pg` takes it. */
  readonly ssl?: boolean | object | undefined
}

/** Finds what it takes to log in as a tenant. */
export interface CredentialFinder {
  find(tenant: TenantKey): Promise<Credentials | undefined>
}
