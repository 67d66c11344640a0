/** What became of an operation, as its caller was told. */
export const STATE = { none: 0, running: 1, acked: 2, rejected: 3, unknown: 4, exempt: 5 } as const
export type State = (typeof STATE)[keyof typeof STATE]

/** What is known of one operation. */
export interface Entry {
  readonly state: State
  readonly tenant: number
  readonly must: number
  readonly may: number
  readonly kind: string
  readonly told: string
}

/**
 * What each operation of the current epoch was told about its rows. Fixed size: epochs are verified and forgotten.
 * Rows are numbered within an operation (`part`), so that what must be there is a bit mask.
 */
export class Ledger {
  readonly #states: Uint8Array
  readonly #tenants: Uint16Array
  readonly #must: Int32Array
  readonly #may: Int32Array
  readonly #kinds: string[]
  readonly #told: string[]
  #first = 0

  constructor(capacity: number) {
    this.#states = new Uint8Array(capacity)
    this.#tenants = new Uint16Array(capacity)
    this.#must = new Int32Array(capacity)
    this.#may = new Int32Array(capacity)
    this.#kinds = new Array<string>(capacity).fill('')
    this.#told = new Array<string>(capacity).fill('')
  }

  /** Forgets everything; the next epoch starts with operation `first`. */
  restart(first: number): void {
    this.#first = first
    this.#states.fill(STATE.none)
  }

  get first(): number {
    return this.#first
  }

  begin(op: number, tenant: number, kind: string): void {
    const at = op - this.#first
    this.#states[at] = STATE.running
    this.#tenants[at] = tenant
    this.#kinds[at] = kind
  }

  /**
   * @param told the outcome as its caller saw it, in words
   * @param must parts that are there if it took effect; `may`: parts that nobody was told about
   */
  settle(op: number, state: State, told: string, tenant: number, must: number, may: number): void {
    const at = op - this.#first
    if (at < 0) return
    this.#states[at] = state
    this.#told[at] = told
    this.#tenants[at] = tenant
    this.#must[at] = must
    this.#may[at] = may
  }

  entry(op: number): Entry | undefined {
    const at = op - this.#first
    const state = this.#states[at] as State | undefined
    if (at < 0 || state === undefined || state === STATE.none) return undefined
    return {
      state,
      tenant: this.#tenants[at] ?? 0,
      must: this.#must[at] ?? 0,
      may: this.#may[at] ?? 0,
      kind: this.#kinds[at] ?? '',
      told: this.#told[at] ?? '',
    }
  }
}
