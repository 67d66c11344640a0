import type { TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { placeOf } from '../archive/place.ts'
import { requireAlone } from '../lifecycle/dependents.ts'
import { drain } from '../offboard/drain.ts'
import { tenantTransaction } from '../offboard/work.ts'
import { changedMeanwhile } from '../registry/arrival.ts'
import { recordOf, setStatus } from '../registry/registry.ts'
import { tenantNotFound } from '../registry/require-tenants.ts'
import { newRun, requireOurs } from './claim.ts'
import { beginMove, endMove, type MoveState, saveMove } from './ledger.ts'
import type { MoveSettings } from './options.ts'
import type { Route, Side } from './route.ts'

const NOW = `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`

/**
 * Waits for the tenant's running scopes and lets no new one in: what is there when it returns is all there will ever be,
 * also of a COMMIT that was late. Where the tenant has a database of its own the registry says so first, and what is cut off
 * between the two is closed when it is run again.
 *
 * @param ahead where a copy was sent ahead
 * @throws TenancyError TIMEOUT (scopes did not end: nothing changed), CONFLICT, TENANT_NOT_FOUND
 */
export async function close(route: Route, settings: MoveSettings, ahead?: MoveState): Promise<MoveState> {
  const { from, tenant } = route
  const { lifecycle } = from
  const place = placeOf(lifecycle, tenant)
  const ownDatabase = place.database !== undefined
  const state = await tenantTransaction(lifecycle, tenant, settings.patience.signal, async (work) => {
    const { admin, status } = work
    if (ahead) await requireOurs(admin, from, tenant, ahead)
    if (status !== 'active' && status !== 'suspended') throw tenantNotFound(tenant)
    const record = await recordOf(admin, lifecycle.registry, tenant)
    await requireAlone(work)
    if (!ownDatabase) {
      await drain(work, place, settings.patience)
      await lifecycle.ofLevel.takeOutOfService(work)
    }
    await setStatus(admin, lifecycle.registry, tenant, 'moving', record?.suspendedReason ?? null)
    const facts = { cameFrom: status, suspendedReason: record?.suspendedReason ?? null } as const
    if (ahead) {
      const closed: MoveState = { ...ahead, ...facts, reached: 'closed' }
      await saveMove(admin, lifecycle.registry, tenant, closed)
      return closed
    }
    return await begun(admin, route, { ...facts, reached: 'closed' })
  })
  if (ownDatabase) {
    await closeHome(route, settings, state).catch(async (error: unknown) => {
      await reopen(from, tenant, state).catch(() => {})
      throw error
    })
  }
  return state
}

async function begun(
  admin: Admin,
  { from, tenant, to }: Route,
  facts: Pick<MoveState, 'cameFrom' | 'suspendedReason' | 'reached'>,
): Promise<MoveState> {
  const [row] = await admin.run(NOW)
  const startedAt = String(row?.now)
  const made = { startedAt, run: newRun(), from: from.name, to: to.name, rows: 0, ...facts }
  await beginMove(admin, from.lifecycle.registry, tenant, made)
  return made
}

/** A copy is on its way; the tenant is in service as before. */
export async function beginAhead(route: Route): Promise<MoveState> {
  return await tenantTransaction(route.from.lifecycle, route.tenant, undefined, async ({ admin, status }) => {
    if (status !== 'active' && status !== 'suspended') throw tenantNotFound(route.tenant)
    return await begun(admin, route, { cameFrom: status, suspendedReason: null, reached: 'ahead' })
  })
}

/** The tenant's own database; may be repeated. */
export async function closeHome(
  { from, tenant }: Route,
  settings: MoveSettings,
  state: MoveState,
): Promise<void> {
  const { lifecycle } = from
  const place = placeOf(lifecycle, tenant)
  if (place.database === undefined) return
  await tenantTransaction(lifecycle, tenant, settings.patience.signal, async (work) => {
    await requireOurs(work.admin, from, tenant, state)
    if (work.status !== 'moving') throw changedMeanwhile(tenant)
    await drain(work, place, settings.patience)
    await lifecycle.ofLevel.takeOutOfService(work)
  })
}

/** Calls the move off, where it still can be: the tenant is in service again, or suspended as it was. */
export async function reopen(from: Side, tenant: TenantKey, state: MoveState): Promise<void> {
  const { lifecycle } = from
  const { ofLevel, registry } = lifecycle
  await tenantTransaction(lifecycle, tenant, undefined, async (work) => {
    await requireOurs(work.admin, from, tenant, state)
    if (state.reached === 'ahead') return await endMove(work.admin, registry, tenant, state, 'undone')
    if (work.status !== 'moving') throw changedMeanwhile(tenant)
    if (state.cameFrom === 'active') await ofLevel.putBackIntoService(work)
    await setStatus(work.admin, registry, tenant, state.cameFrom, state.suspendedReason)
    await endMove(work.admin, registry, tenant, state, 'undone')
  })
}
