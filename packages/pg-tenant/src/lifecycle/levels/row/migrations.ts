import { TenancyError } from '@org/core'
import type { Admin } from '../../../admin/transaction.ts'
import { isServerError } from '../../../errors/server-error.ts'
import { SQLSTATE } from '../../../errors/sqlstate.ts'
import { annotationsOf } from '../../../migrations/annotations.ts'
import { type CheckedMigration, pending } from '../../../migrations/migrations.ts'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import { OWN_PATH } from '../../../sql/own-path.ts'
import { inMigration } from '../../apply-migrations.ts'
import type { RowLifecycle } from './lifecycle.ts'

/** In the control schema: migrations of shared schemas, which belong to all tenants and so to none. */
export const LEDGER = 'row_migration'

const CREATE_LEDGER = (ledger: string) => `create table if not exists ${ledger} (
  prefix text not null,
  id text not null,
  checksum text not null,
  applied_at timestamptz not null default now(),
  duration_ms integer not null,
  applied_by text not null default session_user,
  primary key (prefix, id)
)`

/**
 * Applies to the shared schema what it does not have yet, as the administrator, who owns the tables. The caller holds
 * {@link lockSharedSchema}.
 *
 * Forced row-level security holds for the owner too: an UPDATE in a migration would silently find no rows. With
 * `row_security` off it fails instead, and says what to do.
 *
 * @param before run first, when there is anything to apply
 * @returns the ids applied now
 * @throws TenancyError CONFLICT when an applied migration was edited or is unknown; STATEMENT_REFUSED when one ended
 *   the transaction or touched rows of tenants
 */
export async function applyRowMigrations(
  admin: Admin,
  { migrations, naming, registry, row }: RowLifecycle,
  before: () => Promise<void> = async () => {},
): Promise<string[]> {
  const ledger = qualify(registry.controlSchema, LEDGER)
  await admin.run(CREATE_LEDGER(ledger))
  const rows = await admin.run(`select id, checksum from ${ledger} where prefix = $1`, [registry.prefix])
  const applied = new Map(rows.map(({ id, checksum }) => [String(id), String(checksum)]))
  const missing = pending(migrations, applied)
  if (missing.length === 0) return []
  await before()
  const transaction = await transactionId(admin)
  for (const migration of missing) {
    const started = performance.now()
    await admin.run(`select set_config('search_path', $1, true), set_config('row_security', 'off', true)`, [
      quoteIdentifier(row.schema) + naming.sharedPath,
    ])
    await run(admin, migration)
    if ((await transactionId(admin)) !== transaction) {
      throw refused(
        migration,
        'A migration ended its transaction. Take BEGIN, COMMIT and ROLLBACK out of it.',
      )
    }
    await admin.run(
      `set local role none; set local search_path to ${OWN_PATH}; set local row_security to default`,
    )
    const durationMs = Math.round(performance.now() - started)
    await admin.run(`insert into ${ledger} (prefix, id, checksum, duration_ms) values ($1, $2, $3, $4)`, [
      registry.prefix,
      migration.id,
      migration.checksum,
      durationMs,
    ])
  }
  return missing.map(({ id }) => id)
}

async function run(admin: Admin, migration: CheckedMigration): Promise<void> {
  if (!annotationsOf(migration.sql, migration.id).transaction) {
    throw refused(
      migration,
      'Migrations of shared tables run in one transaction. Build the index by hand with CREATE INDEX CONCURRENTLY, then ' +
        'write CREATE INDEX IF NOT EXISTS here and take the annotation out.',
    )
  }
  try {
    await admin.run(migration.sql)
  } catch (error) {
    const hidden =
      isServerError(error) &&
      error.code === SQLSTATE.INSUFFICIENT_PRIVILEGE &&
      error.routine === 'check_enable_rls'
    if (!hidden) throw inMigration(error, migration.id)
    throw refused(
      migration,
      'A migration reads or writes rows of tenants, which row-level security hides from the owner as well. Begin it ' +
        'with ALTER TABLE … NO FORCE ROW LEVEL SECURITY; it is forced again in the same transaction.',
    )
  }
}

async function transactionId(admin: Admin): Promise<unknown> {
  const [row] = await admin.run('select pg_current_xact_id()::text as id')
  return row?.id
}

function refused({ id }: CheckedMigration, message: string): TenancyError {
  return new TenancyError('STATEMENT_REFUSED', message, { details: { migration: id } })
}
