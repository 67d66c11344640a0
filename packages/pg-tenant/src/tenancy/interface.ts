import type { IsolationLevel } from '../isolation/isolation.ts'
import type { TenancyDirectory } from './directory.ts'
import type { TenancyLife } from './life.ts'
import type { TenancyOperations } from './operations.ts'
import type { TenancyScopes } from './scopes.ts'

/**
 * Tenant-scoped data access, in four parts; ask for the part you use. Made by `createTenancy`.
 */
export interface Tenancy extends TenancyScopes, TenancyDirectory, TenancyLife, TenancyOperations {
  readonly isolation: IsolationLevel

  /**
   * Closes the connections this tenancy opened itself (levels `login` and `database`, once the scopes on them have ended;
   * `lookups.listen`). `pool` and `adminPool` are yours.
   */
  close(): Promise<void>
}

/** What a request needs of a tenancy: adapters ask for no more. `createTenancy` makes one, and so does `createFleet`. */
export interface TenantAccess
  extends Pick<TenancyScopes, 'withTenant' | 'query'>,
    Pick<TenancyDirectory, 'lookup'> {}
