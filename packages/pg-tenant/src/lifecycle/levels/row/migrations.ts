import { TenancyError } from '@org/core'
import type { Admin } from '../../../admin/transaction.ts'
import { isServerError } from '../../../errors/server-error.ts'
import { requireClean } from '../../../migrations/lint.ts'
import { type CheckedMigration, pending } from '../../../migrations/migrations.ts'
import { addsEnumValue, readScripts, untilCommit } from '../../../migrations/script.ts'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import { type Applied, runScripts } from '../../apply-migrations.ts'
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
 * @returns the ids applied now, and whether there are more, for another transaction
 * @throws TenancyError CONFLICT when an applied migration was edited or is unknown; STATEMENT_REFUSED when one ended
 *   the transaction or touched rows of tenants
 */
export async function applyRowMigrations(
  admin: Admin,
  { allowSchemas = [], migrations, naming, registry, row }: RowLifecycle,
  before: () => Promise<void> = async () => {},
): Promise<Applied> {
  const ledger = qualify(registry.controlSchema, LEDGER)
  await admin.run(CREATE_LEDGER(ledger))
  const rows = await admin.run(`select id, checksum from ${ledger} where prefix = $1`, [registry.prefix])
  const applied = new Map(rows.map(({ id, checksum }) => [String(id), String(checksum)]))
  const missing = new Set(pending(migrations, applied).map(({ id }) => id))
  if (missing.size === 0) return { migrations: [] }
  const wanted = readScripts(migrations).filter(({ id }) => missing.has(id))
  requireClean(wanted, [row.schema, ...allowSchemas])
  for (const script of wanted)
    if (!script.transaction && !script.statements.every(addsEnumValue)) throw refused(script, NO_TRANSACTION)
  const fresh = applied.size === 0
  const scripts = fresh ? wanted : untilCommit(wanted)
  await before()
  const searchPath = quoteIdentifier(row.schema) + naming.sharedPath
  const room = { schema: row.schema, owner: undefined, searchPath, settings: { row_security: 'off' } }
  const spent = await runScripts(admin, room, scripts, fresh, (error, { id }) => {
    const hidden = isServerError(error) && error.routine === 'check_enable_rls'
    return hidden ? refused({ id }, HIDDEN) : undefined
  })
  await admin.run(
    `insert into ${ledger} (prefix, id, checksum, duration_ms)
     select $1, * from unnest($2::text[], $3::text[], $4::int8[])`,
    [registry.prefix, scripts.map(({ id }) => id), scripts.map(({ checksum }) => checksum), spent],
  )
  const ids = scripts.map(({ id }) => id)
  return { migrations: ids, ...(scripts.length < wanted.length && { more: true as const }) }
}

const NO_TRANSACTION =
  'Migrations of shared tables run in one transaction. Build the index by hand with CREATE INDEX CONCURRENTLY, then ' +
  'write CREATE INDEX IF NOT EXISTS here and take the annotation out.'
const HIDDEN =
  'A migration reads or writes rows of tenants, which row-level security hides from the owner as well. Begin it ' +
  'with ALTER TABLE … NO FORCE ROW LEVEL SECURITY; it is forced again in the same transaction.'

function refused({ id }: Pick<CheckedMigration, 'id'>, message: string): TenancyError {
  return new TenancyError('STATEMENT_REFUSED', message, { details: { migration: id } })
}
