import { startWireProxy, type WireAction, type WireMessage, type WireProxy } from '@org/pg-testing'
import type { Random } from '../random.ts'

/** Messages to wait for the chosen kind before another one is chosen. */
const PATIENCE = 500
const CUTS: readonly WireAction[] = ['cut-before', 'cut-after']

/** A kind of message, by what it carries where that matters: `frontend:Execute`, `backend:CommandComplete COMMIT`. */
function kindOf({ from, type, text }: WireMessage): string {
  const told = type === 'CommandComplete' || type === 'Parse' || type === 'ReadyForQuery'
  const word = told ? ` ${(text ?? '').trimStart().split(/\s/, 1)[0]?.slice(0, 12).toUpperCase()}` : ''
  return `${from}:${type}${word}`
}

interface Target {
  readonly kind: string
  readonly action: WireAction
  /** Messages of the kind that pass before the one that is hit. */
  skip: number
  patience: number
}

/**
 * Cuts connections at a chosen kind of message, before or after it is delivered. What was hit least is chosen first,
 * so that every kind gets its turn.
 */
export class Cutter {
  readonly hits = new Map<string, number>()
  readonly #random: Random
  readonly #seen = new Set<string>()
  #proxy: WireProxy | undefined
  #target: Target | undefined
  #blackHole = false

  constructor(random: Random) {
    this.#random = random
  }

  /** The proxy that does the cutting. */
  async start(target: string): Promise<WireProxy> {
    this.#proxy = await startWireProxy({ target, onMessage: (message) => this.#decide(message) })
    return this.#proxy
  }

  /** Resets every connection at once. */
  reset(): void {
    this.#proxy?.cutAll()
  }

  /** Has one of the next messages hit. */
  arm(): void {
    if (this.#target && this.#target.patience > 0) return
    const choices = [...this.#seen].flatMap((kind) => CUTS.map((action) => ({ kind, action })))
    if (choices.length === 0) return
    const fewest = Math.min(...choices.map((choice) => this.#hitsOf(choice)))
    // Mostly what was hit least, else anything: the frequent kinds matter in many situations.
    const rarest = choices.filter((choice) => this.#hitsOf(choice) <= fewest + 1)
    const { kind, action } = this.#random.pick(this.#random.chance(0.6) ? rarest : choices)
    this.#target = { kind, action, skip: this.#random.int(3), patience: PATIENCE }
  }

  /** The next message of any kind, and all behind it, vanishes without a word. */
  blackHole(): void {
    this.#blackHole = true
  }

  #hitsOf({ kind, action }: Pick<Target, 'kind' | 'action'>): number {
    return this.hits.get(`${kind} ${action}`) ?? 0
  }

  #decide(message: WireMessage): WireAction {
    const kind = kindOf(message)
    this.#seen.add(kind)
    if (this.#blackHole && !kind.includes(':Startup')) {
      this.#blackHole = false
      return this.#hit(kind, 'black-hole')
    }
    const target = this.#target
    if (!target) return 'deliver'
    target.patience--
    if (target.kind !== kind || target.skip-- > 0) return 'deliver'
    this.#target = undefined
    return this.#hit(kind, target.action)
  }

  #hit(kind: string, action: WireAction): WireAction {
    const name = `${kind} ${action}`
    this.hits.set(name, (this.hits.get(name) ?? 0) + 1)
    return action
  }
}
