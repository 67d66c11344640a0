import { TenancyError, type TenantKey } from '@org/core'
import { type Admin, fromStatement } from '../admin/transaction.ts'
import { withDriverError } from '../errors/driver-error.ts'
import { isServerError } from '../errors/server-error.ts'
import { schemaOf, searchPathOf } from '../isolation/names.ts'
import { pending } from '../migrations/migrations.ts'
import { sqlInTransaction } from '../migrations/script.ts'
import { statementsOf } from '../migrations/statements.ts'
import { type AppliedMigration, recordMigrations } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import type { Lifecycle } from './lifecycle.ts'

/** Which migrations a tenant has: kept in its own schema, so that it travels with it; and in the registry. */
export const LEDGER_TABLE = '_tenant_migration'

/**
 * Applies what is missing, as the tenant's own role where it has one, so that it owns its tables.
 *
 * @param admin a transaction in the database that holds the tenant's schema
 * @param fresh whether its ledger was made in this transaction and so is empty
 * @param books the one in the database that holds the registry, where that is another
 * @returns the ids applied now
 * @throws TenancyError CONFLICT when an applied migration was edited or is unknown; STATEMENT_REFUSED when one ended
 *   the transaction
 */
export async function applyMigrations(
  admin: Admin,
  { distributedSchemas, migrations, naming, registry }: Lifecycle,
  tenant: TenantKey,
  role: string | undefined,
  fresh: boolean,
  books: Admin = admin,
): Promise<string[]> {
  const ledger = qualify(schemaOf(naming, tenant), LEDGER_TABLE)
  const rows = fresh ? [] : await admin.run(`select id, checksum from ${ledger}`)
  const applied = new Map(rows.map(({ id, checksum }) => [String(id), String(checksum)]))
  const missing = pending(migrations, applied)
  if (missing.length === 0) return []
  const done: AppliedMigration[] = []
  let transaction: unknown
  for (const migration of missing) {
    const { id, checksum } = migration
    const started = performance.now()
    const [entered] = await admin.run(ENTER, [searchPathOf(naming, tenant), role ?? 'none'])
    transaction ??= entered?.transaction
    // Before PostgreSQL 18 deferred triggers run as whoever commits: here they still run as the tenant.
    const sql = `${sqlInTransaction(migration)}\n;set constraints all immediate`
    // citusdata/citus#6608: in a message of several statements it would send all of them to its nodes with each.
    const messages = distributedSchemas ? statementsOf(sql, id).map(({ text }) => text) : [sql]
    for (const message of messages) await admin.run(message).catch(inMigration(id))
    const [left] = await admin.run(LEAVE, [role ?? null])
    if (left?.transaction !== transaction || left?.unchanged !== true) {
      throw new TenancyError(
        'STATEMENT_REFUSED',
        'A migration ended its transaction or changed its role. Take BEGIN, COMMIT, ROLLBACK and SET ROLE out of it.',
        { details: { migration: id } },
      )
    }
    done.push({ id, checksum, durationMs: Math.round(performance.now() - started) })
  }
  await admin.run(`insert into ${ledger} (id, checksum) select * from unnest($1::text[], $2::text[])`, [
    done.map(({ id }) => id),
    done.map(({ checksum }) => checksum),
  ])
  await recordMigrations(books, registry, tenant, done)
  return done.map(({ id }) => id)
}

/** Classes of errors that end the session or the connection: no statement of a migration is to blame. */
const NOT_OF_A_STATEMENT = /^(?:08|57)/

/**
 * Says which migration failed. What it was refused was refused to the tenant: no right that the administrator lacks
 * explains it.
 */
export function inMigration(id: string): (error: unknown) => never {
  return (error) => {
    if (!isServerError(error) || NOT_OF_A_STATEMENT.test(error.code)) throw error
    const { code, message, details } = fromStatement(error)
    const located = new TenancyError(code, `Migration ${id}: ${message}`, {
      details: { ...details, migration: id },
    })
    throw withDriverError(located, error)
  }
}

/** $1 search path, $2 role. Says in which transaction we are. */
const ENTER = `select pg_current_xact_id()::text as transaction, set_config('search_path', $1, true),
  set_config('role', $2, true)`

/** Says as whom and in which transaction we are, then goes back to being the administrator. */
const LEAVE = `select pg_current_xact_id()::text as transaction, current_user = coalesce($1::text, session_user) as unchanged,
  set_config('role', 'none', true)`
