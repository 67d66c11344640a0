import { setTimeout as delay } from 'node:timers/promises'
import type { SoakDatabase } from '../database.ts'
import type { Random } from '../random.ts'
import type { Cutter } from './cutter.ts'

export type FaultKind = 'cut' | 'black hole' | 'terminate' | 'cancel' | 'fast restart' | 'crash' | 'churn'

/** Mean number of operations between two faults of a kind. */
const EVERY: Readonly<Record<Exclude<FaultKind, 'fast restart' | 'crash'>, number>> = {
  cut: 40,
  terminate: 250,
  cancel: 150,
  churn: 1_000,
  'black hole': 15_000,
}

const ANY_BACKEND = `from pg_stat_activity where (usename in ('soak_app', 'soak_worker') or starts_with(usename, 'c_')) and backend_type = 'client backend'
  and (state = 'active' or $1) order by md5(pid::text || $2) limit 1`

/** Lets faults happen every so many operations, at points that the seed decides. */
export class Faults {
  readonly counts: Record<FaultKind, number> = {
    cut: 0,
    'black hole': 0,
    terminate: 0,
    cancel: 0,
    'fast restart': 0,
    crash: 0,
    churn: 0,
  }
  readonly #database: SoakDatabase
  readonly #random: Random
  readonly #cutter: Cutter
  readonly #restartEvery: number
  readonly #running = new Set<Promise<void>>()
  #operations = 0
  #restarts = 0
  #restarting = 0
  #churning = false

  constructor(database: SoakDatabase, random: Random, cutter: Cutter, restartEvery: number) {
    this.#database = database
    this.#random = random
    this.#cutter = cutter
    this.#restartEvery = restartEvery
  }

  /** Called at the start of every operation. */
  tick(): void {
    this.#operations++
    for (const [kind, every] of Object.entries(EVERY)) {
      if (this.#random.chance(1 / every)) this.#begin(kind as keyof typeof EVERY)
    }
    if (this.#operations % this.#restartEvery === 0) this.#track(this.#restart())
  }

  /** Resolves when no fault is under way. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #begin(kind: keyof typeof EVERY): void {
    if (this.#restarting > 0) return
    this.counts[kind]++
    if (kind === 'cut') this.#cutter.arm()
    else if (kind === 'black hole') this.#track(this.#blackHole())
    else if (kind === 'churn') this.#track(this.#churn())
    else this.#track(this.#signal(kind))
  }

  /** The administrator's own work may fail as well: the server may be restarting. */
  #track(work: Promise<unknown>): void {
    const settled: Promise<void> = work
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => void this.#running.delete(settled))
    this.#running.add(settled)
  }

  async #signal(kind: 'terminate' | 'cancel'): Promise<void> {
    const anyState = kind === 'terminate' && this.#random.chance(0.4)
    const salt = String(this.#random.int(1e9))
    await this.#database.admin.query(`select pg_${kind}_backend(pid) ${ANY_BACKEND}`, [anyState, salt])
  }

  /** Mostly the network comes to its senses with a reset; else the scope's own patience must end it. */
  async #blackHole(): Promise<void> {
    this.#cutter.blackHole()
    if (this.#random.chance(0.3)) return
    await delay(500 + this.#random.int(1_500))
    this.#cutter.reset()
  }

  async #churn(): Promise<void> {
    if (this.#churning) return
    this.#churning = true
    await this.#database.churn().finally(() => {
      this.#churning = false
    })
  }

  /** One that falls due while the server restarts comes behind it. */
  async #restart(): Promise<void> {
    this.#restarting++
    const crash = this.#restarts++ % 2 === 0
    this.counts[crash ? 'crash' : 'fast restart']++
    await this.#database.server.restart(crash ? 'immediate' : 'fast').finally(() => {
      this.#restarting--
    })
  }
}
