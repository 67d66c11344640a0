import type { Row } from '@org/core'
import type { ProvisionOptions, ProvisionResult } from '../lifecycle/provision.ts'
import type { TenantRecord } from '../registry/record.ts'
import type { ScopeOptions } from '../scope/options.ts'
import type { QueryResult } from '../scope/result.ts'
import type { TenantDb } from '../scope/tenant-db.ts'

/** What a fleet needs of a tenancy; `createTenancy` makes one for each cluster. */
export interface PlacedTenancy {
  withTenant<T>(key: string, fn: (db: TenantDb) => Promise<T>, options?: ScopeOptions): Promise<T>
  query(
    key: string,
    text: string,
    values?: readonly unknown[],
    options?: ScopeOptions,
  ): Promise<QueryResult<Row>>
  provision(key: string, options?: ProvisionOptions): Promise<ProvisionResult>
  find(key: string): Promise<TenantRecord | undefined>
}
