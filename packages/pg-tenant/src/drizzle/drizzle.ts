import { invalidOption } from '@org/core'
import { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { PgDialect } from 'drizzle-orm/pg-core'
import type { TenantDb } from '../scope/tenant-db.ts'
import { checkOptions, type DrizzleOptions, loggerOf } from './options.ts'
import { relationalConfigOf } from './relational-config.ts'
import { type SessionParts, TenantSession } from './session.ts'

/**
 * A tenant's database as Drizzle's: what takes a `NodePgDatabase` takes it too. `$client` is the handle; there is no
 * way to the connection. Like the handle it is dead when its scope ends.
 */
export type TenantDatabase<TSchema extends Record<string, unknown> = Record<string, never>> =
  NodePgDatabase<TSchema> & {
    readonly $client: TenantDb
  }

/**
 * A typed Drizzle database over a tenant's handle. Cheap: make one in each scope.
 *
 * ```ts
 * await tenancy.withTenant('acme', async (db) => {
 *   const orm = drizzle(db, { schema })
 *   return await orm.query.users.findMany({ with: { notes: true } })
 * })
 * ```
 *
 * - `transaction(fn)` is a savepoint of the scope, as deep as you like; it takes no mode of its own. Inside it use
 *   the `tx` it gives you.
 * - `prepare(name)` keeps the statement on direct connections, apart for each tenant; names have 1 to 40 characters.
 * - Errors are those of the handle: a `TenancyError` without the statement's parameters, not a `DrizzleQueryError`.
 * - Parameters are logged only by a `logger` you pass, and never traced.
 * - Drizzle's migrator keeps one ledger per database, not one per tenant: use `createTenancy({ migrations })`.
 *
 * @param db the handle of `withTenant` or `savepoint`
 * @throws TenancyError INVALID_OPTION, also for `cache` and, when the query runs, for `$withCache()`
 * @example
 * ```ts
 * import { bigint, pgTable, text } from 'drizzle-orm/pg-core'
 * import { drizzle } from '@org/pg-tenant/drizzle'
 *
 * const notes = pgTable('notes', {
 *   id: bigint('id', { mode: 'bigint' }).primaryKey().generatedAlwaysAsIdentity(),
 *   body: text('body').notNull(),
 * })
 * const made = await tenancy.withTenant('acme', (db) => drizzle(db).insert(notes).values({ body: 'hi' }).returning())
 * made[0]?.body // → 'hi'
 * ```
 */
export function drizzle<TSchema extends Record<string, unknown> = Record<string, never>>(
  db: TenantDb,
  config: DrizzleOptions<TSchema> = {},
): TenantDatabase<TSchema> {
  const handle = db as Partial<TenantDb> | undefined
  if (typeof handle?.query !== 'function' || typeof handle.savepoint !== 'function') {
    throw invalidOption('db', 'the handle withTenant gives you: withTenant(key, (db) => … drizzle(db) …)')
  }
  checkOptions(config)
  const parts: SessionParts<TSchema> = {
    dialect: new PgDialect(config.casing ? { casing: config.casing } : {}),
    relational: config.schema && relationalConfigOf(config.schema),
    logger: loggerOf(config.logger),
  }
  const database = new NodePgDatabase<TSchema>(parts.dialect, new TenantSession(db, parts), parts.relational)
  return Object.assign(database, { $client: db })
}
