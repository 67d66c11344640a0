import type { Sink, Step } from '../driver/exchange.ts'
import { anew, bind, close, execute, SCRATCH } from '../driver/messages.ts'
import type { Session } from '../driver/session.ts'
import { type Gate, type GateForm, leaving as values } from '../isolation/gate.ts'
import type { Entrance } from '../isolation/isolation.ts'
import {
  AUTHORIZATION,
  CLEAN,
  DEALLOCATE,
  DISCARD_TEMP,
  nextSeed,
  RESET,
  ROLLBACK,
  SEED_LENGTH,
} from './control.ts'
import type { ScopeSettings } from './options.ts'

/** Silence beyond the server's own limit before a connection is given up, in milliseconds. */
export const GRACE_MS = 5_000

/** What the gate does when it is left, for where it is not there any more. */
const REST = `select pg_catalog.pg_advisory_unlock_all(), pg_catalog.setseed($1::pg_catalog.float8),
  pg_catalog.set_config('role', null, false)`

/** So that nobody reads the text that was there last. */
const FORGET = close('S', SCRATCH)

/**
 * What goes out behind COMMIT or ROLLBACK, in the same message: the session becomes what it was when it was made, so that
 * whoever has it next, the bare pool too, is nobody and finds nothing. It is behind because COMMIT itself can run a tenant's
 * code (held cursors, deferred triggers that made others deferred again), which would have the last word otherwise (hazard y).
 * Only what this tenant's callers have named stays, for this tenant.
 *
 * @param opened whether the gate is parsed by the time this runs: in front of COMMIT it always is
 */
export function leaving(session: Session, gate: Gate, opened: boolean): Step[] {
  const { memory, slot } = session
  memory.keepsNames = session.keepsNames
  if (slot === SCRATCH && opened && session.form?.callsLeave) return byFunction(session, gate, session.form)
  // Settings come first: the gate is not to be planned under a path that somebody left.
  const steps = [RESET.on(slot)]
  if (memory.superuser || memory.direct === undefined) steps.push(AUTHORIZATION.on(slot))
  // guard: y: who the session is, its locks and its seed, behind COMMIT
  steps.push(rest(session, gate, opened))
  // guard: k': cursors, channels and sequences, behind COMMIT
  steps.push(...CLEAN.map((one) => one.on(slot)))
  // guard: k': temporary tables, behind COMMIT
  if (memory.temporary !== false) steps.push(DISCARD_TEMP.on(slot))
  if (slot === '') return steps
  // guard: z: statements that SQL prepared
  if (!session.keepsNames) steps.push(DEALLOCATE.on(slot))
  // Close has no answer that counts as a step, so it goes with the last one.
  const last = steps.pop() as Step
  return [...steps, { ...last, bytes: Buffer.concat([last.bytes, FORGET]) }]
}

/**
 * What could not be sent behind COMMIT, because it was not known yet: whether statements under names are ours to remove
 * (behind a pooler they are not), and that this scope was the session's first with temporary objects.
 */
function leavingLate(session: Session): Step[] {
  const { memory, slot, keepsNames } = session
  const steps: Step[] = []
  if (slot === '' && memory.direct === true && !keepsNames) steps.push(DEALLOCATE.on(slot))
  // guard: k': the first temporary tables of a session
  if (session.owesTemporary) steps.push(DISCARD_TEMP.on(slot))
  return steps
}

/** All of it in one call; only who logged in is put back ahead of it, because a function may not. */
function byFunction(session: Session, gate: Gate, form: GateForm): Step[] {
  const { memory, slot, keepsNames } = session
  const { before, behind } = callOf(gate, form, keepsNames)
  const bytes = Buffer.concat([before, Buffer.from(nextSeed(), 'latin1'), behind])
  const call: Step = { phase: 'clean', bytes, runs: '' }
  return memory.superuser ? [AUTHORIZATION.on(slot), call] : [call]
}

/** The call as it is sent each time, around the seed. */
interface Call {
  readonly before: Buffer
  readonly behind: Buffer
}

/** By the form that is left, for sessions that keep names and for those that do not. */
const calls = new WeakMap<GateForm, Map<boolean, Call>>()

function callOf(gate: Gate, form: GateForm, keepsNames: boolean): Call {
  const kept = calls.get(form) ?? new Map<boolean, Call>()
  calls.set(form, kept)
  const known = kept.get(keepsNames)
  if (known) return known
  const place = '#'.repeat(SEED_LENGTH)
  const whole = Buffer.concat([bind('', '', values(gate, form, place, keepsNames)), execute('', 1), FORGET])
  const at = whole.indexOf(place)
  const call = { before: whole.subarray(0, at), behind: whole.subarray(at + SEED_LENGTH) }
  kept.set(keepsNames, call)
  return call
}

/** Locks, seed and role. */
function rest(session: Session, gate: Gate, opened: boolean): Step {
  const { slot, form, memory } = session
  const seed = nextSeed()
  if (slot === SCRATCH && opened && form) {
    const sink: Sink = {
      row: ([none]) => {
        const found = none !== '1'
        session.owesTemporary = found && memory.temporary === false
        memory.temporary = found
      },
    }
    return {
      phase: 'clean',
      bytes: Buffer.concat([bind('', '', values(gate, form, seed, false)), execute('', 1)]),
      sink,
      runs: '',
    }
  }
  return {
    phase: 'clean',
    bytes: Buffer.concat([anew(slot, REST), bind('', slot, [seed]), execute('', 0)]),
    ...(slot === '' && { prepares: { name: '', text: REST } }),
  }
}

/** What is left: how it was opened, and for how many tenants a connection serves. */
export interface Left {
  readonly entrance: Entrance
  readonly settings: Pick<ScopeSettings, 'maxTenantsPerConnection'>
}

/** Rolls back and leaves, in one message; a session that cannot be left clean is given up. */
export async function undo(session: Session, scope: Left): Promise<void> {
  const leave = leaving(session, scope.entrance.gate, session.memory.unnamed === session.form?.text)
  const { kind } = await session.send([ROLLBACK.on(session.slot), ...leave], GRACE_MS)
  if (kind === 'done') await giveBack(session, scope)
  else session.destroy()
}

/**
 * Gives back a session that has been left.
 *
 * @returns what has to be waited for, if anything
 */
export function giveBack(session: Session, { entrance, settings }: Left): Promise<void> | undefined {
  const rest = leavingLate(session)
  const release = () => session.release(entrance.place, settings.maxTenantsPerConnection)
  if (rest.length > 0)
    return session.send(rest, GRACE_MS).then(({ kind }) => (kind === 'done' ? release() : session.destroy()))
  release()
  return undefined
}
