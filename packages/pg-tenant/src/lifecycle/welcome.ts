import { OWN_PATH } from '../sql/own-path.ts'
import { runHook } from './hook.ts'
import type { TenantWork } from './levels/level.ts'

/** Runs the application's `onProvision` where the tenant's data lives. Errors as {@link runHook}. */
export async function welcome(work: TenantWork): Promise<void> {
  const { lifecycle, tenant } = work
  const { onProvision, ofLevel } = lifecycle
  if (!onProvision) return
  const hook = { name: 'onProvision', call: onProvision, without: 'the tenant is not there yet' } as const
  await ofLevel.atHome(work, async (home) => {
    // Behind what was restored the path may be the session's own.
    await home.run(`set local search_path to ${OWN_PATH}`)
    await runHook(home, tenant, hook)
  })
}
