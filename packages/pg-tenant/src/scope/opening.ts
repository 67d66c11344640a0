import type { Sink, Step } from '../driver/exchange.ts'
import type { ConnectionMemory } from '../driver/memory.ts'
import { bind, close, execute, parse, statement } from '../driver/messages.ts'
import type { Session } from '../driver/session.ts'
import type { Entrance, Gate } from '../isolation/isolation.ts'
import { BEGIN, BEGIN_READ_ONLY, CLEAN, RESET } from './control.ts'
import type { Limits, TransactionMode } from './options.ts'

const READ_ONLY = 'isolation level read committed read only'

/** Everything that goes ahead of a scope's first statement, in the same message. */
export function opening(
  session: Session,
  entrance: Entrance,
  portal: string,
  mode: TransactionMode,
  limits: Limits,
): Step[] {
  const { memory } = session
  const clean = isClean(memory, entrance.place)
  const steps = [begin(memory, mode), RESET.on(memory)]
  if (!clean) for (const one of CLEAN) steps.push(one.on(memory))
  steps.push(gate(session, entrance.gate, portal, limits, clean))
  // guard: b: the pin holds the schema
  steps.push({ phase: 'pin', bytes: statement(entrance.pin) })
  return steps
}

/** Fetches the gate's second row: raises unless the scope still is what its opening made it. */
export function tail(portal: string, sink?: Sink): Step {
  return { phase: 'tail', bytes: execute(portal, 1), ...(sink && { sink }) }
}

function begin(memory: ConnectionMemory, mode: TransactionMode): Step {
  if (mode === '') return BEGIN.on(memory)
  if (mode === READ_ONLY) return BEGIN_READ_ONLY.on(memory)
  return { phase: 'begin', bytes: statement(`begin ${mode}`) }
}

/** Only if nobody but this very tenant has had this very backend since a scope left it clean. */
function isClean(memory: ConnectionMemory, place: string): boolean {
  return memory.direct === true && memory.served === place && memory.servedAt + 1 === memory.acquired
}

function gate(session: Session, gate: Gate, portal: string, limits: Limits, clean: boolean): Step {
  const { name, text, values } = gate
  const { memory } = session
  const all = [
    ...values,
    String(limits.statementTimeout),
    String(limits.lockTimeout),
    String(limits.idleTimeout),
  ]
  const fetch = execute(portal, 1)
  if (memory.direct !== true) {
    // The backend's own process id tells whether a pooler stands between: it shows clients another one.
    const sink: Sink = {
      row: ([pid]) => {
        memory.direct ??= pid === String(session.processId)
      },
    }
    return { phase: 'gate', bytes: Buffer.concat([parse('', text), bind(portal, '', all), fetch]), sink }
  }
  const run = Buffer.concat([bind(portal, name, all), fetch])
  if (memory.prepared.has(name) && (clean || gate.failsSafe)) return { phase: 'gate', bytes: run }
  return {
    phase: 'gate',
    bytes: Buffer.concat([close('S', name), parse(name, text), run]),
    prepares: { name, text },
  }
}
