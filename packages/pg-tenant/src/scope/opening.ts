import type { Sink, Step } from '../driver/exchange.ts'
import { bind, execute, parse } from '../driver/messages.ts'
import type { Session } from '../driver/session.ts'
import { entering } from '../isolation/gate.ts'
import type { Entrance } from '../isolation/isolation.ts'
import { AUTHORIZATION, BEGIN, BEGIN_READ_ONLY, CLEAN, DEALLOCATE, once, RESET } from './control.ts'
import { nextSeed } from './fresh.ts'
import type { Limits, TransactionMode } from './options.ts'

const READ_ONLY = 'isolation level read committed read only'

/** Asked once of each connection. The backend's own process id tells whether a pooler stands between: it shows another one. */
const HELLO = `select pg_catalog.pg_backend_pid(), r.rolsuper from pg_catalog.pg_roles r
  where r.rolname operator(pg_catalog.=) session_user`

/** Everything that goes ahead of a scope's first statement, in the same message. */
export function opening(
  session: Session,
  entrance: Entrance,
  portal: string,
  mode: TransactionMode,
  limits: Limits,
): Step[] {
  const { slot, untouched } = session
  const steps = [begin(session, mode)]
  // guard: k': what others left
  if (!untouched) steps.push(...cleaning(session))
  // guard: z: names of another tenant
  if (untouched && forgetsNames(session, entrance.place)) steps.push(DEALLOCATE.on(slot))
  if (session.memory.direct === undefined) steps.push(hello(session))
  steps.push(gate(session, entrance, portal, limits))
  // guard: b: the pin holds the schema
  steps.push(once('pin', slot, entrance.pin))
  return steps
}

/** Fetches the gate's second row: raises unless the scope still is what its opening made it. */
export function tail(portal: string): Step {
  return { phase: 'tail', bytes: execute(portal, 1) }
}

function begin({ slot }: Session, mode: TransactionMode): Step {
  if (mode === '') return BEGIN.on(slot)
  if (mode === READ_ONLY) return BEGIN_READ_ONLY.on(slot)
  return once('begin', slot, `begin ${mode}`)
}

/** Somebody else may have had the session: nothing is believed of it. */
function cleaning(session: Session): Step[] {
  const { memory, slot } = session
  // Behind a pooler names are others', and none of them is ever run here.
  const names = memory.direct === true ? [DEALLOCATE] : []
  const user = memory.superuser ? [AUTHORIZATION] : []
  return [RESET, ...user, ...CLEAN, ...names].map((one) => one.on(slot))
}

/** Names are one tenant's: another may have put statements of its own under them, and must not read their texts. */
function forgetsNames({ memory }: Session, place: string): boolean {
  if (memory.served === place || memory.prepared.size === 0) return false
  memory.prepared.clear()
  return true
}

function hello(session: Session): Step {
  const sink: Sink = {
    row: ([pid, superuser]) => {
      session.memory.direct ??= pid === String(session.processId)
      session.memory.superuser = superuser === 't'
    },
  }
  return once('gate', session.slot, HELLO, sink)
}

function gate(session: Session, { gate }: Entrance, portal: string, limits: Limits): Step {
  const { memory, untouched } = session
  const { text } = gate
  const run = [bind(portal, '', entering(gate, limits, untouched ? null : nextSeed())), execute(portal, 1)]
  if (memory.unnamed === text && untouched) return { phase: 'gate', bytes: Buffer.concat(run), runs: '' }
  return { phase: 'gate', bytes: Buffer.concat([parse('', text), ...run]), prepares: { name: '', text } }
}
