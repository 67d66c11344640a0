import { isDeepStrictEqual } from 'node:util'
import { placeOf } from '../archive/place.ts'
import { requireAlone } from '../lifecycle/dependents.ts'
import { tenantTransaction } from '../offboard/work.ts'
import { changedMeanwhile } from '../registry/arrival.ts'
import { setStatus } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import { dropPublications } from './ahead/publication.ts'
import { type Fingerprint, fingerprint, holdStill, leaveBehind } from './belongings.ts'
import { requireOurs } from './claim.ts'
import { endMove, type MoveState, saveMove } from './ledger.ts'
import type { Route } from './route.ts'

/**
 * The tenant changes hands: one transaction of the cluster it leaves, and the only moment that decides.
 *
 * @param print of what was carried over
 * @returns `undefined` when somebody changed that meanwhile: it has to be carried over once more
 */
export function changeHands(
  route: Route,
  state: MoveState,
  print: Fingerprint,
): Promise<MoveState | undefined> {
  const { from, tenant, to } = route
  const { registry } = from.lifecycle
  return tenantTransaction(from.lifecycle, tenant, undefined, async (work) => {
    const { admin } = work
    await requireOurs(admin, from, tenant, state)
    if (work.status !== 'moving') throw changedMeanwhile(tenant)
    await holdStill(admin, from)
    if (!isDeepStrictEqual(await fingerprint(admin, route), print)) return undefined
    await setStatus(admin, registry, tenant, 'moved')
    await admin.run(
      `update ${qualify(registry.controlSchema, 'tenant')} set placement = $3 where prefix = $1 and key = $2`,
      [registry.prefix, tenant, to.name],
    )
    const next: MoveState = { ...state, reached: 'switched', print }
    await saveMove(admin, registry, tenant, next)
    return next
  })
}

/**
 * What has gone is taken down where it was. Not what an application does when a tenant goes for good: it has not
 * (`onForget` is never called). The tombstone says where it went.
 *
 * @returns what packages keep that was written here since it changed hands, by name: it is left
 */
export async function depart(route: Route, state: MoveState): Promise<readonly string[]> {
  const { from, tenant } = route
  const { ofLevel, registry } = from.lifecycle
  return await tenantTransaction(from.lifecycle, tenant, undefined, async (work) => {
    await requireOurs(work.admin, from, tenant, state)
    if (work.status !== 'moved') throw changedMeanwhile(tenant)
    await requireAlone(work)
    // A database of its own takes it along.
    if (placeOf(from.lifecycle, tenant).database === undefined)
      await dropPublications(work.admin, from.lifecycle, tenant)
    const kept = await leaveBehind(work.admin, route, state.print ?? {})
    if (await ofLevel.exists(work)) await ofLevel.takeDown(work)
    await setStatus(work.admin, registry, tenant, 'deleted')
    await endMove(work.admin, registry, tenant, state, 'finished')
    return kept
  })
}
