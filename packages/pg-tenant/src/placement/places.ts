import { TenancyError } from '@org/core'
import type { PlacedTenancy } from './placed-tenancy.ts'

/** Which cluster holds which tenant: asks all registries once, remembers a bounded number of answers. */
export class Places {
  readonly #placements: Readonly<Record<string, PlacedTenancy>>
  readonly #limit: number
  /** In the order of last use. */
  readonly #known = new Map<string, string>()

  constructor(placements: Readonly<Record<string, PlacedTenancy>>, limit: number) {
    this.#placements = placements
    this.#limit = limit
  }

  async of(key: string): Promise<string | undefined> {
    const known = this.remembered(key)
    if (known === undefined) return await this.ask(key)
    this.learn(key, known)
    return known
  }

  remembered(key: string): string | undefined {
    return this.#known.get(key)
  }

  learn(key: string, place: string): void {
    this.#known.delete(key)
    this.#known.set(key, place)
    const [oldest] = this.#known.keys()
    if (this.#known.size > this.#limit && oldest !== undefined) this.#known.delete(oldest)
  }

  /**
   * Asks every registry. One that does not answer might be the one that holds it, so that its error is the answer.
   *
   * @param deleted whether tombstones count: a key that was used in one cluster is not used again in another
   */
  async ask(key: string, { deleted = false } = {}): Promise<string | undefined> {
    const found = await Promise.all(
      Object.entries(this.#placements).map(async ([place, tenancy]) => {
        const record = await tenancy.find(key)
        const counts = record !== undefined && (deleted || record.status !== 'deleted')
        return counts ? { place, alive: record.status !== 'deleted' } : undefined
      }),
    )
    const holders = found.filter((one) => one !== undefined)
    const alive = holders.filter((one) => one.alive)
    if (alive.length > 1) {
      throw new TenancyError(
        'CONFLICT',
        'Two clusters say that they hold this tenant, so that nothing is run. Drop it in the one where it should not be.',
        { details: { tenant: key, placements: alive.map(({ place }) => place).join(', ') } },
      )
    }
    const place = (alive[0] ?? holders[0])?.place
    if (place === undefined || alive.length === 0) this.#known.delete(key)
    else this.learn(key, place)
    return place
  }
}
