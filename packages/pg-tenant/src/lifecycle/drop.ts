import type { TenantKey } from '@org/core'
import { requireSettled, setStatus } from '../registry/registry.ts'
import { requireAlone } from './dependents.ts'
import { runOnForget } from './hook.ts'
import type { TenantWork } from './levels/level.ts'
import type { Lifecycle } from './lifecycle.ts'
import { onTenant } from './work.ts'

/** See {@link Tenancy.drop}. */
export function drop(lifecycle: Lifecycle, tenant: TenantKey): Promise<boolean> {
  const { ofLevel, registry } = lifecycle
  const begin = async (work: TenantWork) => {
    requireSettled(tenant, work.status)
    const there = await ofLevel.exists(work)
    // One whose schema is gone has a role and its place in the registry still.
    if (!there && work.status !== 'active' && work.status !== 'suspended') return false
    await requireAlone(work)
    if (there) await ofLevel.drain(work)
    if (ofLevel.staged) await setStatus(work.admin, registry, tenant, 'deleting')
    return true
  }
  return onTenant(lifecycle, tenant, async (stage) => {
    if (ofLevel.staged && !(await stage(begin))) return false
    return await stage(async (work) => {
      if (!ofLevel.staged && !(await begin(work))) return false
      // Once more, when nobody waits any longer: what came meanwhile would go with it.
      await requireAlone(work)
      await runOnForget(work)
      await ofLevel.takeDown(work)
      await setStatus(work.admin, registry, tenant, 'deleted')
      return true
    })
  })
}
