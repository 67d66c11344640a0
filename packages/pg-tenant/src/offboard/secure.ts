import { rm } from 'node:fs/promises'
import { isTenancyError } from '@org/core'
import { inAdminTransaction } from '../admin/transaction.ts'
import { backupTenant } from '../archive/backup.ts'
import type { BackupResult } from '../archive/backup-options.ts'
import { inspectArchive } from '../archive/inspect.ts'
import type { Visit } from '../archive/visit.ts'
import { setStatus } from '../registry/registry.ts'
import { discard, latest, type Offboarding, save } from './ledger.ts'
import { requireNamed } from './losses.ts'
import { measure, totals } from './measure.ts'
import type { OffboardOptions, OffboardSettings } from './options.ts'
import { prove } from './prove.ts'
import type { Receipt } from './receipt.ts'
import { requireUnderWay } from './under-way.ts'
import { tenantTransaction } from './work.ts'

/** Backs up what is closed, and writes down that it is safe to drop it. When that fails, the tenant is in service again. */
export async function secure(
  visit: Visit,
  begun: Offboarding,
  { backup: target, lose }: OffboardSettings,
): Promise<Offboarding> {
  const { tenant } = visit
  const file = target !== 'skip' && typeof target.to === 'string' ? target.to : null
  let backup: Kept | undefined
  try {
    if (target !== 'skip') backup = await takeBackup(visit, begun, target)
    if (backup) requireNamed(tenant, backup.skipped, lose)
    if (target !== 'skip') await prove(visit, target)
    const tables = await measure(visit, backup?.tables)
    const kept = backup ? { file, bytes: backup.bytes, sha256: backup.sha256 } : null
    const receipt: Receipt = { ...begun.receipt, tables, ...totals(tables), backup: kept }
    return await settle(visit, { ...begun, receipt, backedUp: true })
  } catch (error) {
    // Where that fails too (the server is gone) it is still begun, and running it again goes on.
    const calledOff = await callOff(visit, begun).catch(() => false)
    // Its own file would be in the way of the next call, and what is in it may be changed from now on.
    if (calledOff && backup && file !== null) await rm(file, { force: true }).catch(() => {})
    throw error
  }
}

/** From here on nobody calls it off. @throws TenancyError CONFLICT when somebody has */
function settle({ lifecycle, tenant }: Visit, state: Offboarding): Promise<Offboarding> {
  const { adminPool, registry } = lifecycle
  return inAdminTransaction(adminPool, async (admin) => {
    const now = await requireUnderWay(admin, registry, tenant, state)
    // Somebody else got here first, and drops already: theirs is the whole backup.
    if (now.backedUp) return now
    await save(admin, registry, tenant, state)
    return state
  })
}

type Kept = Pick<BackupResult, 'tables' | 'bytes' | 'sha256' | 'skipped'>

async function takeBackup(
  { lifecycle, signal, tenant }: Visit,
  begun: Offboarding,
  target: Exclude<OffboardOptions['backup'], 'skip'>,
): Promise<Kept> {
  const { to, compression } = target
  try {
    return await backupTenant(lifecycle, tenant, { to, compression, signal })
  } catch (error) {
    const own = isTenancyError(error, 'CONFLICT') && typeof to === 'string' && (await madeBefore(to, begun))
    if (own) return own
    throw error
  }
}

/**
 * The file that is in the way may be this off-boarding's own backup, made before it was cut off: of this tenant, whole, and
 * no older than its closing, since when nobody could write.
 */
async function madeBefore(file: string, { receipt }: Offboarding): Promise<Kept | undefined> {
  const found = await inspectArchive(file).catch(() => undefined)
  if (!found) return undefined
  const { manifest, summary, sha256, bytes } = found
  const own = manifest.tenant === receipt.tenant && manifest.schema === receipt.schema
  if (!own || Date.parse(manifest.createdAt) < Date.parse(receipt.startedAt)) return undefined
  return { tables: summary.tables, sha256, bytes, skipped: manifest.skipped }
}

/** Nothing was dropped yet: the tenant goes back to what it was. @returns whether it was this off-boarding's to say so */
export function callOff({ lifecycle, tenant }: Visit, begun: Offboarding): Promise<boolean> {
  const { ofLevel, registry } = lifecycle
  return tenantTransaction(lifecycle, tenant, undefined, async (work) => {
    const now = await latest(work.admin, registry, tenant)
    const ours = work.status === 'deleting' && now?.receipt.startedAt === begun.receipt.startedAt
    // Somebody else has gone on with it.
    if (!ours || now.backedUp) return false
    if (begun.cameFrom === 'active') await ofLevel.putBackIntoService(work)
    await setStatus(work.admin, registry, tenant, begun.cameFrom)
    await discard(work.admin, registry, tenant, begun)
    return true
  })
}
