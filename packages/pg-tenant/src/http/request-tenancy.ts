import { invalidOption, type ResolvedTenant, type Row, type TenantKey } from '@org/core'
import type { ScopeOptions } from '../scope/options.ts'
import type { QueryResult } from '../scope/result.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import type { TenantAccess } from '../tenancy/interface.ts'

/**
 * The tenancy of one request: no key to pass, and none to get wrong. It is bound to the tenant itself, not to a context
 * that callbacks and streams can lose (hazard s).
 */
export interface RequestTenancy {
  readonly tenant: TenantKey
  /** One statement, as `tenancy.query`. */
  query<R extends object = Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>>
  /**
   * Several statements, together or not at all, as `tenancy.withTenant`. With `scope: 'request'` it is a savepoint of the
   * request's transaction and takes no options.
   */
  transaction<T>(fn: (db: TenantDb) => Promise<T>, options?: ScopeOptions): Promise<T>
}

/** Every call a scope of its own. */
export function perCall(
  tenancy: TenantAccess,
  { tenant }: ResolvedTenant,
  defaults: ScopeOptions,
): RequestTenancy {
  return Object.freeze({
    tenant,
    query: <R extends object = Row>(text: string, values?: readonly unknown[]) =>
      tenancy.query<R>(tenant, text, values, defaults),
    transaction: <T>(fn: (db: TenantDb) => Promise<T>, options?: ScopeOptions) =>
      tenancy.withTenant(tenant, fn, { ...defaults, ...options }),
  })
}

/** Every call in the request's own scope. */
export function inScope(db: TenantDb): RequestTenancy {
  return Object.freeze({
    tenant: db.tenant,
    query: <R extends object = Row>(text: string, values?: readonly unknown[]) => db.query<R>(text, values),
    transaction: async <T>(fn: (db: TenantDb) => Promise<T>, options?: ScopeOptions) => {
      if (options !== undefined) {
        throw invalidOption(
          'options',
          'left out: the transaction of the request began already (scopeOptions)',
        )
      }
      return db.savepoint(fn)
    },
  })
}
