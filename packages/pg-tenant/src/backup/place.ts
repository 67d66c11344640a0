import type { TenantKey } from '@org/core'
import { schemaOf, searchPathOf } from '../isolation/names.ts'
import type { Admin } from '../lifecycle/admin.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { invalid } from '../scope/options.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

/** Where a tenant's tables are and who owns them: all that backup and restore know of an isolation level. */
export interface Place {
  readonly schema: string
  /** The role that owns the tenant's tables; `undefined` where the administrator does (level `schema`). */
  readonly owner: string | undefined
  readonly searchPath: string
  /** Tables of this library in the schema; they are no data of the tenant. */
  readonly ours: readonly string[]
}

/** @throws TenancyError INVALID_OPTION at levels that keep a tenant elsewhere than in a schema of this database */
export function placeOf(lifecycle: Lifecycle, tenant: TenantKey): Place {
  const { level, naming, ofLevel } = lifecycle
  if (level === 'row' || level === 'database') {
    throw invalid('isolation', '"schema", "role" or "login" for backup, restore, export and off-boarding')
  }
  return {
    schema: schemaOf(naming, tenant),
    owner: ofLevel.ownerOf(lifecycle, tenant),
    searchPath: searchPathOf(naming, tenant),
    ours: [naming.marker, LEDGER_TABLE],
  }
}

/** From here to the end of the transaction statements run as the owner of the tenant's tables, under its path. */
export async function actAsOwner(admin: Admin, { owner, searchPath }: Place): Promise<void> {
  await admin.run(`select set_config('search_path', $1, true), set_config('role', $2, true)`, [
    searchPath,
    owner ?? 'none',
  ])
}

/**
 * Opens a schema whose owner was shut out (the tenant is suspended or being dropped), for this transaction only:
 * others never see it, because it is rolled back or undone before COMMIT.
 */
export async function openForOwner(admin: Admin, { schema, owner }: Place): Promise<void> {
  if (owner === undefined) return
  await admin.run(`grant usage, create on schema ${quoteIdentifier(schema)} to ${quoteIdentifier(owner)}`)
}

/** One piece of administrative work at a time for each tenant; for the session, unlike `lockTenant`. */
export async function lockTenantForSession(admin: Admin, schema: string, shared: boolean): Promise<void> {
  await admin.run(
    `select pg_advisory_lock${shared ? '_shared' : ''}(hashtextextended('pg_tenant:' || $1, 0))`,
    [schema],
  )
}
