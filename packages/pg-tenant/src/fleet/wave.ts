import { isTenancyError, type TenantKey } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import { MOST_ROOMS, roomsOf } from '../admin/transaction.ts'
import { checkout } from '../driver/checkout.ts'
import type { Session } from '../driver/session.ts'
import { databaseOf, type Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Script } from '../migrations/script.ts'
import type { MigrateSettings } from './options.ts'
import type { Behind } from './plan.ts'
import type { TenantMigration } from './report.ts'
import type { Seen } from './room-parts.ts'
import { type Journey, migrateTenant, type Step } from './tenant.ts'

const CONNECT_MS = 10_000
const LONGEST_PAUSE_MS = 10_000

/** What a wave works with. */
export interface Wave {
  readonly lifecycle: Lifecycle
  readonly settings: MigrateSettings
  readonly scripts: readonly Script[]
  readonly asked: ReadonlySet<number>
  readonly seen: Seen
  /** Asked before each tenant. */
  stopped(): boolean
  ended(tenant: TenantMigration): void
}

interface Waiting {
  readonly journey: Journey
  readonly readyAt: number
}

/** Migrates these tenants, several at once; a tenant whose turn has to come again makes room for the others. */
export async function runWave(wave: Wave, tenants: readonly Behind[]): Promise<void> {
  const queue = tenants.map(
    (behind): Journey => ({
      behind,
      applied: [],
      attempts: 0,
      ms: 0,
      doubtful: wave.settings.recheck ?? false,
    }),
  )
  const lanes = Math.min(wave.settings.connections, tenants.length)
  const line = new Line(queue, lanes)
  const ends = await Promise.allSettled(Array.from({ length: lanes }, () => runLane(wave, line)))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

/** Who is next: those not tried yet, then those whose pause is over. */
class Line {
  readonly #fresh: Journey[]
  #waiting: Waiting[] = []
  #active = 0
  #wake: (() => void)[] = []
  /** Lanes that work on it. */
  lanes: number

  constructor(journeys: readonly Journey[], lanes: number) {
    this.lanes = lanes
    this.#fresh = [...journeys].reverse()
  }

  /** The next journey; `undefined` when there is none and none will come. Every one taken is given back or ended. */
  async next(stopped: () => boolean): Promise<Journey | undefined> {
    for (;;) {
      if (stopped()) return undefined
      const journey = this.#fresh.pop() ?? this.#ready()
      if (journey) {
        this.#active++
        return journey
      }
      if (this.#waiting.length === 0 && this.#active === 0) return undefined
      await this.#change()
    }
  }

  again(journey: Journey, pauseMs: number): void {
    this.#waiting.push({ journey, readyAt: performance.now() + pauseMs })
    this.end()
  }

  end(): void {
    this.#active--
    for (const wake of this.#wake.splice(0)) wake()
  }

  #ready(): Journey | undefined {
    const now = performance.now()
    const found = this.#waiting.find(({ readyAt }) => readyAt <= now)
    if (found) this.#waiting = this.#waiting.filter((one) => one !== found)
    return found?.journey
  }

  /** Until somebody ends, or the first pause is over. */
  #change(): Promise<void> {
    const first = Math.min(...this.#waiting.map(({ readyAt }) => readyAt))
    return new Promise((resolve) => {
      const pause = Number.isFinite(first) ? Math.max(1, first - performance.now()) : LONGEST_PAUSE_MS
      const timer = setTimeout(resolve, pause)
      this.#wake.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

async function runLane(wave: Wave, line: Line): Promise<void> {
  // A lane that gets no connection leaves the work to the others: the pool is smaller than `connections`.
  const first = await checkout(wave.lifecycle.adminPool, CONNECT_MS, undefined).catch(() => undefined)
  if (!first && --line.lanes > 0) return
  let session = first
  let rooms = 0
  try {
    for (;;) {
      const journey = await line.next(wave.stopped)
      if (!journey) return
      journey.attempts++
      const began = performance.now()
      const step = await tryOnce(wave, journey, async () => {
        if (!session?.alive || rooms >= MOST_ROOMS) {
          session?.destroy()
          rooms = 0
          session = await checkout(wave.lifecycle.adminPool, CONNECT_MS, undefined)
        }
        rooms += roomsOf(wave.asked.size - journey.behind.has.length)
        return session
      })
      journey.ms += performance.now() - began
      conclude(wave, line, journey, step)
    }
  } finally {
    session?.release(undefined)
  }
}

async function tryOnce(wave: Wave, journey: Journey, connect: () => Promise<Session>): Promise<Step> {
  try {
    const books = await connect()
    return await atHome(wave.lifecycle, journey.behind.tenant, books, (home) =>
      migrateTenant({ ...wave, books, home }, journey, wave.asked),
    )
  } catch (error) {
    if (!isTenancyError(error)) throw error
    const passing = error.code === 'CONNECTION_LOST' || error.code === 'POOL_EXHAUSTED'
    return { kind: passing ? 'passing' : 'failed', error }
  }
}

/** With a session where the tenant's data is: one of its own where the tenant has a database of its own. */
async function atHome<T>(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  books: Session,
  fn: (home: Session) => Promise<T>,
): Promise<T> {
  const database = databaseOf(lifecycle, tenant)
  if (database === undefined) return await fn(books)
  return await withAdminPool(lifecycle.adminPool, database, async (pool) => {
    const home = await checkout(pool, CONNECT_MS, undefined)
    try {
      return await fn(home)
    } finally {
      home.destroy()
    }
  })
}

function conclude(wave: Wave, line: Line, journey: Journey, step: Step): void {
  const { attempts: most, backoff } = wave.settings
  const again = (step.kind === 'passing' || step.kind === 'busy') && journey.attempts < most
  if (again) {
    // Exponential, with the upper half at random, so that two migrators do not meet again.
    const pause = Math.min(LONGEST_PAUSE_MS, backoff * 2 ** (journey.attempts - 1))
    line.again(journey, pause * (0.5 + Math.random() / 2))
    return
  }
  const { behind, applied, attempts, ms } = journey
  const arrived = step.kind === 'arrived' || step.kind === 'gone'
  try {
    wave.ended({
      tenant: behind.tenant,
      state: !arrived ? 'failed' : applied.length > 0 ? 'migrated' : 'current',
      applied,
      ms: Math.round(ms * 10) / 10,
      attempts,
      ...('error' in step && { error: step.error }),
    })
  } finally {
    line.end()
  }
}
