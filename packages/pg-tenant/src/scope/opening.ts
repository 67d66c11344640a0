import type { Sink, Step } from '../driver/exchange.ts'
import { bind, bound, execute, parse, type Slot } from '../driver/messages.ts'
import type { Session } from '../driver/session.ts'
import {
  DURABLE,
  ENTERING_ROWS,
  entering,
  formFor,
  type Gate,
  type GateForm,
  type GateForms,
  type LeaveFunction,
  LIMITS,
  type Limits,
} from '../isolation/gate.ts'
import type { Entrance } from '../isolation/isolation.ts'
import { quoteLiteral } from '../sql/identifier.ts'
import {
  AUTHORIZATION,
  BEGIN,
  BEGIN_AS_IT_IS,
  BEGIN_READ_ONLY,
  BEGIN_READ_ONLY_AS_IT_IS,
  CLEAN,
  DEALLOCATE,
  DISCARD_TEMP,
  GATE,
  NO_ROLE,
  nextSeed,
  once,
  RESET,
} from './control.ts'
import type { TransactionMode } from './options.ts'

const READ_ONLY = 'isolation level read committed read only'

/** A setting of the session's own, or null. */
const ownOf = (name: string) => `(s.own operator(pg_catalog.->>) '${name}')`

/**
 * Asked once of each connection. The backend's own process id tells whether a pooler stands between: it shows another one.
 * The settings are those that RESET ALL gives back as long as the session lives: only where they came with the connection, its
 * user or its database, because a server's file may be read again at any time. (A standby begins read only, whatever they say.)
 * The function to leave by may be believed in as long: see there. The settings are listed once: each listing of them takes longer
 * than all the rest.
 */
const hello = (
  leave: LeaveFunction | undefined,
) => `select pg_catalog.pg_backend_pid(), r.rolsuper, ${leave?.there ?? 'false'},
    ${ownOf('synchronous_commit')} operator(pg_catalog.=) any (array[${DURABLE.map(quoteLiteral).join(', ')}]),
    ${ownOf('default_transaction_isolation')} operator(pg_catalog.=) 'read committed'
      and ${ownOf('default_transaction_read_only')} operator(pg_catalog.=) 'off' and not pg_catalog.pg_is_in_recovery(),
    ${LIMITS.map(([name]) => ownOf(name)).join(', ')}
  from pg_catalog.pg_roles r, (select pg_catalog.jsonb_object_agg(name, reset_val) as own
    from pg_catalog.pg_settings
    where source operator(pg_catalog.=) any (array['client', 'user', 'database', 'database user']::pg_catalog.text[])) s
  where r.rolname operator(pg_catalog.=) session_user`

/** Everything that goes ahead of a scope's first statement, in the same message. */
export function opening(
  session: Session,
  entrance: Entrance,
  mode: TransactionMode,
  limits: Limits,
): readonly Step[] {
  const { slot, untouched } = session
  const kept = keptOpening(session, entrance, mode, limits)
  if (kept) return kept
  const steps = [begin(session, mode)]
  // guard: k': what others left
  if (!untouched) steps.push(...cleaning(session))
  if (!untouched && entrance.pin === undefined) steps.push(NO_ROLE.on(slot))
  // guard: z: names of another tenant
  if (untouched && forgetsNames(session, entrance.place)) {
    session.memory.prepared.clear()
    steps.push(DEALLOCATE.on(slot))
  }
  if (session.memory.direct === undefined) steps.push(greets(session, entrance.gate.forms))
  steps.push(gate(session, entrance, limits))
  // guard: b: the pin holds the schema
  steps.push(pin(entrance, slot))
  return steps
}

/** Fetches the gate's last row: raises unless the scope still is what its opening made it. */
export const TAIL: Step = { phase: 'tail', bytes: execute(GATE, 1) }

/** An opening on a connection that a scope of ours left, as it was written the last time. */
interface KeptOpening {
  readonly form: GateForm
  readonly limits: Limits
  readonly begin: Step
  readonly steps: readonly Step[]
}

/** By what opens a tenant, which is kept for as long as its names are (isolation/renewal.ts). */
const openings = new WeakMap<Entrance, KeptOpening>()

/**
 * The opening of a scope where it says nothing new: a direct connection that scopes of ours alone have had, whose unnamed statement
 * is this gate, no names of another tenant, and the usual mode. Its bytes are made once; what decides is asked each time.
 */
function keptOpening(
  session: Session,
  entrance: Entrance,
  mode: TransactionMode,
  limits: Limits,
): readonly Step[] | undefined {
  const { memory, slot, untouched } = session
  if (mode !== '' || !untouched || slot === '' || forgetsNames(session, entrance.place)) return undefined
  const form = formOf(session, entrance.gate, limits)
  if (memory.unnamed !== form.text) return undefined
  session.form = form
  const begin = usual(session).on(slot)
  const known = openings.get(entrance)
  if (known?.form === form && known.limits === limits && known.begin === begin) return known.steps
  const steps = [begin, binding(entrance.gate, form, limits, null, true), pin(entrance, slot)]
  openings.set(entrance, { form, limits, begin, steps })
  return steps
}

/** The gate's next row, where the pin is no statement of its own. */
const PIN: Step = { phase: 'pin', bytes: execute(GATE, 1) }

function pin({ pin, pinRuns }: Entrance, slot: Slot): Step {
  if (pin === undefined) return PIN
  const step = once('pin', slot, pin)
  return pinRuns ? step : { ...step, bytes: bound(pin, slot), endsBound: true }
}

/** Only as a scope of ours left it is the session's default what it began with. */
const beginsRight = ({ memory, untouched }: Session) => untouched && memory.beginsRight

const usual = (session: Session) => (beginsRight(session) ? BEGIN_AS_IT_IS : BEGIN)

function begin(session: Session, mode: TransactionMode): Step {
  const { slot } = session
  if (mode === '') return usual(session).on(slot)
  if (mode === READ_ONLY) return (beginsRight(session) ? BEGIN_READ_ONLY_AS_IT_IS : BEGIN_READ_ONLY).on(slot)
  return once('begin', slot, `begin ${mode}`)
}

/** Somebody else may have had the session: nothing is believed of it. */
function cleaning(session: Session): Step[] {
  const { memory, slot } = session
  // Behind a pooler names are others', and none of them is ever run here.
  const names = memory.direct === true ? [DEALLOCATE] : []
  const user = memory.superuser ? [AUTHORIZATION] : []
  return [RESET, ...user, ...CLEAN, DISCARD_TEMP, ...names].map((one) => one.on(slot))
}

/** Names are one tenant's: another may have put statements of its own under them, and must not read their texts. */
function forgetsNames({ memory }: Session, place: string): boolean {
  return memory.served !== place && memory.keepsNames
}

function greets(session: Session, { leave }: GateForms): Step {
  const sink: Sink = {
    row: ([pid, superuser, leaves, durable, beginsRight, ...limits]) => {
      const { memory } = session
      memory.direct ??= pid === String(session.processId)
      memory.superuser = superuser === 't'
      if (!memory.direct) return
      if (leaves === 't') memory.leave = leave?.name
      memory.durable = durable === 't'
      memory.beginsRight = beginsRight === 't'
      for (const [at, [, limit]] of LIMITS.entries()) {
        const own = limits[at]
        if (typeof own === 'string') memory.limits[limit] = Number(own)
      }
    },
  }
  return once('gate', session.slot, hello(leave), sink)
}

function gate(session: Session, { gate }: Entrance, limits: Limits): Step {
  const { memory, untouched } = session
  const form = formOf(session, gate, limits)
  session.form = form
  return binding(gate, form, limits, untouched ? null : nextSeed(), untouched && memory.unnamed === form.text)
}

function formOf(session: Session, gate: Gate, limits: Limits): GateForm {
  const { memory, untouched } = session
  // The session has its own limits by now: RESET ALL went ahead, here or behind the scope before.
  // A role that somebody left may not call the function, and is taken back by the gate only.
  const callsLeave = untouched && memory.leave !== undefined && memory.leave === gate.forms.leave?.name
  const own = { limits: memory.othersLimits ? undefined : memory.limits, durable: memory.durable }
  const form = formFor(gate, limits, own, callsLeave)
  // Two forms in turn would be planned anew each time.
  if (memory.direct && form.setsLimits) memory.othersLimits = true
  return form
}

/** Binds the gate and fetches its first rows; parses it, where the session has not. */
function binding(gate: Gate, form: GateForm, limits: Limits, seed: string | null, parsed: boolean): Step {
  const { text } = form
  const run = [bind(GATE, '', entering(gate, form, limits, seed)), execute(GATE, ENTERING_ROWS)]
  if (parsed) return { phase: 'gate', bytes: Buffer.concat(run), runs: '' }
  return { phase: 'gate', bytes: Buffer.concat([parse('', text), ...run]), prepares: { name: '', text } }
}
