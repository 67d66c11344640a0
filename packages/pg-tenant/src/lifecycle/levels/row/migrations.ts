import { TenancyError } from '@org/core'
import type { Room } from '../../../admin/tenant-room.ts'
import type { Admin } from '../../../admin/transaction.ts'
import { isServerError } from '../../../errors/server-error.ts'
import { requireHarmless } from '../../../migrations/harmless.ts'
import { requireClean } from '../../../migrations/lint.ts'
import { pending } from '../../../migrations/migrations.ts'
import { readScripts, type Script, untilCommit } from '../../../migrations/script.ts'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'
import { ownersAlone } from '../../../sql/owners-alone.ts'
import { type Applied, runScripts, type StatementPlace } from '../../apply-migrations.ts'
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

/** What was applied to the shared schema, and what is next where that cannot be in a transaction. */
export interface AppliedRows extends Applied {
  readonly outside?: Script
}

/**
 * Applies to the shared schema what it does not have yet, as the administrator, who owns the tables. The caller holds
 * {@link lockSharedSchema}. A file without a transaction is left to the caller, unless there are no tables yet.
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
  lifecycle: RowLifecycle,
  before: () => Promise<void> = async () => {},
): Promise<AppliedRows> {
  const { allowSchemas = [], migrations, registry, row } = lifecycle
  const ledger = qualify(registry.controlSchema, LEDGER)
  await admin.run(CREATE_LEDGER(ledger))
  const rows = await admin.run(`select id, checksum from ${ledger} where prefix = $1`, [registry.prefix])
  const applied = new Map(rows.map(({ id, checksum }) => [String(id), String(checksum)]))
  if (applied.size === 0) await admin.run(ownersAlone([ledger]))
  const missing = new Set(pending(migrations, applied).map(({ id }) => id))
  if (missing.size === 0) return { migrations: [] }
  const wanted = readScripts(migrations).filter(({ id }) => missing.has(id))
  requireClean(wanted, [row.schema, ...allowSchemas], true)
  requireHarmless(wanted)
  const fresh = applied.size === 0 && !(await hasTables(admin, row.schema))
  const scripts = fresh ? wanted : together(wanted)
  if (scripts.length === 0) return { migrations: [], more: true, outside: wanted[0] as Script }
  await before()
  const spent = await runScripts(admin, roomOf(lifecycle), scripts, fresh, explainHidden)
  await admin.run(
    `insert into ${ledger} (prefix, id, checksum, duration_ms)
     select $1, * from unnest($2::text[], $3::text[], $4::int8[])`,
    [registry.prefix, scripts.map(({ id }) => id), scripts.map(({ checksum }) => checksum), spent],
  )
  const ids = scripts.map(({ id }) => id)
  return { migrations: ids, ...(scripts.length < wanted.length && { more: true as const }) }
}

/** Where migrations of the shared schema run, as the administrator. */
export function roomOf({ naming, row }: RowLifecycle): Room & { readonly searchPath: string } {
  const searchPath = quoteIdentifier(row.schema) + naming.sharedPath
  return { schema: row.schema, owner: undefined, searchPath, settings: { row_security: 'off' } }
}

/** The first of these that one transaction can take; none where the first cannot be in one. */
function together(wanted: readonly Script[]): readonly Script[] {
  const outside = wanted.findIndex(({ transaction }) => !transaction)
  return untilCommit(outside < 0 ? wanted : wanted.slice(0, outside))
}

/** Tables that are in use: an index of theirs is not to be built in a transaction for which all writes wait. */
async function hasTables(admin: Admin, schema: string): Promise<boolean> {
  const found = await admin.run(
    `select from pg_class where relnamespace = (select oid from pg_namespace where nspname = $1)
       and relkind in ('r', 'p') limit 1`,
    [schema],
  )
  return found.length > 0
}

const HIDDEN =
  'This reads or writes rows of tenants, which row-level security hides from the owner as well. Begin the migration ' +
  'with ALTER TABLE … NO FORCE ROW LEVEL SECURITY; it is forced again in the same transaction.'
export const HIDDEN_OUTSIDE = `${HIDDEN} Put both into a migration without the annotation no-transaction.`

/** What a statement meets that reads rows of tenants. */
export function explainHidden(
  error: unknown,
  { id, line, number }: StatementPlace,
  hidden: string = HIDDEN,
): TenancyError | undefined {
  if (!isServerError(error) || error.routine !== 'check_enable_rls') return undefined
  return new TenancyError('STATEMENT_REFUSED', `Migration ${id}, line ${line}: ${hidden}`, {
    details: { migration: id, line, statement: number },
  })
}
