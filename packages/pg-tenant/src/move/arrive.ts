import { PassThrough } from 'node:stream'
import { isTenancyError, type TenancyError } from '@org/core'
import { backupTenant, type Instant } from '../archive/backup.ts'
import { restoreTenant } from '../archive/restore/restore.ts'
import { ownNamesOf } from '../isolation/names.ts'
import { tenantTransaction } from '../offboard/work.ts'
import { requireClaimed } from '../registry/arrival.ts'
import { saidOf, type TenantRecord } from '../registry/record.ts'
import { register, setStatus } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import type { MoveState } from './ledger.ts'
import type { MoveSettings } from './options.ts'
import { type Route, refused, type Side, saidBy, taken } from './route.ts'

/**
 * Brings the data: the archive of the one cluster is the restore of the other, without a file between them. It is read back
 * and compared before it commits, and is out of service there until the tenant changes hands.
 *
 * @param state of this run, which has claimed what arrives
 * @param instant as of which it is read; the tenant is in service then
 * @returns how many rows
 */
export async function bringData(
  route: Route,
  record: TenantRecord,
  { patience: { signal }, verify }: MoveSettings,
  state: MoveState,
  instant?: Instant,
): Promise<number> {
  const { from, tenant, to } = route
  await announceArrival(route, record, state)
  const stream = new PassThrough({ highWaterMark: 1 << 20 })
  const failed: unknown[] = []
  const noteAt = (side: Side) => (error: unknown) => {
    failed.push(saidBy(side, error))
    stream.destroy()
  }
  const sent = backupTenant(
    from.lifecycle,
    tenant,
    { to: stream, compression: 'none', signal },
    instant,
  ).catch(noteAt(from))
  const options = { from: stream, reuseDeletedKey: true, verify, signal }
  const taken = restoreTenant(to.lifecycle, tenant, options, state.run).catch(noteAt(to))
  const [, restored] = await Promise.all([sent, taken])
  // Whatever failed first made the other fail, unless it is that nobody takes anything any more.
  if (failed.length > 0)
    throw failed.find((error) => !isTenancyError(error, 'SERVICE_UNAVAILABLE')) ?? failed[0]
  return restored?.rows ?? 0
}

/** The key is taken there from here on, by a tenant that is in nobody's service. */
async function announceArrival(route: Route, record: TenantRecord, { run }: MoveState): Promise<void> {
  const { tenant, to } = route
  const { level, naming, registry } = to.lifecycle
  await tenantTransaction(to.lifecycle, tenant, undefined, async ({ admin, status }) => {
    await requireClaimed(admin, registry, tenant, run)
    const facts = { ...saidOf(record), placement: to.name, reuse: true, arrives: true }
    const names = ownNamesOf(naming, tenant)
    // guard: whoever was provisioned there since it was looked at is not moved over
    if (status !== 'deleted' && status !== 'arriving') throw taken(route)
    const found = await register(admin, registry, tenant, level, { ...facts, names })
    if (found !== 'provisioning' && found !== 'arriving') throw taken(route)
    await admin.run(
      `update ${qualify(registry.controlSchema, 'tenant')} set status = 'arriving', created_at = $3, deleted_at = null
       where prefix = $1 and key = $2`,
      [registry.prefix, tenant, record.createdAt],
    )
  })
}

/** Takes away what came of an attempt that was cut off, or is called off; the key is free there again. */
export async function discardArrival({ tenant, to }: Route, { run }: Pick<MoveState, 'run'>): Promise<void> {
  const { ofLevel, registry } = to.lifecycle
  await tenantTransaction(to.lifecycle, tenant, undefined, async (work) => {
    await requireClaimed(work.admin, registry, tenant, run)
    if (work.status !== 'arriving') return
    if (await ofLevel.exists(work)) await ofLevel.takeDown(work)
    await setStatus(work.admin, registry, tenant, 'deleted')
  })
}

/** The tenant lives here now. May be repeated. */
export async function openArrival(route: Route, state: MoveState): Promise<void> {
  const { tenant, to } = route
  const { ofLevel, registry } = to.lifecycle
  await tenantTransaction(to.lifecycle, tenant, undefined, async (work) => {
    await requireClaimed(work.admin, registry, tenant, state.run)
    if (work.status === 'active' || work.status === 'suspended') return
    if (work.status !== 'arriving') throw vanished(route)
    if (state.cameFrom === 'active') await ofLevel.putBackIntoService(work)
    await setStatus(work.admin, registry, tenant, state.cameFrom, state.suspendedReason)
  })
}

function vanished(route: Route): TenancyError {
  return refused(
    route,
    'arrival',
    'The tenant has changed hands, but the cluster it went to does not have it out of service any more as the move left it. ' +
      'Nothing was removed where it came from: look at both registries before you do anything.',
  )
}
