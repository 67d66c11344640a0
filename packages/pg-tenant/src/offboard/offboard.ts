import { isTenancyError, TenancyError, type TenantKey } from '@org/core'
import { throwIfAborted } from '../archive/abort.ts'
import { type Place, placeOf } from '../archive/place.ts'
import type { Visit } from '../archive/visit.ts'
import { requireAlone } from '../lifecycle/dependents.ts'
import { runOnForget } from '../lifecycle/hook.ts'
import type { TenantWork } from '../lifecycle/levels/level.ts'
import { actFor } from '../lifecycle/levels/row/lifecycle.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { requireSettled, setStatus } from '../registry/registry.ts'
import { tenantNotFound } from '../registry/require-tenants.ts'
import { drain } from './drain.ts'
import { dropObjects } from './drop-objects.ts'
import { dropRows, requireNoRows } from './drop-rows.ts'
import { latest, type Offboarding, open, save } from './ledger.ts'
import { refuseLosses } from './losses.ts'
import { type OffboardOptions, type OffboardSettings, parseOffboard } from './options.ts'
import type { Receipt } from './receipt.ts'
import { rolesAround, rolesLeft } from './roles-left.ts'
import { callOff, secure } from './secure.ts'
import { requireUnderWay } from './under-way.ts'
import { type InTurn, tenantTransaction } from './work.ts'

/**
 * Takes a tenant out of service for good: closes it (no scope opens), waits for its running scopes, backs it up, drops
 * its tables or rows a few at a time, then schema, database, role and credentials, lets the application forget it
 * (`onForget`), and leaves the tombstone and a receipt.
 *
 * The backup is taken when the tenant is closed, so that it holds every acknowledged write; should it fail, the tenant
 * is put back into service. Cut off at any moment, the same call goes on where it was. Called again when all is done, it
 * returns the receipt.
 *
 * @throws TenancyError VALIDATION_ERROR (not confirmed), INVALID_OPTION, TENANT_NOT_FOUND, TIMEOUT (scopes did not end:
 *   nothing changed), CONFLICT, SERVICE_UNAVAILABLE (the backup), ABORTED, DATABASE_ERROR, CONNECTION_LOST,
 *   UNKNOWN_OUTCOME (run it again)
 */
export async function offboard(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: OffboardOptions,
): Promise<Receipt> {
  const settings = parseOffboard(tenant, options)
  const { signal } = settings.patience
  throwIfAborted(signal)
  const visit: Visit = { lifecycle, tenant, place: placeOf(lifecycle, tenant), signal }
  await refuseLosses(visit, settings)
  const opened = await begin(visit, settings)
  if (opened.receipt.status === 'deleted') return opened.receipt
  const begun = opened.closed ? opened : await closeHome(visit, opened, settings)
  const ready = begun.backedUp ? begun : await secure(visit, begun, settings)
  try {
    await empty(visit, ready)
    return await finish(visit, ready)
  } catch (error) {
    throw isTenancyError(error, 'ABORTED') ? stopped(tenant) : error
  }
}

const NOW = `to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/**
 * Closes the tenant and writes that down, in one transaction; or finds how far an earlier run came. A tenant in a database
 * of its own cannot be closed in the transaction that says so: it is closed next.
 */
function begin({ lifecycle, tenant, place }: Visit, settings: OffboardSettings): Promise<Offboarding> {
  const { ofLevel, registry } = lifecycle
  return tenantTransaction(lifecycle, tenant, settings.patience.signal, async (work) => {
    const { admin, status } = work
    requireSettled(tenant, status)
    const known = await latest(admin, registry, tenant)
    if (known && status === 'deleting') return known
    if (known && status === 'deleted') return await closeLedger(work, known)
    if (status !== 'active' && status !== 'suspended') throw tenantNotFound(tenant)
    if (!(await ofLevel.exists(work))) throw tenantNotFound(tenant)
    await requireAlone(work)
    const closed = place.database === undefined
    if (closed) {
      await drain(work, place, settings.patience)
      await ofLevel.takeOutOfService(work)
    }
    await setStatus(admin, registry, tenant, 'deleting')
    const receipt = await newReceipt(work, place, settings.requestedBy)
    const state: Offboarding = { receipt, cameFrom: status, closed, backedUp: false }
    await open(admin, registry, tenant, state)
    return state
  })
}

/** What follows the registry's word where the tenant has a database of its own; if it cannot be closed it is called off. */
async function closeHome(visit: Visit, state: Offboarding, settings: OffboardSettings): Promise<Offboarding> {
  const { lifecycle, tenant, place, signal } = visit
  const closed: Offboarding = { ...state, closed: true }
  try {
    await tenantTransaction(lifecycle, tenant, signal, async (work) => {
      await requireUnderWay(work.admin, lifecycle.registry, tenant, state)
      await drain(work, place, settings.patience)
      await lifecycle.ofLevel.takeOutOfService(work)
      await save(work.admin, lifecycle.registry, tenant, closed)
    })
    return closed
  } catch (error) {
    await callOff(visit, state).catch(() => {})
    throw error
  }
}

async function newReceipt(
  { admin, lifecycle, tenant }: TenantWork,
  place: Place,
  requestedBy: string | null,
): Promise<Receipt> {
  const [facts] = await admin.run(`select ${NOW} as "startedAt", session_user::text as "executedBy"`)
  return {
    tenant,
    schema: place.schema,
    role: place.owner ?? null,
    database: place.database ?? null,
    isolation: lifecycle.level,
    status: 'deleting',
    requestedBy,
    ...(facts as Pick<Receipt, 'startedAt' | 'executedBy'>),
    finishedAt: null,
    tables: [],
    rows: 0,
    bytes: 0,
    backup: null,
  }
}

/** What can go in pieces goes in pieces; a database goes as a whole. */
async function empty({ lifecycle, tenant, place, signal }: Visit, state: Offboarding): Promise<void> {
  const { ofLevel, registry } = lifecycle
  const inTurn: InTurn = (fn) =>
    tenantTransaction(lifecycle, tenant, signal, async (work) => {
      await requireUnderWay(work.admin, registry, tenant, state)
      return await fn(work.admin)
    })
  if (ofLevel.row) await dropRows(lifecycle, tenant, ofLevel.row, inTurn)
  else if (place.database === undefined) await dropObjects(place, inTurn)
}

/** What is left of the tenant goes in the transaction that writes the tombstone and the receipt. */
function finish({ lifecycle, tenant, signal }: Visit, state: Offboarding): Promise<Receipt> {
  const { ofLevel, registry } = lifecycle
  return tenantTransaction(lifecycle, tenant, signal, async (work) => {
    await requireUnderWay(work.admin, registry, tenant, state)
    await requireAlone(work)
    // First: should it fail, less is gone.
    await runOnForget(work)
    const roles = await rolesAround(work)
    if (await ofLevel.exists(work)) await ofLevel.takeDown(work)
    if (ofLevel.row) {
      await actFor(work.admin, { ...lifecycle, row: ofLevel.row }, tenant)
      await requireNoRows(work.admin, ofLevel.row, tenant)
    }
    await setStatus(work.admin, registry, tenant, 'deleted')
    const receipt = { ...state.receipt, rolesLeft: await rolesLeft(work.admin, roles) }
    return (await closeLedger(work, { ...state, receipt })).receipt
  })
}

/** The receipt is finished with the tombstone; also when that was written by `drop`. */
async function closeLedger(
  { admin, lifecycle, tenant }: TenantWork,
  state: Offboarding,
): Promise<Offboarding> {
  if (state.receipt.status === 'deleted') return state
  const [facts] = await admin.run(`select ${NOW} as "finishedAt"`)
  const receipt: Receipt = { ...state.receipt, status: 'deleted', finishedAt: String(facts?.finishedAt) }
  const finished: Offboarding = { ...state, receipt }
  await save(admin, lifecycle.registry, tenant, finished)
  return finished
}

function stopped(tenant: TenantKey): TenancyError {
  return new TenancyError(
    'ABORTED',
    'The off-boarding was stopped on its way: the tenant is closed, its backup is safe, and part of its data may be gone. Run ' +
      'it again with the same options to finish it.',
    { details: { tenant } },
  )
}
