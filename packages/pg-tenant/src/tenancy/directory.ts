import type { ListOptions } from '../registry/read.ts'
import type { TenantRecord } from '../registry/record.ts'

/** Which tenants there are: the part of a {@link Tenancy} that reads the registry. */
export interface TenancyDirectory {
  /**
   * What the registry knows of a tenant, `undefined` when it was never provisioned.
   *
   * @throws TenancyError INVALID_TENANT_KEY, CONNECTION_LOST, DATABASE_ERROR
   */
  find(key: string): Promise<TenantRecord | undefined>

  /**
   * As `find`, for every request: a tenant in service is remembered for `lookups.maxAge` (1 second), and forgotten when
   * this tenancy changes it or `lookups.listen` hears of a change. What was suspended or dropped elsewhere may so be found
   * in service for that long; no scope of it opens.
   *
   * @throws TenancyError INVALID_TENANT_KEY, CONNECTION_LOST, DATABASE_ERROR
   */
  lookup(key: string): Promise<TenantRecord | undefined>

  /**
   * The tenants in the registry, a page at a time, in the byte order of their keys.
   *
   * @throws TenancyError VALIDATION_ERROR, CONNECTION_LOST, DATABASE_ERROR
   */
  list(options?: ListOptions): Promise<TenantRecord[]>
}
