import type { Row } from '@org/core'
import type { Pool } from 'pg'
import type { TenantPg, TenantPoolOptions } from '../pool/tenant-pool.ts'
import type { TenantRecord } from '../registry/record.ts'
import type { OpenScope } from '../scope/open-scope.ts'
import type { ScopeOptions } from '../scope/options.ts'
import type { QueryResult } from '../scope/result.ts'
import type { QueryConfig } from '../scope/statement.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import type { EachOptions, EachReport } from './each.ts'

/** Work inside tenants: the part of a {@link Tenancy} that an application's own code calls. */
export interface TenancyScopes {
  /**
   * Runs `fn` inside one transaction of one tenant and commits it: what `fn` returns is returned after COMMIT has
   * been answered; when anything fails, everything is rolled back and the error says what happened.
   *
   * Inside a scope of the same tenant it becomes a savepoint of that scope.
   *
   * @throws TenancyError INVALID_TENANT_KEY, INVALID_OPTION or CROSS_TENANT before anything is sent
   * @throws TenancyError SCHEMA_MISSING, SCHEMA_UNUSABLE, POOL_EXHAUSTED or CONNECTION_LOST when it cannot open
   * @throws TenancyError SERVICE_UNAVAILABLE when the tenant is below `minimumVersion`
   * @throws TenancyError QUERY_NOT_AWAITED, SILENT_ROLLBACK or SCOPE_ESCAPED when `fn` broke the rules
   * @throws TenancyError TIMEOUT, ABORTED or CONFLICT when it cannot finish
   * @throws TenancyError UNKNOWN_OUTCOME when the connection was lost at COMMIT: the only error after which the work
   *   may have been committed
   */
  withTenant<T>(key: string, fn: (db: TenantDb) => Promise<T>, options?: ScopeOptions): Promise<T>

  /**
   * One statement in a scope of its own, in one round trip. Inside a scope of the same tenant it joins that scope.
   * Errors as {@link Tenancy.withTenant} and {@link TenantDb.query}.
   */
  query<R extends object = Row>(
    key: string,
    text: string,
    values?: readonly unknown[],
    options?: ScopeOptions,
  ): Promise<QueryResult<R>>
  query<R extends readonly unknown[] = unknown[]>(
    key: string,
    query: QueryConfig & { readonly rowMode: 'array' },
    values?: readonly unknown[],
    options?: ScopeOptions,
  ): Promise<QueryResult<R>>
  query<R extends object = Row>(
    key: string,
    query: QueryConfig,
    values?: readonly unknown[],
    options?: ScopeOptions,
  ): Promise<QueryResult<R>>

  /**
   * A scope that is opened and closed by hand, for code that cannot be put into a callback. It opens with its first statement;
   * `await using scope = tenancy.open(key)` rolls back what nobody has committed.
   *
   * @throws TenancyError INVALID_TENANT_KEY, INVALID_OPTION or CROSS_TENANT; its statements and `commit` as
   *   {@link Tenancy.withTenant}
   */
  open(key: string, options?: ScopeOptions): OpenScope

  /**
   * A `pg.Pool` bound to one tenant for good, for libraries over `pg` (Kysely, Drizzle, Prisma, …). A query is a scope of its
   * own, in one round trip; between BEGIN and COMMIT of a client it is one scope. Its clients hold no connection while they
   * idle, so that one for each tenant costs little. LISTEN, PREPARE and SET of what a scope depends on are refused.
   *
   * @throws TenancyError INVALID_TENANT_KEY, INVALID_OPTION
   */
  pool(key: string, options?: TenantPoolOptions): Pool

  /**
   * The module `pg` with `Pool` and `Client` bound to the tenant, for libraries that want the module (Knex, TypeORM,
   * Sequelize, MikroORM).
   *
   * @throws TenancyError INVALID_TENANT_KEY, INVALID_OPTION
   */
  pg(key: string, options?: TenantPoolOptions): TenantPg

  /**
   * Runs `fn` in a scope of every active tenant, in the byte order of their keys, several at once: for workers and scripts. One
   * tenant's failure does not stop the others. A run that was cut off goes on with `after: report.resumeAfter`.
   *
   * @throws TenancyError INVALID_OPTION, VALIDATION_ERROR; what `onTenant` throws
   */
  each(
    fn: (db: TenantDb, tenant: TenantRecord) => Promise<unknown>,
    options?: EachOptions,
  ): Promise<EachReport>

  /** The schema a tenant's tables are in, for libraries that qualify every name. @throws TenancyError INVALID_TENANT_KEY */
  schemaOf(key: string): string
}
