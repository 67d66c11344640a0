import type { Queue } from './queue.ts'
import type { standings } from './status.ts'

/** How often the status of tenants on hold is looked at (ms). */
export const HOLDS = 5_000

/** What waits for a tenant goes on when it is back in service, and goes with it when it is gone. */
export async function lookAtHolds(
  queue: Queue,
  known: Pick<ReturnType<typeof standings>, 'ask'>,
): Promise<void> {
  for (const tenant of await queue.held(HOLDS)) {
    const standing = await known.ask(tenant)
    if (standing === 'active') await queue.resume(tenant)
    else if (standing === 'deleted') await queue.forget(tenant)
  }
}
