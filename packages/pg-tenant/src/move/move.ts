import { throwIfAborted } from '../archive/abort.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { whileNameIsLocked } from '../registry/locks.ts'
import type { TenantRecord } from '../registry/record.ts'
import type { Changes } from './ahead/ahead.ts'
import type { Copy } from './ahead/following.ts'
import { bringData, discardArrival } from './arrive.ts'
import { atRest } from './at-rest.ts'
import { carry, type Fingerprint } from './belongings.ts'
import { callOff, callOffIfOurs, renew, standing, takeOver, undo } from './call-off.ts'
import { advance, claim } from './claim.ts'
import { beginAhead, close, closeHome } from './close.ts'
import { changeHands } from './depart.ts'
import { finish } from './finish.ts'
import type { MoveState } from './ledger.ts'
import type { MoveSettings } from './options.ts'
import { preflight } from './preflight.ts'
import { type Route, refused, underWay } from './route.ts'

/** What became of a move. */
export interface MoveResult {
  readonly tenant: string
  readonly from: string
  readonly to: string
  /** Whether it moved now; false: it was there already, it was a dry run, or it was called off. */
  readonly moved: boolean
  readonly undone: boolean
  readonly rows: number
  /** Milliseconds from the last scope here to the first one there; 0 where an earlier run closed it. */
  readonly gapMs: number
  /** Belongings that somebody changed where it was, behind its back, after it had changed hands: they were left there. */
  readonly left: readonly string[]
}

/** How often belongings are carried over once more because somebody changes them. */
const CARRIES = 5

/**
 * Moves a tenant: checks, closes and drains, copies data and belongings, changes hands, opens there, and takes down what is left.
 * Whatever cuts it off, the same call goes on; until it changes hands a failure calls it off.
 *
 * @throws TenancyError see {@link Fleet.move}
 */
export async function moveTenant(route: Route, settings: MoveSettings): Promise<MoveResult> {
  const { from, tenant, to } = route
  const { adminPool, registry } = from.lifecycle
  await prepare(from.lifecycle)
  if (!settings.dryRun && !settings.undo) await prepare(to.lifecycle)
  const name = `move:${registry.prefix}${tenant}`
  const alone = (changes?: Changes) =>
    whileNameIsLocked(adminPool, registry, name, () => moveAlone(route, settings, changes))
  const { copy, dryRun, undo } = settings
  if (copy === 'stream' || dryRun || undo || isCopied((await standing(route)).open)) return await alone()
  const { withChanges } = await import('./ahead/ahead.ts')
  return await withChanges(route, settings, alone)
}

/** Nothing is copied any more. */
const isCopied = (open: MoveState | undefined) => open?.reached === 'copied' || open?.reached === 'switched'

async function moveAlone(
  route: Route,
  settings: MoveSettings,
  changes: Changes | undefined,
): Promise<MoveResult> {
  const { from, tenant, to } = route
  throwIfAborted(settings.patience.signal)
  let { record, open } = await standing(route)
  const { name } = to
  if (open && open.to !== name) throw underWay(tenant, open)
  const result = {
    tenant,
    from: from.name,
    to: name,
    moved: false,
    undone: false,
    rows: 0,
    gapMs: 0,
    left: [],
  }
  // Somebody else has moved it there while we waited for them.
  if (record.status === 'deleted') return result
  if (settings.undo) return { ...result, undone: await undo(route, open) }
  // What was sent ahead follows no more: back into service, and anew.
  if (open?.reached === 'ahead' || (changes && open?.reached === 'closed')) {
    if (settings.dryRun) return result
    await callOff(route, await takeOver(route, open), changes?.name)
    ;({ record, open } = await standing(route))
  }
  if (!open) await preflight(route, settings)
  settings.tell('checked')
  if (settings.dryRun) return result
  const move: Move = { route, record, settings }
  return { ...result, ...(await (changes && !open ? goAhead(move, changes) : goThrough(move, open))) }
}

/** A tenant on its route, as it was registered when the move began. */
interface Move {
  readonly route: Route
  readonly record: TenantRecord
  readonly settings: MoveSettings
  /** What was sent ahead. */
  readonly copy?: Copy
}

/** With a copy that was sent ahead. What fails while it is on its way leaves the tenant as it was: in service. */
async function goAhead(move: Move, changes: Changes) {
  const { route, record, settings } = move
  const { sendAhead } = await import('./ahead/ahead.ts')
  const state = await beginAhead(route)
  try {
    await claim(route, state)
    await discardArrival(route, state)
    return await sendAhead(route, record, settings, changes, state, (copy) =>
      goThrough({ ...move, copy }, state),
    )
  } catch (error) {
    await callOffIfOurs(route, state, changes.name)
    throw error
  }
}

async function goThrough(move: Move, open: MoveState | undefined) {
  const { route, settings, copy } = move
  const began = performance.now()
  const goesOn = open && open.reached !== 'ahead'
  const closed = goesOn ? await renew(route, open) : await close(route, settings, open)
  settings.tell('closed')
  const isSwitched = closed.reached === 'switched'
  if (isSwitched) await claim(route, closed)
  const switched = isSwitched ? closed : await copyAndSwitch(move, closed)
  settings.tell('switched')
  const { openedAt, left } = await finish(route, switched, settings, copy)
  const gapMs = open && !copy ? 0 : Math.round(openedAt - began)
  return { moved: true, rows: switched.rows, gapMs, left }
}

/** Until it changes hands the tenant is where it was; what fails before that puts it back into service. */
async function copyAndSwitch(move: Move, closed: MoveState): Promise<MoveState> {
  const { route, settings, copy } = move
  try {
    // What was sent ahead has claimed it before.
    if (!copy) await claim(route, closed)
    await closeHome(route, settings, closed)
    await atRest(route, settings, closed)
    const copied = closed.reached === 'closed' ? await bring(move, closed) : closed
    const print = await carry(route, settings.patience.signal, copied)
    settings.tell('copied')
    throwIfAborted(settings.patience.signal)
    return await changeHandsAtLast(route, copied, print)
  } catch (error) {
    await callOffIfOurs(route, closed)
    throw error
  }
}

async function bring(move: Move, closed: MoveState): Promise<MoveState> {
  const { route, settings, copy } = move
  const rows = await (copy ? copy.complete() : bringAnew(move, closed))
  const uncompared = copy !== undefined && settings.verify === 'full'
  const copied: MoveState = { ...closed, reached: 'copied', rows, ...(uncompared && { uncompared }) }
  return await advance(route, closed, copied)
}

async function bringAnew({ route, record, settings }: Move, state: MoveState): Promise<number> {
  await discardArrival(route, state)
  return await bringData(route, record, settings, state)
}

async function changeHandsAtLast(route: Route, state: MoveState, first: Fingerprint): Promise<MoveState> {
  let print = first
  for (let attempt = 1; ; attempt++) {
    const switched = await changeHands(route, state, print)
    if (switched) return switched
    if (attempt === CARRIES) break
    print = await carry(route, undefined, state)
  }
  throw refused(
    route,
    'belongings',
    'Somebody kept changing what is stored of the tenant in the control schema. It is in service where it was; run it again.',
  )
}
