import type { QueryRows, Row, TenantQueryable } from '@org/core'

/**
 * The part of a tenancy that work on behalf of tenants needs: `createTenancy` of `@org/pg-tenant` makes one.
 *
 * @typeParam Db the handle that scopes give
 */
export interface TenantScopes<Db extends TenantQueryable = TenantQueryable> {
  /** Runs `fn` in one transaction of one tenant; where it reads a lot, from one moment. */
  withTenant<T>(
    key: string,
    fn: (db: Db) => Promise<T>,
    options?: { readonly isolationLevel?: 'repeatable read'; readonly readOnly?: boolean },
  ): Promise<T>
  /** One statement in a scope of its own, in one round trip. Left out, `withTenant` does it in two. */
  query?<R extends object = Row>(
    key: string,
    text: string,
    values?: readonly unknown[],
    options?: { readonly readOnly?: boolean },
  ): Promise<QueryRows<R>>
  /** What is known of a tenant, if anything is. Left out, its status shows when a scope is opened. */
  lookup?(key: string): Promise<{ readonly status: string } | undefined>
}
