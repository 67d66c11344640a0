import { requireAlone } from '../lifecycle/dependents.ts'
import { tenantTransaction } from '../offboard/work.ts'
import { setStatus } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import { fingerprint, holdStill, leaveBehind } from './belongings.ts'
import { changedMeanwhile, requireOurs } from './close.ts'
import { endMove, type MoveState, saveMove } from './ledger.ts'
import type { Route } from './route.ts'

/**
 * The tenant changes hands: one transaction of the cluster it leaves, and the only moment that decides.
 *
 * @param print of what was carried over
 * @returns `undefined` when somebody changed that meanwhile: it has to be carried over once more
 */
export function changeHands(route: Route, state: MoveState, print: string): Promise<MoveState | undefined> {
  const { from, tenant, to } = route
  const { registry } = from.lifecycle
  return tenantTransaction(from.lifecycle, tenant, undefined, async (work) => {
    const { admin } = work
    await requireOurs(admin, from.lifecycle, tenant, state)
    if (work.status !== 'moving') throw changedMeanwhile(tenant)
    await holdStill(admin, from)
    if ((await fingerprint(admin, route)) !== print) return undefined
    await setStatus(admin, registry, tenant, 'moved')
    await admin.run(
      `update ${qualify(registry.controlSchema, 'tenant')} set placement = $3 where prefix = $1 and key = $2`,
      [registry.prefix, tenant, to.name],
    )
    const next: MoveState = { ...state, reached: 'switched' }
    await saveMove(admin, registry, tenant, next)
    return next
  })
}

/**
 * What has gone is taken down where it was. Not what an application does when a tenant goes for good: it has not
 * (`onForget` is never called). The tombstone says where it went.
 */
export async function depart({ from, tenant }: Route, state: MoveState): Promise<void> {
  const { ofLevel, registry } = from.lifecycle
  await tenantTransaction(from.lifecycle, tenant, undefined, async (work) => {
    await requireOurs(work.admin, from.lifecycle, tenant, state)
    if (work.status !== 'moved') throw changedMeanwhile(tenant)
    await requireAlone(work)
    await leaveBehind(work.admin, from.lifecycle, tenant)
    if (await ofLevel.exists(work)) await ofLevel.takeDown(work)
    await setStatus(work.admin, registry, tenant, 'deleted')
    await endMove(work.admin, registry, tenant, state, 'finished')
  })
}
