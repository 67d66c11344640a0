import { setTimeout as delay } from 'node:timers/promises'
import { invalidOption, isTenancyError, TenancyError, type TenantKey } from '@org/core'
import { traitsOf } from '../isolation/traits.ts'
import type { ProvisionOptions, ProvisionResult } from '../lifecycle/provision.ts'
import type { MoveResult } from '../move/move.ts'
import type { MoveOptions } from '../move/options.ts'
import { isMoving, moving } from '../registry/explain.ts'
import { isUnderWay, type TenantRecord } from '../registry/record.ts'
import type { FleetOptions } from './options.ts'
import type { PlacedTenancy } from './placed-tenancy.ts'
import { Places } from './places.ts'

/** What a scope says that found no tenant, or one that it may not enter: nothing of it has run. */
const SHUT: ReadonlySet<string> = new Set(['SCHEMA_MISSING', 'SCHEMA_UNUSABLE'])

/** The calls of a fleet, each to the cluster that holds the tenant; see {@link Fleet}. */
export class Routing<T extends PlacedTenancy> {
  readonly #placements: Readonly<Record<string, T>>
  readonly #defaultPlacement: string | undefined
  readonly #waitForMove: number
  readonly #places: Places

  constructor(options: FleetOptions<T>) {
    const { remember = 10_000, answerWithin: answerMs = 2_000, rememberMissing: missingMs = 1_000 } = options
    this.#placements = options.placements
    this.#defaultPlacement = options.defaultPlacement
    this.#waitForMove = options.waitForMove ?? 5_000
    this.#places = new Places(options.placements, {
      remember,
      answerMs,
      missingMs,
      directory: options.directory,
    })
  }

  async of(key: string): Promise<T> {
    return this.#placements[await this.#placeOf(key)] as T
  }

  async #placeOf(key: string): Promise<string> {
    const place = await this.#places.of(key)
    if (place !== undefined) return place
    throw new TenancyError('TENANT_NOT_FOUND', 'No cluster holds this tenant. Run provision(key) first.', {
      details: { tenant: key },
    })
  }

  /**
   * Runs it where the tenant is remembered to be; where it could not open there, once more where it is now. While it is under
   * way between two clusters nothing of it runs, and it is tried again.
   */
  async run<R>(key: string, work: (tenancy: T) => Promise<R>): Promise<R> {
    const until = performance.now() + this.#waitForMove
    const refusedBy = new Set<string>()
    for (let pause = 10; ; pause = Math.min(pause * 2, 100)) {
      const place = await this.#placeOf(key)
      try {
        return await work(this.#placements[place] as T)
      } catch (error) {
        const shut = isTenancyError(error) && SHUT.has(error.code)
        // It may have come or gone between the refusal and the look at why: once more wherever it is found.
        if (shut && (!refusedBy.has(place) || (await this.#places.ask(key)) !== place)) {
          refusedBy.add(place)
          this.#places.forget(key)
          continue
        }
        const reason = shut && (await this.#isClosing(place, key)) ? moving(key as TenantKey, error) : error
        if (!isMoving(reason) || performance.now() + pause > until) throw reason
        await delay(pause)
        refusedBy.clear()
        this.#places.forget(key)
      }
    }
  }

  /** Under way by now, or gone just now; or in service and yet not let in to shared tables, because somebody waits for running scopes to end. */
  async #isClosing(place: string, key: string): Promise<boolean> {
    const record = await this.#places.recordIn(place, key)
    if (record?.status === 'active') return traitsOf(record.isolation).shared
    return isUnderWay(record?.status) || record?.status === 'deleted'
  }

  async lookup(key: string): Promise<TenantRecord | undefined> {
    const place = await this.#places.of(key)
    const found = place === undefined ? undefined : await this.#placements[place]?.lookup(key)
    if (place === undefined || (found !== undefined && found.status !== 'deleted')) return found
    const now = await this.#places.ask(key)
    return now === undefined || now === place ? found : await this.#placements[now]?.lookup(key)
  }

  async find(key: string): Promise<TenantRecord | undefined> {
    const place = await this.#places.of(key)
    const record = place === undefined ? undefined : await this.#places.recordIn(place, key)
    if (record?.status === 'active') return record
    // What is remembered may be where it was.
    const now = place === undefined ? undefined : await this.#places.ask(key)
    return now === undefined || now === place ? record : await this.#places.recordIn(now, key)
  }

  async provision(key: string, facts: ProvisionOptions = {}): Promise<ProvisionResult> {
    const names = Object.keys(this.#placements)
    const held = await this.#places.ask(key, { deleted: true })
    const place = facts.placement ?? held ?? this.#defaultPlacement
    if (place === undefined || !names.includes(place))
      throw invalidOption('placement', `one of ${names.join(', ')}`)
    if (held !== undefined && held !== place) throw elsewhere(key as TenantKey, held)
    const result = await (this.#placements[place] as T).provision(key, { ...facts, placement: place })
    this.#places.learn(key, place)
    return result
  }

  async move(key: string, to: string, how?: MoveOptions): Promise<MoveResult> {
    const { moveBetween } = await import('./move-between.ts')
    try {
      return await moveBetween(this.#placements, key, to, how)
    } finally {
      this.#places.forget(key)
    }
  }
}

function elsewhere(tenant: TenantKey, placement: string): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'Another cluster holds this tenant, or held it before it was dropped. Move it with fleet.move(key, to).',
    { details: { tenant, placement } },
  )
}
