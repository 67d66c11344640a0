import type { Step } from '../driver/exchange.ts'
import type { ConnectionMemory } from '../driver/memory.ts'
import { close, type Slot } from '../driver/messages.ts'
import type { Session } from '../driver/session.ts'
import type { Outcome } from '../errors/outcome.ts'
import { firstWords } from '../sql/first-words.ts'
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
  #sure: Set<string> | undefined
  #ran = false

  /** Sets a savepoint in front of each that could be refused, unless it is the first statement of the transaction. */
  guarded(steps: readonly Step[], slot: Slot): readonly Step[] {
    if (!steps.some(({ afresh }) => afresh !== undefined)) return steps
    let ran = this.#ran
    // guard: k: a kept statement that a migration outlived does not fail the scope
    const guards = steps.map((step) => {
      const guard = ran && step.afresh !== undefined && !this.#sure?.has(step.runs ?? '')
      ran ||= runs(step)
      return guard
    })
    if (!guards.includes(true)) return steps
    return steps.flatMap((step, at) => (guards[at] ? [GUARD.on(slot), step, UNGUARD.on(slot)] : [step]))
  }

  /** Notes what has run. */
  note({ outcome, sent }: Sent): void {
    const answered = outcome.kind === 'done' ? sent.length : outcome.step
    for (let at = 0; at < answered; at++) {
      const step = sent[at] as Step
      if (step.undoes) this.#sure = undefined
      this.#ran ||= runs(step)
      if (step.phase === 'gate' || !step.runs) continue
      this.#sure ??= new Set()
      this.#sure.add(step.runs)
    }
  }

  /** The scope itself may have changed its tables. */
  doubt(): void {
    this.#sure = undefined
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

/** Longest text that is kept by itself, in characters, and all of a connection's together. */
const MAX_TEXT = 8_192
const MAX_TEXTS = 262_144
/** Texts whose names this process remembers. */
const MAX_NAMES = 1_000
const OWN_PREFIX = 'pgt_kept_'
const KEPT: ReadonlySet<string> = new Set(['select', 'insert', 'update', 'delete', 'merge', 'with'])
/**
 * Constants that mean the time at which a statement is parsed (manual 8.5.1.4), and the ways to spell them otherwise. `now()` is a
 * function.
 */
const PASSING = /today|tomorrow|yesterday|\bnow\b(?! ?\()|\\|uescape/i

const names = new Map<string, string>()
let named = 0

/**
 * The name under which a statement that its caller has not named is kept (`keepStatements`), or `''`: only the first of a
 * transaction, before anything of the caller's has run in it, where this tenant's scope was the connection's last.
 */
export function keptName(text: string, { memory, used }: Session, place: string, most: number): string {
  if (most === 0 || used || memory.served !== place) return ''
  const known = names.get(text)
  if (known !== undefined) return known
  if (names.size >= MAX_NAMES) names.clear()
  const [first = ''] = text.length <= MAX_TEXT ? firstWords(text).words : []
  const name = KEPT.has(first) && !PASSING.test(text) ? `${OWN_PREFIX}${(++named).toString(36)}` : ''
  names.set(text, name)
  return name
}

/** Makes room for one more, by number and size; what was used longest ago goes first. */
export function makeRoom({ prepared }: ConnectionMemory, text: string, most: number): Buffer[] {
  const own = [...prepared].filter(([name]) => name.startsWith(OWN_PREFIX))
  let size = own.reduce((sum, [, { length }]) => sum + length, text.length)
  const gone: Buffer[] = []
  for (let left = own.length; left > 0 && (left >= most || size > MAX_TEXTS); left--) {
    const [name, { length }] = own[gone.length] as [string, string]
    size -= length
    prepared.delete(name)
    gone.push(close('S', name))
  }
  return gone
}
