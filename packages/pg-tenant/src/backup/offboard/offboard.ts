import { TenancyError, type TenantKey } from '@org/core'
import { inAdminTransaction } from '../../lifecycle/admin.ts'
import type { TenantWork } from '../../lifecycle/levels/level.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import { onTenant } from '../../lifecycle/work.ts'
import { setStatus } from '../../registry/registry.ts'
import { invalid } from '../../scope/options.ts'
import type { BackupTarget } from '../archive/sink.ts'
import { type BackupResult, backupTenant, notFound } from '../backup.ts'
import { placeOf } from '../place.ts'
import { drain, type OnBusy } from './drain.ts'
import { dropObjects } from './drop-objects.ts'
import { discard, ensureLedger, latest, type Offboarding, open, save } from './ledger.ts'
import { measure, totals } from './measure.ts'
import type { Receipt } from './receipt.ts'

/** Options of {@link offboard}. */
export interface OffboardOptions {
  /** The tenant's key once more: what is dropped cannot be meant by accident. */
  readonly confirm: string
  /** Where the last backup goes (see {@link backupTenant}), or `'skip'`: the data is gone for good. */
  readonly backup: { readonly to: BackupTarget } | 'skip'
  /** Milliseconds running scopes get to end (default 10,000; 1 to 3,600,000). */
  readonly drain?: number | undefined
  /** What happens to scopes that do not end in time: `report` (default) refuses, `terminate` ends their connections. */
  readonly onBusy?: OnBusy | undefined
  /** Who asked for it, for the receipt: a name or a ticket, at most 200 characters. */
  readonly requestedBy?: string | undefined
}

/**
 * Takes a tenant out of service for good: closes it (no scope opens), waits for its running scopes, backs it up, drops
 * its tables a few at a time, then schema, role and credentials, and leaves the tombstone and a receipt.
 *
 * The backup is taken when the tenant is closed, so that it holds every acknowledged write; should it fail, the tenant
 * is put back into service. Cut off at any moment, the same call goes on where it was. Called again when all is done, it
 * returns the receipt.
 *
 * @throws TenancyError INVALID_OPTION (not confirmed), TENANT_NOT_FOUND, TIMEOUT (scopes did not end: nothing changed),
 *   CONFLICT, SERVICE_UNAVAILABLE (the backup), DATABASE_ERROR, CONNECTION_LOST, UNKNOWN_OUTCOME (run it again)
 */
export async function offboard(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: OffboardOptions,
): Promise<Receipt> {
  const { drainMs, onBusy, backup } = checked(tenant, options)
  const begun = await close(lifecycle, tenant, drainMs, onBusy, options.requestedBy ?? null)
  if (begun.receipt.status === 'deleted') return begun.receipt
  const ready = begun.backedUp ? begun : await secure(lifecycle, tenant, begun, backup)
  await dropObjects(lifecycle.adminPool, placeOf(lifecycle, tenant))
  return await finish(lifecycle, tenant, ready)
}

function checked(
  tenant: TenantKey,
  { confirm, backup, drain: drainMs = 10_000, onBusy = 'report', requestedBy }: Partial<OffboardOptions> = {},
): { drainMs: number; onBusy: OnBusy; backup: OffboardOptions['backup'] } {
  if (confirm !== tenant) throw invalid('confirm', "the tenant's key once more: what is dropped is gone")
  if (backup !== 'skip' && typeof backup?.to !== 'string' && typeof backup?.to?.write !== 'function') {
    throw invalid('backup', '{ to: path or Writable }, or "skip"')
  }
  if (!Number.isInteger(drainMs) || drainMs < 1 || drainMs > 3_600_000) {
    throw invalid('drain', 'a whole number of milliseconds from 1 to 3600000')
  }
  if (onBusy !== 'report' && onBusy !== 'terminate') throw invalid('onBusy', '"report" or "terminate"')
  if (requestedBy !== undefined && (typeof requestedBy !== 'string' || requestedBy.length > 200)) {
    throw invalid('requestedBy', 'a text of at most 200 characters')
  }
  return { drainMs, onBusy, backup }
}

const NOW = `to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/** Closes the tenant and writes that down, in one transaction; or finds how far an earlier run came. */
function close(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  drainMs: number,
  onBusy: OnBusy,
  requestedBy: string | null,
): Promise<Offboarding> {
  const { level, ofLevel, registry } = lifecycle
  if (ofLevel.staged) throw invalid('isolation', 'a level that keeps tenants in schemas of one database')
  const place = placeOf(lifecycle, tenant)
  const start = async (work: TenantWork): Promise<Offboarding> => {
    const { admin, status } = work
    await ensureLedger(admin, registry)
    const known = await latest(admin, registry, tenant)
    if (known && (status === 'deleting' || status === 'deleted')) return known
    if (status !== 'active' && status !== 'suspended') throw notFound(tenant)
    if (!(await ofLevel.exists(work))) throw notFound(tenant)
    await drain(work, place, drainMs, onBusy)
    await ofLevel.takeOutOfService(work)
    await setStatus(admin, registry, tenant, 'deleting')
    const [facts] = await admin.run(`select ${NOW} as "startedAt", session_user::text as "executedBy"`)
    const receipt: Receipt = {
      tenant,
      schema: place.schema,
      role: place.owner ?? null,
      isolation: level,
      status: 'deleting',
      requestedBy,
      ...(facts as Pick<Receipt, 'startedAt' | 'executedBy'>),
      finishedAt: null,
      tables: [],
      rows: 0,
      bytes: 0,
      backup: null,
    }
    const state: Offboarding = { receipt, cameFrom: status, backedUp: false }
    await open(admin, registry, tenant, state)
    return state
  }
  return onTenant(lifecycle, tenant, (stage) => stage(start))
}

/** Backs up what is closed, and writes down that it is safe to drop it. */
async function secure(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  begun: Offboarding,
  target: OffboardOptions['backup'],
): Promise<Offboarding> {
  let backup: BackupResult | undefined
  if (target !== 'skip') {
    backup = await backupTenant(lifecycle, tenant, { to: target.to }).catch(async (error: unknown) => {
      await callOff(lifecycle, tenant, begun)
      throw error
    })
  }
  const tables = await measure(lifecycle, placeOf(lifecycle, tenant), backup?.tables)
  const kept = backup && {
    file: target !== 'skip' && typeof target.to === 'string' ? target.to : null,
    bytes: backup.bytes,
    sha256: backup.sha256,
  }
  const receipt: Receipt = { ...begun.receipt, tables, ...totals(tables), backup: kept ?? null }
  const state: Offboarding = { ...begun, receipt, backedUp: true }
  await inAdminTransaction(lifecycle.adminPool, (admin) => save(admin, lifecycle.registry, tenant, state))
  return state
}

/** Nothing was dropped yet: the tenant goes back to what it was. */
function callOff(lifecycle: Lifecycle, tenant: TenantKey, begun: Offboarding): Promise<void> {
  const { ofLevel, registry } = lifecycle
  return onTenant(lifecycle, tenant, (stage) =>
    stage(async (work) => {
      if (begun.cameFrom === 'active') await ofLevel.putBackIntoService(work)
      await setStatus(work.admin, registry, tenant, begun.cameFrom)
      await discard(work.admin, registry, tenant, begun)
    }),
  )
}

/** What is left of the tenant goes in the transaction that writes the tombstone and the receipt. */
function finish(lifecycle: Lifecycle, tenant: TenantKey, state: Offboarding): Promise<Receipt> {
  const { ofLevel, registry } = lifecycle
  return onTenant(lifecycle, tenant, (stage) =>
    stage(async (work) => {
      if (work.status !== 'deleting') throw changedMeanwhile(tenant)
      if (await ofLevel.exists(work)) await ofLevel.takeDown(work)
      await setStatus(work.admin, registry, tenant, 'deleted')
      const [facts] = await work.admin.run(`select ${NOW} as "finishedAt"`)
      const receipt: Receipt = { ...state.receipt, status: 'deleted', finishedAt: String(facts?.finishedAt) }
      await save(work.admin, registry, tenant, { ...state, receipt })
      return receipt
    }),
  )
}

function changedMeanwhile(tenant: TenantKey): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'Somebody else finished or called off this off-boarding meanwhile. Run it again to see how it stands.',
    { details: { tenant } },
  )
}
