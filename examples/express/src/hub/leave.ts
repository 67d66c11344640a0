import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Actor, TenancyError, type TenantKey } from '@org/core'
import type { ControlTransaction } from './control.ts'
import type { Hub } from './open-hub.ts'

const FORGET = 'delete from hub.tenant_profile where key = $1'

/**
 * Off-boards a tenant and forgets what the hub keeps about it outside its schema. Cut off, it is called again and goes
 * on; the key stays a tombstone, so nobody gets it by accident.
 *
 * @throws TenancyError CONFLICT when there is nowhere to put the backup
 */
export async function leave(
  hub: Hub,
  tx: ControlTransaction,
  tenant: TenantKey,
  { skipBackup, actor }: { readonly skipBackup: boolean; readonly actor: Actor },
) {
  const receipt = await hub.tenancy.offboard(tenant, {
    confirm: tenant,
    backup: skipBackup ? 'skip' : { to: await backupFile(hub, tenant) },
    requestedBy: `${actor.type} ${actor.id}`,
  })
  await (await hub.governance.within(tx)).forgetTenant(tenant)
  await hub.directory.removeTenant(tx, tenant)
  await tx.query(FORGET, [tenant])
  return { tenant, tables: receipt.tables.length, rows: receipt.rows, backup: receipt.backup !== null }
}

async function backupFile({ config }: Hub, tenant: TenantKey): Promise<string> {
  if (config.BACKUP_DIR === undefined) {
    throw new TenancyError('CONFLICT', 'Set BACKUP_DIR, or ask for it without a backup (backup=skip).', {
      details: { reason: 'no_backup_directory' },
    })
  }
  await mkdir(config.BACKUP_DIR, { recursive: true, mode: 0o700 })
  return join(config.BACKUP_DIR, `${tenant}-${new Date().toISOString().replaceAll(':', '')}.pgtenant`)
}
