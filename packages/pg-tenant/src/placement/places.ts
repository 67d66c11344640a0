import { TenancyError, type TenantKey } from '@org/core'
import type { TenantRecord } from '../registry/record.ts'
import { type Answer, conflicting, decide } from './decide.ts'
import type { PlacedTenancy } from './placed-tenancy.ts'

/** How places are found, and how much is remembered of them. */
export interface PlacesOptions {
  /** Tenants whose place is remembered, and as many that there are not. */
  readonly remember: number
  /** Milliseconds a cluster gets to answer. */
  readonly answerMs: number
  /** Milliseconds that it is remembered that nobody holds a tenant. */
  readonly missingMs: number
  readonly directory: ((tenant: TenantKey) => Promise<string | undefined>) | undefined
}

/** Milliseconds the other clusters get when one has said that it holds the tenant. */
const GRACE_MS = 200
/** Milliseconds a cluster that did not answer in time is left alone. */
const SILENT_MS = 1_000

/**
 * Which cluster holds which tenant: asks the registries once for all who want to know at the same time, each for a bounded time,
 * and remembers a bounded number of answers, also that there is no such tenant. Whoever is found waits for no cluster that
 * hangs.
 */
export class Places {
  readonly #placements: Readonly<Record<string, PlacedTenancy>>
  readonly #options: PlacesOptions
  /** In the order of last use. */
  readonly #known = new Map<string, string>()
  /** Until when it is believed that nobody holds it, oldest first. */
  readonly #missing = new Map<string, number>()
  readonly #asking = new Map<string, Promise<string | undefined>>()
  /** Clusters that did not answer in time, and until when they are left alone. */
  readonly #silent = new Map<string, number>()

  constructor(placements: Readonly<Record<string, PlacedTenancy>>, options: PlacesOptions) {
    this.#placements = placements
    this.#options = options
  }

  /** Where a tenant is: remembered, or asked. */
  async of(key: string): Promise<string | undefined> {
    const known = this.remembered(key)
    if (known !== undefined) {
      this.learn(key, known)
      return known
    }
    if ((this.#missing.get(key) ?? 0) > performance.now()) return undefined
    const running = this.#asking.get(key)
    if (running) return await running
    const asked = this.ask(key).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asked)
    return await asked
  }

  remembered(key: string): string | undefined {
    return this.#known.get(key)
  }

  learn(key: string, place: string): void {
    this.#missing.delete(key)
    put(this.#known, key, place, this.#options.remember)
  }

  /** Asks again the next time. */
  forget(key: string): void {
    this.#known.delete(key)
    this.#missing.delete(key)
  }

  /**
   * Asks the directory, if there is one, else every registry.
   *
   * @param deleted whether tombstones count: a key that was used in one cluster is not used again in another
   * @throws TenancyError CONFLICT (two hold it), CONNECTION_LOST (nobody said so, and one that might did not answer)
   */
  async ask(key: string, { deleted = false } = {}): Promise<string | undefined> {
    const place =
      (deleted ? undefined : await this.#fromDirectory(key)) ?? (await this.#fromAll(key, deleted))
    if (place === undefined) {
      this.#known.delete(key)
      if (!deleted)
        put(this.#missing, key, performance.now() + this.#options.missingMs, this.#options.remember)
    } else if (!deleted) this.learn(key, place)
    return place
  }

  /** The record of a tenant where it is. */
  async recordIn(place: string, key: string): Promise<TenantRecord | undefined> {
    return await this.#placements[place]?.find(key)
  }

  /** A directory may be old: the cluster it names is asked. */
  async #fromDirectory(key: string): Promise<string | undefined> {
    const { directory } = this.#options
    const named = await directory?.(key as TenantKey)
    if (named === undefined || !Object.hasOwn(this.#placements, named)) return undefined
    const answer = await this.#askOne(named, key)
    return 'record' in answer ? decide([answer], false).place : undefined
  }

  async #fromAll(key: string, deleted: boolean): Promise<string | undefined> {
    let found = await this.#answers(key, deleted)
    // Answers are not of one instant: a tenant that changed hands between two of them seems to be in both, or in neither.
    if (decide(found, deleted).doubtful) found = await this.#answers(key, deleted)
    const { place, holders } = decide(found, deleted)
    if (holders.length > 1) throw conflicting(key, holders)
    const failure = found.find((one) => 'error' in one)
    if (failure && (deleted || place === undefined)) throw failure.error
    return place
  }

  /** All answers; or those that came in time, when one of them is enough. */
  async #answers(key: string, deleted: boolean): Promise<readonly Answer[]> {
    const names = Object.keys(this.#placements)
    const come: Answer[] = []
    const all = Promise.all(
      names.map(async (name) => {
        come.push(await this.#askOne(name, key, () => !deleted && decide(come, false).settled))
      }),
    )
    await all
    return come
  }

  /** @param enough whether the others have said what had to be known */
  async #askOne(place: string, key: string, enough: () => boolean = () => false): Promise<Answer> {
    if ((this.#silent.get(place) ?? 0) > performance.now()) return { place, error: silent(place) }
    const { answerMs } = this.#options
    const answer = (this.#placements[place] as PlacedTenancy).find(key).then(
      (record): Answer => ({ place, record }),
      (error: unknown): Answer => ({ place, error }),
    )
    // Also behind the answer of others: whoever asks next does not wait for it.
    const late = setTimeout(() => this.#silent.set(place, performance.now() + SILENT_MS), answerMs)
    late.unref()
    answer.finally(() => clearTimeout(late))
    const { over, stop } = patience(() => ({ place, error: silent(place) }), answerMs, enough)
    return await Promise.race([answer, over]).finally(stop)
  }
}

/** Resolves when the time is up, or when the grace is and the others have said enough. */
function patience(giveUp: () => Answer, answerMs: number, enough: () => boolean) {
  const started = performance.now()
  let stop = () => {}
  const over = new Promise<Answer>((resolve) => {
    const step = Math.min(GRACE_MS, answerMs)
    const timer = setInterval(() => {
      if (performance.now() - started >= answerMs - 1 || enough()) resolve(giveUp())
    }, step)
    stop = () => clearInterval(timer)
  })
  return { over, stop: () => stop() }
}

/** The oldest goes first: a Map keeps the order of insertion. */
function put<T>(map: Map<string, T>, key: string, value: T, limit: number): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > limit && oldest !== undefined) map.delete(oldest)
}

/** It did not answer in time. */
export function silent(placement: string): TenancyError {
  return new TenancyError(
    'CONNECTION_LOST',
    'A cluster does not answer, and it may be the one that holds the tenant. Nothing was done; try again.',
    { details: { placement } },
  )
}
