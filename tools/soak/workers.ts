import { setTimeout as delay } from 'node:timers/promises'
import { Operation } from './context.ts'
import { type Ledger, STATE, type State } from './ledger.ts'
import { type Kinds, kindsWithout } from './operations/index.ts'
import type { SoakOptions } from './options.ts'
import { Random } from './random.ts'
import type { Subject } from './subject.ts'
import type { Tally } from './tally.ts'
import type { World } from './world.ts'

/** Milliseconds a worker rests when the server cannot be reached, so that a restart does not eat the operations. */
const REST_MS = 25

interface Slot {
  readonly subject: Subject
  kind: string
  op: number
  startedAt: number
  /** Given up because an operation hangs; what comes of it later is not waited for. */
  abandon: () => void
}

interface WorkersSetup {
  readonly options: SoakOptions
  /** Workers are spread over these in turn. */
  readonly subjects: readonly Subject[]
  readonly world: World
  readonly ledger: Ledger
  readonly tally: Tally
  readonly onOperation: () => void
}

/** Asynchronous loops that draw operations and run them, one at a time each. */
export class Workers {
  readonly #setup: WorkersSetup
  readonly #kinds: Kinds
  readonly #slots = new Set<Slot>()
  /** Operations that counted up → tenant, for the epoch. */
  readonly counted = new Map<number, number>()
  #next = 0

  constructor(setup: WorkersSetup) {
    this.#setup = setup
    this.#kinds = kindsWithout(setup.options.without, setup.world.governance !== undefined)
  }

  /** Number of the next operation. */
  get next(): number {
    return this.#next
  }

  /** Runs operations up to number `end` (excluded), or until `late()`; all have settled or hang when it resolves. */
  async run(end: number, late: () => boolean): Promise<void> {
    const { options, subjects } = this.#setup
    const watch = setInterval(() => this.#watch(), 1_000)
    const loops = Array.from({ length: options.workers }, (_, at) => {
      const subject = subjects[at % subjects.length] as Subject
      return this.#loop(subject, end, late)
    })
    await Promise.all(loops)
    clearInterval(watch)
  }

  #loop(subject: Subject, end: number, late: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const slot: Slot = { subject, kind: '', op: -1, startedAt: 0, abandon: resolve }
      this.#slots.add(slot)
      const loop = async () => {
        while (this.#slots.has(slot) && this.#next < end && !late()) await this.#one(slot)
        this.#slots.delete(slot)
      }
      loop().then(resolve, reject)
    })
  }

  async #one(slot: Slot): Promise<void> {
    const { options, world, ledger, tally, onOperation } = this.#setup
    const op = this.#next++
    const random = new Random(options.seed, op)
    const hostile = random.chance(options.hostile)
    const kind = (hostile ? this.#kinds.hostile : this.#kinds.ordinary).pick(random)
    const operation = new Operation(op, random, slot.subject, world)
    Object.assign(slot, { kind: kind.name, op, startedAt: performance.now() })
    ledger.begin(op, operation.tenant.index, kind.name)
    onOperation()
    let state: State = STATE.acked
    let code = 'ok'
    let told = code
    try {
      await kind.run(operation)
      if (operation.must !== 0 && !operation.exempt) world.acknowledged(operation.tenant, op)
    } catch (error) {
      state = STATE[slot.subject.failureOf(error)]
      code = slot.subject.codeOf(error)
      told = slot.subject.describe(error)
      if (code.startsWith('uncoded')) world.findings.add('uncoded', `op ${op} (${kind.name}): ${code}`)
    }
    this.#settle(op, operation, state, told)
    world.governance?.settle(op, state)
    tally.add(kind.name, hostile, code)
    if (state === STATE.acked) tally.outcomes.acked++
    else tally.outcomes[state === STATE.unknown ? 'unknown' : 'rejected']++
    if (code === 'CONNECTION_LOST' || code === 'ECONNREFUSED' || code === '57P03') await delay(REST_MS)
  }

  #settle(op: number, operation: Operation, state: State, told: string): void {
    const { tenant, must, may, exempt, bumped } = operation
    this.#setup.ledger.settle(op, exempt ? STATE.exempt : state, told, tenant.index, must, may)
    if (bumped >= 0) this.counted.set(op, tenant.index)
  }

  #watch(): void {
    const { options, world } = this.#setup
    const now = performance.now()
    for (const slot of this.#slots) {
      const seconds = (now - slot.startedAt) / 1_000
      if (seconds < options.hangSeconds) continue
      world.findings.add('hang', `op ${slot.op} (${slot.kind}): not settled after ${Math.round(seconds)} s`)
      this.#slots.delete(slot)
      slot.abandon()
    }
  }
}
