import { setTimeout as delay } from 'node:timers/promises'
import { isTenancyError, TenancyError } from '@org/core'
import { inAdminTransaction } from '../admin/transaction.ts'
import { throwIfAborted } from '../archive/abort.ts'
import { notFound } from '../archive/place.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { whileNameIsLocked } from '../registry/locks.ts'
import type { TenantRecord } from '../registry/record.ts'
import { recordOf } from '../registry/registry.ts'
import type { Changes, Copy } from './ahead/ahead.ts'
import { unpublish } from './ahead/publication.ts'
import { bringData, discardArrival, openArrival } from './arrive.ts'
import { carry, type Fingerprint, leave, refuseOwnRows, refuseStaying } from './belongings.ts'
import { advance, beginAhead, close, closeHome, reopen } from './close.ts'
import { changeHands, depart } from './depart.ts'
import { type MoveState, openMove } from './ledger.ts'
import type { MoveSettings } from './options.ts'
import { preflight } from './preflight.ts'
import { type Route, refused } from './route.ts'

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
/** Milliseconds between two looks at what is under way. */
const LOOK_MS = 100

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
  if (!settings.dryRun) await prepare(to.lifecycle)
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
  if (open && open.to !== name) throw elsewhere(route, open)
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
    await callOff(route, open)
    ;({ record, open } = await standing(route))
  }
  if (!open) await preflight(route, settings)
  settings.tell('checked')
  if (settings.dryRun) return result
  if (!changes || open) return { ...result, ...(await goThrough(route, record, open, settings)) }
  return { ...result, ...(await goAhead(route, record, settings, changes)) }
}

/** With a copy that was sent ahead. What fails while it is on its way leaves the tenant as it was: in service. */
async function goAhead(route: Route, record: TenantRecord, settings: MoveSettings, changes: Changes) {
  const { sendAhead } = await import('./ahead/ahead.ts')
  await discardArrival(route.to, route.tenant)
  const state = await beginAhead(route)
  try {
    return await sendAhead(route, record, settings, changes, (copy) =>
      goThrough(route, record, state, settings, copy),
    )
  } catch (error) {
    // Where it has come further somebody else has said what becomes of it.
    await callOff(route, state).catch(() => {})
    throw error
  }
}

async function goThrough(
  route: Route,
  record: TenantRecord,
  open: MoveState | undefined,
  settings: MoveSettings,
  copy?: Copy,
) {
  if (open?.differs && !settings.lose.includes('difference')) throw different(route)
  const began = performance.now()
  const closed = open && open.reached !== 'ahead' ? open : await close(route, settings, open)
  settings.tell('closed')
  const switched =
    closed.reached === 'switched' ? closed : await copyAndSwitch(route, closed, record, settings, copy)
  settings.tell('switched')
  const full = settings.verify === 'full'
  if (full) await copy?.hold()
  await openArrival(route, switched)
  const gapMs = open && !copy ? 0 : Math.round(performance.now() - began)
  settings.tell('opened')
  if (full && copy) await compared(route, switched, copy)
  const left = await depart(route, switched)
  settings.tell('left')
  return { moved: true, rows: switched.rows, gapMs, left }
}

/** What differs is written down, so that it is never taken down where it was by mistake. */
async function compared(route: Route, state: MoveState, copy: Copy): Promise<void> {
  try {
    await copy.compare()
  } catch (error) {
    if (isTenancyError(error, 'INTERNAL_ERROR')) await advance(route, state, { ...state, differs: true })
    throw error
  }
}

async function standing({
  from,
  tenant,
  to,
}: Route): Promise<{ record: TenantRecord; open: MoveState | undefined }> {
  const { adminPool, registry } = from.lifecycle
  return await inAdminTransaction(adminPool, async (admin) => {
    const record = await recordOf(admin, registry, tenant)
    if (!record || (record.status === 'deleted' && record.placement !== to.name)) throw notFound(tenant)
    return { record, open: await openMove(admin, registry, tenant) }
  })
}

/** Until it changes hands the tenant is where it was; what fails before that puts it back into service. */
async function copyAndSwitch(
  route: Route,
  closed: MoveState,
  record: TenantRecord,
  settings: MoveSettings,
  copy: Copy | undefined,
): Promise<MoveState> {
  let state = closed
  let print: Fingerprint
  try {
    await closeHome(route, settings)
    await atRest(route, settings)
    if (state.reached === 'closed') {
      const rows = await (copy ? copy.complete() : bringAnew(route, record, settings))
      state = await advance(route, state, { ...state, reached: 'copied', rows })
    }
    print = await carry(route, settings.patience.signal)
    settings.tell('copied')
    throwIfAborted(settings.patience.signal)
  } catch (error) {
    // Where that fails too (a server is gone) it is still under way, and running it again goes on.
    await callOff(route, state).catch(() => {})
    throw error
  }
  return await changeHandsAtLast(route, state, print)
}

async function bringAnew(route: Route, record: TenantRecord, settings: MoveSettings): Promise<number> {
  await discardArrival(route.to, route.tenant)
  return await bringData(route, record, settings)
}

/** Whether its COMMIT came through is not known where that fails: never called off, but run again. */
async function changeHandsAtLast(route: Route, state: MoveState, first: Fingerprint): Promise<MoveState> {
  let print = first
  for (let attempt = 1; ; attempt++) {
    const switched = await changeHands(route, state, print)
    if (switched) return switched
    if (attempt === CARRIES) break
    print = await carry(route, undefined)
  }
  await callOff(route, state)
  throw refused(
    route,
    'belongings',
    'Somebody kept changing what is stored of the tenant in the control schema. It is in service where it was; run it again.',
  )
}

async function atRest(route: Route, { lose, patience }: MoveSettings): Promise<void> {
  const { adminPool } = route.from.lifecycle
  // guard: the last scope may have left something behind since it was asked
  await inAdminTransaction(adminPool, (admin) => refuseStaying(admin, route, lose))
  await refuseOwnRows(route, lose)
  const until = performance.now() + patience.drainMs
  for (;;) {
    const busy = await inAdminTransaction(adminPool, (admin) => leave(admin, route))
    if (busy === 0) return
    if (performance.now() > until) throw stillBusy(route, busy, patience.drainMs)
    throwIfAborted(patience.signal)
    await delay(LOOK_MS)
  }
}

async function callOff(route: Route, state: MoveState): Promise<void> {
  await reopen(route.from, route.tenant, state)
  await unpublish(route)
  await discardArrival(route.to, route.tenant)
}

/** @throws TenancyError CONFLICT when it has changed hands */
async function undo(route: Route, open: MoveState | undefined): Promise<boolean> {
  if (!open) {
    await unpublish(route)
    return false
  }
  if (open.reached === 'switched') throw refused(route, 'switched', SWITCHED)
  await callOff(route, open)
  return true
}

function different(route: Route): TenancyError {
  return refused(
    route,
    'difference',
    'The tenant has changed hands, but a table was not there as it was here. Compare the two; then name "difference" in lose to ' +
      'take down what is here.',
  )
}

const SWITCHED = 'The tenant has changed hands: run the move again to finish it, then move it back.'

function elsewhere({ tenant }: Route, { to }: MoveState): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'A move of this tenant to another cluster was cut off. Finish it with the same call, or undo it, first.',
    { details: { tenant, reason: 'under_way', placement: to } },
  )
}

function stillBusy({ tenant }: Route, count: number, waitedMs: number): TenancyError {
  return new TenancyError(
    'TIMEOUT',
    `${count} job(s) of this tenant are still in the hands of workers after ${waitedMs} ms. It is in service where it was. Run it ` +
      'again, or give it a longer drain.',
    { details: { tenant, busy: count, waitedMs } },
  )
}
