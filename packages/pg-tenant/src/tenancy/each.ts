import {
  integerOption,
  invalidOption,
  isTenancyError,
  signalOption,
  TenancyError,
  type TenantKey,
} from '@org/core'
import type { ListOptions } from '../registry/read.ts'
import type { TenantRecord } from '../registry/record.ts'
import type { ScopeOptions } from '../scope/options.ts'
import { isCallback } from '../scope/refuse.ts'
import type { TenantDb } from '../scope/tenant-db.ts'

/** Options of {@link Tenancy.each}. */
export interface EachOptions {
  /** Tenants at once, 1 to 1,000 (default 4); each holds a connection while its `fn` runs. */
  readonly concurrency?: number
  /** Goes on behind this key, in byte order: `report.resumeAfter` of a run that was cut off. */
  readonly after?: string
  /** Starts no further tenant after so many failures, 1 or more (default: goes on to the end). */
  readonly maxFailures?: number
  /** Starts no further tenant once it fires; those that run are cancelled. */
  readonly signal?: AbortSignal
  /** Options of every scope. */
  readonly scopeOptions?: Omit<ScopeOptions, 'signal'>
  /** Told of each tenant that is done. */
  readonly onTenant?: (
    tenant: EachTenant,
    progress: { readonly done: number; readonly failed: number },
  ) => void
}

/** How it went for one tenant. */
export interface EachTenant {
  readonly tenant: TenantKey
  readonly ms: number
  /** What its `fn` threw; its scope was rolled back. */
  readonly error?: unknown
}

export interface EachReport {
  /** Whether every tenant was reached and none failed. */
  readonly ok: boolean
  readonly done: number
  readonly failed: readonly EachTenant[]
  /** Every tenant up to this key has been reached: where the next run goes on (`after`). */
  readonly resumeAfter: string | undefined
  readonly stopped: 'failures' | 'aborted' | undefined
}

/** What it needs of a tenancy. */
interface Source {
  list(page: ListOptions): Promise<readonly TenantRecord[]>
  withTenant<T>(key: string, fn: (db: TenantDb) => Promise<T>, options?: ScopeOptions): Promise<T>
}

const PAGE = 1_000

/** See {@link Tenancy.each}. */
export async function each(
  source: Source,
  fn: (db: TenantDb, tenant: TenantRecord) => Promise<unknown>,
  options: EachOptions = {},
): Promise<EachReport> {
  const { concurrency, maxFailures, signal, scopeOptions, onTenant, after } = parse(fn, options)
  const failed: EachTenant[] = []
  let [done, stopped]: [number, EachReport['stopped']] = [0, undefined]
  const reached = new Reached(after)
  const isStopped = () => {
    if (signal?.aborted) stopped ??= 'aborted'
    return stopped !== undefined
  }
  const tenants = pages(source, after)
  const one = async (record: TenantRecord) => {
    const began = performance.now()
    const scope = { ...scopeOptions, ...(signal && { signal }) }
    const error = await source
      .withTenant(record.key, (db) => fn(db, record), scope)
      .then(
        () => undefined,
        (reason: unknown) => ({ error: reason }),
      )
    // What was cut off, or is gone meanwhile, is not a failure of this tenant.
    if (error && signal?.aborted) return
    if (error && isGone(error.error)) return reached.add(record.key)
    const result: EachTenant = { tenant: record.key, ms: Math.round(performance.now() - began), ...error }
    reached.add(record.key)
    done++
    if (error && failed.push(result) >= maxFailures) stopped ??= 'failures'
    onTenant?.(result, { done, failed: failed.length })
  }
  const lane = async () => {
    while (!isStopped()) {
      const next = await tenants.next()
      if (next.done) return
      reached.start(next.value.key)
      await one(next.value)
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: concurrency }, lane))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return { ok: !stopped && failed.length === 0, done, failed, resumeAfter: reached.upTo, stopped }
}

async function* pages(source: Source, after: string | undefined): AsyncGenerator<TenantRecord, undefined> {
  let last = after
  for (;;) {
    const page = await source.list({
      status: 'active',
      limit: PAGE,
      ...(last !== undefined && { after: last }),
    })
    for (const record of page) yield record
    if (page.length < PAGE) return undefined
    last = page.at(-1)?.key
  }
}

/** The key up to which all that began have ended: they end in another order than they begin. */
class Reached {
  upTo: string | undefined
  readonly #begun: string[] = []
  readonly #ended = new Set<string>()

  constructor(after: string | undefined) {
    this.upTo = after
  }

  start(key: string): void {
    this.#begun.push(key)
  }

  add(key: string): void {
    this.#ended.add(key)
    while (this.#begun[0] !== undefined && this.#ended.delete(this.#begun[0])) this.upTo = this.#begun.shift()
  }
}

function isGone(error: unknown): boolean {
  return isTenancyError(error) && (error.code === 'TENANT_SUSPENDED' || error.code === 'TENANT_NOT_FOUND')
}

function parse(fn: unknown, options: EachOptions) {
  if (!isCallback(fn))
    throw new TenancyError(
      'VALIDATION_ERROR',
      'each takes a function that is no generator: each(async (db, tenant) => …).',
    )
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object')
  const { concurrency = 4, maxFailures = Number.POSITIVE_INFINITY } = options
  integerOption('concurrency', concurrency, 1, 1_000)
  signalOption('signal', options.signal)
  if (maxFailures !== Number.POSITIVE_INFINITY) integerOption('maxFailures', maxFailures, 1)
  return { ...options, concurrency, maxFailures }
}
