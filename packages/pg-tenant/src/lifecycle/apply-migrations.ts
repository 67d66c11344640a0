import { TenancyError, type TenantKey } from '@org/core'
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
 * @returns the ids applied now
 * @throws TenancyError CONFLICT when an applied migration was edited or is unknown; STATEMENT_REFUSED when one ended
 *   the transaction
 */
export async function applyMigrations(
  admin: Admin,
  { migrations, naming, registry }: Lifecycle,
  tenant: TenantKey,
  role: string | undefined,
): Promise<string[]> {
  const ledger = qualify(schemaOf(naming, tenant), LEDGER_TABLE)
  const rows = await admin.run(`select id, checksum from ${ledger}`)
  const applied = new Map(rows.map(({ id, checksum }) => [String(id), String(checksum)]))
  const missing = pending(migrations, applied)
  if (missing.length === 0) return []
  const transaction = await transactionId(admin)
  for (const { id, sql, checksum } of missing) {
    const started = performance.now()
    await admin.run(`select set_config('search_path', $1, true), set_config('role', $2, true)`, [
      searchPathOf(naming, tenant),
      role ?? 'none',
    ])
    await admin.run(sql)
    await admin.run('set local role none')
    if ((await transactionId(admin)) !== transaction) {
      throw new TenancyError(
        'STATEMENT_REFUSED',
        'A migration ended its transaction. Take BEGIN, COMMIT and ROLLBACK out of it.',
        {
          details: { migration: id },
        },
      )
    }
    await admin.run(`insert into ${ledger} (id, checksum) values ($1, $2)`, [id, checksum])
    const durationMs = Math.round(performance.now() - started)
    await recordMigration(admin, registry, tenant, { id, checksum, durationMs })
  }
  return missing.map(({ id }) => id)
}

async function transactionId(admin: Admin): Promise<unknown> {
  const [row] = await admin.run('select pg_current_xact_id()::text as id')
  return row?.id
}
