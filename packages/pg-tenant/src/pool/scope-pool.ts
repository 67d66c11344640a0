import type pg from 'pg'
import { blockOf } from '../scope/handle.ts'
import { openWithin } from '../scope/open-scope.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import type { ErrorStyle } from './errors.ts'
import { parsePoolOptions, tenantPool } from './tenant-pool.ts'

/**
 * A `pg.Pool` of one client over an open scope, for a library inside `withTenant`: its BEGIN is a savepoint of the scope, its
 * statements take effect when the scope commits. Dead when the scope ends.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { scopePool } from '@org/pg-tenant'
 * import { Kysely, PostgresDialect } from 'kysely'
 *
 * interface Database {
 *   notes: { body: string }
 * }
 * await tenancy.withTenant('acme', async (db) => {
 *   const kysely = new Kysely<Database>({ dialect: new PostgresDialect({ pool: scopePool(db) }) })
 *   await kysely.insertInto('notes').values({ body: 'hi' }).execute()
 * })
 * ```
 */
export function scopePool(db: TenantDb, { errors }: { readonly errors?: ErrorStyle } = {}): pg.Pool {
  const options = parsePoolOptions({ max: 1, ...(errors && { errors }) })
  blockOf(db)
  const reach = {
    once: (query: Parameters<TenantDb['query']>[0]) => db.query(query as never),
    open: () => openWithin(db),
  }
  return tenantPool(db.tenant, reach, options)
}
