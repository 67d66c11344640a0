import type { Step } from '../driver/exchange.ts'
import type { Slot } from '../driver/messages.ts'
import type { Outcome } from '../errors/outcome.ts'
import { ControlStatement, ROLLBACK } from './control.ts'

// A statement kept under a name is planned for the tables as they were when it was prepared. After a migration PostgreSQL
// refuses it when it is bound (0A000 for another result, 22P02 or 22003 for a parameter whose type was another, 42883 for an
// operator), before any of it runs, and the transaction has failed. It is then prepared anew where nothing is lost by that:
// the transaction is begun again if it was to be its first statement; otherwise a savepoint was set in front of it.

const GUARD = new ControlStatement('savepoint', 'savepoint pgt_kept')
const UNGUARD = new ControlStatement('savepoint', 'release savepoint pgt_kept')
const UNDO = new ControlStatement('savepoint', 'rollback to savepoint pgt_kept')

/** What was sent, and what became of it. */
export interface Sent {
  readonly outcome: Outcome
  readonly sent: readonly Step[]
}

/** What one transaction knows of the statements that earlier ones have prepared on its connection. */
export class KeptStatements {
  /** Names that have run in this transaction: it has their tables locked, so nobody else can change them. */
  readonly #sure = new Set<string>()
  #ran = false

  /** Sets a savepoint in front of each that could be refused, unless it is the first statement of the transaction. */
  guarded(steps: readonly Step[], slot: Slot): readonly Step[] {
    let ran = this.#ran
    // guard: k: a kept statement that a migration outlived does not fail the scope
    const guards = steps.map((step) => {
      const guard = ran && step.afresh !== undefined && !this.#sure.has(step.runs ?? '')
      ran ||= runs(step)
      return guard
    })
    if (!guards.includes(true)) return steps
    return steps.flatMap((step, at) => (guards[at] ? [GUARD.on(slot), step, UNGUARD.on(slot)] : [step]))
  }

  /** Notes what has run. */
  note({ outcome, sent }: Sent): void {
    for (const step of outcome.kind === 'done' ? sent : sent.slice(0, outcome.step)) {
      if (step.undoes) this.#sure.clear()
      this.#ran ||= runs(step)
      if (step.phase !== 'gate' && step.runs) this.#sure.add(step.runs)
    }
  }

  /** The scope itself may have changed its tables. */
  doubt(): void {
    this.#sure.clear()
  }
}

/** What to send where a kept statement was refused before it began; `undefined` for every other refusal. */
export function afresh({ outcome, sent }: Sent, slot: Slot): readonly Step[] | undefined {
  if (outcome.kind !== 'failed' || outcome.bound || outcome.status !== 'E') return undefined
  const at = outcome.step
  const anew = sent[at]?.afresh?.()
  if (anew === undefined) return undefined
  const [before, behind] = [sent.slice(0, at), sent.slice(at + 1)]
  if (before.at(-1) === GUARD.on(slot)) return [UNDO.on(slot), anew, ...behind]
  const nothingRan = sent[0]?.phase === 'begin' && !before.some(runs)
  return nothingRan ? [ROLLBACK.on(slot), ...before, anew, ...behind] : undefined
}

function runs({ phase }: Step): boolean {
  return phase === 'statement' || phase === 'queued'
}
