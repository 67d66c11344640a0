import { TenancyError, type TenantKey } from '@org/core'
import { sqlInTransaction } from '../fleet/script.ts'
import { schemaOf, searchPathOf } from '../isolation/names.ts'
import { recordMigration } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import type { Admin } from './admin.ts'
import type { Lifecycle } from './lifecycle.ts'
import { pending } from './migrations.ts'

/** Which migrations a tenant has: kept in its own schema, so that it travels with it; and in the registry. */
export const LEDGER_TABLE = '_tenant_migration'

/**
 * Applies what is missing, as the tenant's own role where it has one, so that it owns its tables.
 *
 * @param admin a transaction in the database that holds the tenant's schema
 * @param books the one in the database that holds the registry, where that is another
 * @returns the ids applied now
 * @throws TenancyError CONFLICT when an applied migration was edited or is unknown; STATEMENT_REFUSED when one ended
 *   the transaction
 */
export async function applyMigrations(
  admin: Admin,
  { migrations, naming, registry }: Lifecycle,
  tenant: TenantKey,
  role: string | undefined,
  books: Admin = admin,
): Promise<string[]> {
  const ledger = qualify(schemaOf(naming, tenant), LEDGER_TABLE)
  const rows = await admin.run(`select id, checksum from ${ledger}`)
  const applied = new Map(rows.map(({ id, checksum }) => [String(id), String(checksum)]))
  const missing = pending(migrations, applied)
  if (missing.length === 0) return []
  const transaction = await transactionId(admin)
  for (const migration of missing) {
    const { id, checksum } = migration
    const started = performance.now()
    await admin.run(`select set_config('search_path', $1, true), set_config('role', $2, true)`, [
      searchPathOf(naming, tenant),
      role ?? 'none',
    ])
    await admin.run(sqlInTransaction(migration))
    // Before PostgreSQL 18 deferred triggers run as whoever commits: here they still run as the tenant.
    await admin.run('set constraints all immediate')
    const [left] = await admin.run(LEAVE, [role ?? null])
    if (left?.transaction !== transaction || left?.unchanged !== true) {
      throw new TenancyError(
        'STATEMENT_REFUSED',
        'A migration ended its transaction or changed its role. Take BEGIN, COMMIT, ROLLBACK and SET ROLE out of it.',
        { details: { migration: id } },
      )
    }
    await admin.run(`insert into ${ledger} (id, checksum) values ($1, $2)`, [id, checksum])
    const durationMs = Math.round(performance.now() - started)
    await recordMigration(books, registry, tenant, { id, checksum, durationMs })
  }
  return missing.map(({ id }) => id)
}

/** Says as whom and in which transaction we are, then goes back to being the administrator. */
const LEAVE = `select pg_current_xact_id()::text as transaction, current_user = coalesce($1::text, session_user) as unchanged,
  set_config('role', 'none', true)`

async function transactionId(admin: Admin): Promise<unknown> {
  const [row] = await admin.run('select pg_current_xact_id()::text as id')
  return row?.id
}
