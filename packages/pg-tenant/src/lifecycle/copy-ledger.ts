import type { Admin } from '../admin/transaction.ts'
import { schemaOf } from '../isolation/names.ts'
import { recordMigrations } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import { LEDGER_TABLE } from './apply-migrations.ts'
import type { TenantWork } from './levels/level.ts'

/**
 * The ledger in the tenant's database is the truth, the registry's a copy: writes down there what it lacks, which is the
 * case when the connection was lost between the two commits.
 */
export async function copyLedger(home: Admin, { admin, lifecycle, tenant }: TenantWork): Promise<void> {
  const { naming, registry } = lifecycle
  const truth = await home.run(
    `select id, checksum from ${qualify(schemaOf(naming, tenant), LEDGER_TABLE)} order by applied_at, id`,
  )
  const copy = await admin.run(
    `select id from ${qualify(registry.controlSchema, 'tenant_migration')} where prefix = $1 and key = $2`,
    [registry.prefix, tenant],
  )
  const known = new Set(copy.map(({ id }) => String(id)))
  const lacking = truth
    .map(({ id, checksum }) => ({ id: String(id), checksum: String(checksum), durationMs: 0 }))
    .filter(({ id }) => !known.has(id))
  if (lacking.length > 0) await recordMigrations(admin, registry, tenant, lacking)
}
