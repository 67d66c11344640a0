import { setTimeout as delay } from 'node:timers/promises'
import { TenancyError } from '@org/core'
import { inAdminTransaction } from '../admin/transaction.ts'
import { throwIfAborted } from '../archive/abort.ts'
import { notFound } from '../archive/place.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { whileNameIsLocked } from '../registry/locks.ts'
import type { TenantRecord } from '../registry/record.ts'
import { recordOf } from '../registry/registry.ts'
import { bringData, discardArrival, openArrival } from './arrive.ts'
import { carry, type Fingerprint, leave, refuseOwnRows, refuseStaying } from './belongings.ts'
import { advance, close, closeHome, reopen } from './close.ts'
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
  const { from, tenant } = route
  const { adminPool, registry } = from.lifecycle
  await prepare(from.lifecycle)
  const name = `move:${registry.prefix}${tenant}`
  return await whileNameIsLocked(adminPool, registry, name, () => moveAlone(route, settings))
}

async function moveAlone(route: Route, settings: MoveSettings): Promise<MoveResult> {
  const { from, tenant, to } = route
  throwIfAborted(settings.patience.signal)
  const { record, open } = await standing(route)
  if (open && open.to !== to.name) throw elsewhere(route, open)
  const result = {
    tenant,
    from: from.name,
    to: to.name,
    moved: false,
    undone: false,
    rows: 0,
    gapMs: 0,
    left: [],
  }
  // Somebody else has moved it there while we waited for them.
  if (record.status === 'deleted') return result
  if (settings.undo) return { ...result, undone: await undo(route, open) }
  if (!open) await preflight(route, settings)
  settings.tell('checked')
  if (settings.dryRun) return result
  const began = performance.now()
  const closed = open ?? (await close(route, settings))
  settings.tell('closed')
  const switched =
    closed.reached === 'switched' ? closed : await copyAndSwitch(route, closed, record, settings)
  settings.tell('switched')
  await openArrival(route, switched)
  const gapMs = open ? 0 : Math.round(performance.now() - began)
  settings.tell('opened')
  const left = await depart(route, switched)
  settings.tell('left')
  return { ...result, moved: true, rows: switched.rows, gapMs, left }
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
): Promise<MoveState> {
  let state = closed
  let print: Fingerprint
  try {
    await closeHome(route, settings)
    await atRest(route, settings)
    if (state.reached === 'closed') {
      await discardArrival(route.to, route.tenant)
      const rows = await bringData(route, record, settings)
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
  await discardArrival(route.to, route.tenant)
}

/** @throws TenancyError CONFLICT when it has changed hands */
async function undo(route: Route, open: MoveState | undefined): Promise<boolean> {
  if (!open) return false
  if (open.reached === 'switched') throw refused(route, 'switched', SWITCHED)
  await callOff(route, open)
  return true
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
