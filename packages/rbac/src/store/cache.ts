import type { Actor, Queryable, TenantKey, TenantStatement } from '@org/core'
import { LRUCache } from 'lru-cache'
import type { Catalog } from '../catalog/model.ts'
import { createEvaluator, type Evaluator } from '../evaluate/evaluator.ts'
import { type Entitlement, entitlementEpochs, type Read, readEntitlement } from './entitlement.ts'
import { type Grants, readEpoch, readGrants, snapshotOf } from './grants.ts'
import { PendingChanges } from './pending.ts'

export interface CacheParts {
  readonly catalog: Catalog
  readonly control: Queryable
  /** Quoted. */
  readonly schema: string
  readonly tenants: TenantStatement
  readonly storedPackages: boolean
  readonly apiKeys: boolean
  readonly maxAge: number
  readonly maxActors: number
  readonly maxTenants: number
  /** Milliseconds that never go back. */
  readonly now: () => number
  /** Milliseconds since 1970, for what expires. */
  readonly clock: () => number
}

/** When a read began: in the count of reads and marks, and by the clock. What it found is at least that new. */
interface Begun {
  readonly tick: number
  readonly at: number
}

interface Known<T> extends Begun {
  readonly epoch: string
  readonly value: T
}

interface Running<T> extends Begun {
  readonly result: Promise<T>
}

interface ActorEntry {
  readonly epoch: string
  readonly grants: Grants
  /** Built from `grants` and this very entitlement. */
  built?: { readonly entitlement: Entitlement; readonly evaluator: Evaluator }
}

/**
 * Evaluators by actor. What is remembered is used unasked for `maxAge` from the moment the read *began* that found it
 * so; then the two epochs are read again, that of the control schema with those of other tenants, and only if one has moved
 * anything else. Nothing that
 * cannot be read is replaced by what was remembered.
 */
export class EvaluatorCache {
  readonly #parts: CacheParts
  readonly #actors: LRUCache<string, ActorEntry>
  readonly #epochs: LRUCache<TenantKey, Known<undefined>>
  readonly #entitlements: LRUCache<TenantKey, Known<Entitlement>>
  readonly #asking = new Map<TenantKey, Running<Read<never>>>()
  readonly #reading = new Map<TenantKey, Running<Entitlement>>()
  readonly #entitlementEpoch: (tenant: TenantKey) => Promise<Read<never>>
  readonly #pending: PendingChanges
  #tick = 0
  /** Entitlements read before this are to be read again. */
  #floor = 0
  /** Reads of epochs that began before this may be older than a change made here that somebody has already seen. */
  #overtaken = 0

  constructor(parts: CacheParts) {
    this.#parts = parts
    this.#actors = new LRUCache({ max: parts.maxActors })
    this.#epochs = new LRUCache({ max: parts.maxTenants })
    this.#entitlements = new LRUCache({ max: parts.maxTenants })
    this.#entitlementEpoch = entitlementEpochs(parts.control, parts.schema)
    this.#pending = new PendingChanges(parts.now)
  }

  /** A change in the tenant's schema is about to be made here, on top of `epoch`. */
  changing(tenant: TenantKey, epoch: string): void {
    this.#pending.mark(tenant, epoch, ++this.#tick)
  }

  /** The control schema was changed here. */
  controlChanged(): void {
    this.#floor = ++this.#tick
  }

  /** At once when it is remembered, which it is as a rule. */
  evaluatorFor(tenant: TenantKey, actor: Actor): Evaluator | Promise<Evaluator> {
    const key = `${tenant}\0${actor.type}\0${actor.id}`
    const entry = this.#actors.get(key)
    const known = this.#freshEntitlement(tenant)
    const epoch = this.#freshEpoch(tenant)
    if (entry?.built && known === entry.built.entitlement && epoch === entry.epoch)
      return entry.built.evaluator
    const entitlement = known ?? this.#entitlement(tenant)
    const granted = this.#granted(tenant, actor, key, entry, epoch)
    return Promise.all([granted, entitlement]).then((read) => this.#build(...read))
  }

  #build(entry: ActorEntry, entitlement: Entitlement): Evaluator {
    if (entry.built?.entitlement === entitlement) return entry.built.evaluator
    const { catalog, clock } = this.#parts
    const evaluator = createEvaluator(catalog, snapshotOf(entitlement, entry.grants), { now: clock })
    entry.built = { entitlement, evaluator }
    return evaluator
  }

  async #granted(
    tenant: TenantKey,
    actor: Actor,
    key: string,
    entry: ActorEntry | undefined,
    fresh: string | undefined,
  ): Promise<ActorEntry> {
    if (entry && (fresh ?? (await this.#epoch(tenant)).epoch) === entry.epoch) return entry
    const begun = this.#begin()
    const read = await readGrants(this.#scope(tenant), actor, this.#parts.apiKeys)
    const found: ActorEntry = { epoch: read.epoch, grants: read.value }
    if (read.settled) {
      this.#seen(tenant, read.epoch, begun)
      this.#actors.set(key, found)
    }
    return found
  }

  /** The tenant's epoch of now, or of a read under way that began no longer than `maxAge` ago. */
  #epoch(tenant: TenantKey): Promise<Read<never>> {
    const running = this.#asking.get(tenant)
    const joins = running && this.#isYoung(running) && !this.#isOvertaken(tenant, running)
    if (joins && !this.#pending.has(tenant)) return running.result
    const begun = this.#begin()
    const result = readEpoch(this.#scope(tenant)).then((read) => {
      if (read.settled) this.#seen(tenant, read.epoch, begun)
      return read
    })
    return keep(this.#asking, tenant, { ...begun, result })
  }

  #entitlement(tenant: TenantKey): Promise<Entitlement> {
    const running = this.#reading.get(tenant)
    if (running && this.#isYoung(running) && running.tick > this.#floor) return running.result
    return keep(this.#reading, tenant, { ...this.#begin(), result: this.#readEntitlement(tenant) })
  }

  async #readEntitlement(tenant: TenantKey): Promise<Entitlement> {
    const { control, schema, storedPackages } = this.#parts
    const before = this.#entitlements.get(tenant)
    const begun = this.#begin()
    const now = before && (await this.#entitlementEpoch(tenant))
    const isSame = before !== undefined && before.epoch === now?.epoch
    const read = isSame
      ? { ...now, value: before.value }
      : await readEntitlement(control, schema, tenant, storedPackages)
    const { value } = read
    const current = this.#entitlements.get(tenant)
    if (read.settled && !(current && current.tick > begun.tick)) {
      this.#entitlements.set(tenant, { ...begun, epoch: read.epoch, value })
    }
    return value
  }

  #seen(tenant: TenantKey, epoch: string, begun: Begun): void {
    if (this.#pending.observe(tenant, epoch, begun.tick)) {
      // Reads under way may have begun after this one, and yet have looked before the change was committed.
      this.#overtaken = ++this.#tick
      this.#epochs.set(tenant, { at: begun.at, tick: this.#tick, epoch, value: undefined })
    } else if (!this.#isOvertaken(tenant, begun)) {
      this.#epochs.set(tenant, { ...begun, epoch, value: undefined })
    }
  }

  #isOvertaken(tenant: TenantKey, { tick }: Begun): boolean {
    return tick < (this.#epochs.get(tenant)?.tick ?? this.#overtaken)
  }

  #freshEpoch(tenant: TenantKey): string | undefined {
    const known = this.#epochs.get(tenant)
    return known && this.#isYoung(known) && !this.#pending.has(tenant) ? known.epoch : undefined
  }

  #freshEntitlement(tenant: TenantKey): Entitlement | undefined {
    const known = this.#entitlements.get(tenant)
    return known && this.#isYoung(known) && known.tick > this.#floor ? known.value : undefined
  }

  /** A clock that went back makes nothing young. */
  #isYoung({ at }: Begun): boolean {
    const age = this.#parts.now() - at
    return age >= 0 && age < this.#parts.maxAge
  }

  #begin(): Begun {
    return { tick: ++this.#tick, at: this.#parts.now() }
  }

  #scope(tenant: TenantKey): Queryable {
    const { tenants } = this.#parts
    return { query: (text, values) => tenants.query(tenant, text, values) }
  }
}

/** Remembers a read while it runs, so that those who come meanwhile wait for it. */
function keep<T>(running: Map<TenantKey, Running<T>>, tenant: TenantKey, read: Running<T>): Promise<T> {
  running.set(tenant, read)
  const done = () => {
    if (running.get(tenant) === read) running.delete(tenant)
  }
  read.result.then(done, done)
  return read.result
}
