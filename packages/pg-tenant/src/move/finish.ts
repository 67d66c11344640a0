import { isTenancyError } from '@org/core'
import type { Copy } from './ahead/following.ts'
import { openArrival } from './arrive.ts'
import { advance } from './claim.ts'
import { depart } from './depart.ts'
import type { MoveState } from './ledger.ts'
import type { MoveSettings } from './options.ts'
import { type Route, refused } from './route.ts'

/** What became of a tenant that has changed hands. */
interface Finished {
  /** When it was in service there, as `performance.now()` has it. */
  readonly openedAt: number
  /** See {@link MoveResult}. */
  readonly left: readonly string[]
}

/**
 * Behind the moment that decides: opens the tenant where it is now, compares what was sent ahead with where it came from, and takes
 * down what is left there. May be repeated.
 *
 * @throws TenancyError INTERNAL_ERROR, CONFLICT (`details.reason` `difference` or `uncompared`): nothing is taken down
 */
export async function finish(
  route: Route,
  state: MoveState,
  { lose, tell }: MoveSettings,
  copy: Copy | undefined,
): Promise<Finished> {
  if (state.differs && !lose.includes('difference')) throw different(route)
  let openedAt = 0
  const open = async () => {
    await openArrival(route, state)
    openedAt = performance.now()
    tell('opened')
  }
  const compares = state.uncompared && (copy || !lose.includes('uncompared'))
  const settled = compares ? await opened(route, state, open) : state
  if (!compares) await open()
  await copy?.gone()
  const left = await depart(route, settled)
  tell('left')
  return { openedAt, left }
}

/** Opened, and the same as it was. What differs is written down, so that it is never taken down where it was by mistake. */
async function opened(route: Route, state: MoveState, open: () => Promise<void>): Promise<MoveState> {
  const { atCopy, compare, keepInSight } = await import('./ahead/compare.ts')
  const { uncompared, ...compared } = state
  await atCopy(route, async (home) => {
    const sight = await keepInSight(route, home)
    await open()
    await compare(route, home, sight).catch(async (error: unknown) => {
      if (isTenancyError(error, 'INTERNAL_ERROR')) await advance(route, state, { ...compared, differs: true })
      throw error
    })
  })
  return await advance(route, state, compared)
}

function different(route: Route) {
  return refused(
    route,
    'difference',
    'The tenant has changed hands, but a table was not there as it was here. Compare the two; then name "difference" in lose to ' +
      'take down what is here.',
  )
}
