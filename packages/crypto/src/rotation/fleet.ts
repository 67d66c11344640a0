import {
  type ErrorCode,
  integerOption,
  invalidOption,
  isTenancyError,
  TenancyError,
  type TenantQueryable,
} from '@org/core'
import { inLanes } from './lanes.ts'
import { parseRotation, type RotationOptions } from './options.ts'
import { type RotationCounts, Tally } from './tally.ts'
import { envelopesFor, rotateTables } from './tenant.ts'

/** Options of {@link rotate}. */
export interface FleetRotationOptions extends RotationOptions {
  /** The tenants' keys, in an order that stays the same if you mean to use `startAfter`. */
  readonly tenants: AsyncIterable<string> | Iterable<string>
  /** Runs a function in a transaction of one tenant, e.g. `tenancy.withTenant`. Called once for each batch. */
  readonly withTenant: <T>(tenant: string, fn: (db: TenantQueryable) => Promise<T>) => Promise<T>
  /** How many tenants at once, 1 to 64 (default 4). Each takes one connection. */
  readonly concurrency?: number
  /** Begin after this tenant: the `resumeAfter` of a run that was stopped. */
  readonly startAfter?: string
  /** Told after each batch. What it throws stops the rotation. */
  readonly onProgress?: (progress: RotationProgress) => void
}

/** How far a rotation is. */
export interface RotationProgress extends RotationCounts {
  /** whose batch it was */
  readonly tenant: string
  /** tenants done */
  readonly tenants: number
  /** tenants that failed */
  readonly failed: number
  /** every tenant up to and including this one is done */
  readonly resumeAfter: string | undefined
}

/** What became of a fleet. */
export interface RotationReport extends RotationCounts {
  readonly tenants: number
  readonly failed: number
  /** the first of those that failed, and why; run it again when that is put right */
  readonly failures: readonly { readonly tenant: string; readonly code: ErrorCode }[]
  /** every tenant up to and including this one is done */
  readonly resumeAfter: string | undefined
  readonly aborted: boolean
  /** every tenant was gone through, and no secret is left that is unreadable, busy or in clear */
  readonly complete: boolean
}

const KNOWN = [
  'tenants',
  'withTenant',
  'concurrency',
  'startAfter',
  'onProgress',
] satisfies (keyof FleetRotationOptions)[]

/**
 * Seals the secrets of many tenants anew, while everything goes on: under the current key, in the current format,
 * bound to their places. Each batch is a transaction of its own. The values themselves say what is done, so after a
 * crash it is simply started again.
 *
 * @throws TenancyError INVALID_OPTION; a tenant's failure is not thrown, it is in the report
 * @example
 * ```ts
 * import { randomBytes } from 'node:crypto'
 * import { defineSettings, keyRing, rotate, secret } from '@org/crypto'
 * import { z } from 'zod'
 *
 * const secrets = keyRing({ key: randomBytes(32).toString('hex'), retired: [process.env.SETTINGS_ENCRYPTION_KEY ?? ''] })
 * const settings = defineSettings({ 'smtp.password': secret(z.string()) }, { secrets })
 * const report = await rotate({
 *   tenants: ['globex'], // all of them: any iterable, also an asynchronous one
 *   withTenant: tenancy.withTenant,
 *   secrets,
 *   tables: [settings.table],
 * })
 * report.complete // → true
 * ```
 */
export async function rotate(options: FleetRotationOptions): Promise<RotationReport> {
  const settings = parseRotation(options, KNOWN)
  const { tenants, withTenant, concurrency, startAfter, onProgress } = parseFleet(options)
  const tally = new Tally(settings.maxReports)
  const failures: { tenant: string; code: ErrorCode }[] = []
  const mark = lowWaterMark(startAfter)
  let [done, failed, aborted] = [0, 0, false]

  const one = async (tenant: string, index: number): Promise<void> => {
    const batches: { stopped?: { readonly error: unknown } } = {}
    const report = (counts: RotationCounts): void => {
      tally.add(counts)
      try {
        onProgress?.({ ...tally.counts(), tenant, tenants: done, failed, resumeAfter: mark.get() })
      } catch (error) {
        batches.stopped = { error }
        throw error
      }
    }
    try {
      const envelopes = await envelopesFor(settings.secrets, tenant)
      const result = await rotateTables((fn) => withTenant(tenant, fn), envelopes, settings, report)
      if (result.aborted) {
        aborted = true
        return
      }
      done++
      mark.done(index, tenant)
    } catch (error) {
      if (batches.stopped) throw batches.stopped.error
      failed++
      if (failures.length < settings.maxReports) failures.push({ tenant, code: codeOf(error) })
    }
  }
  const goOn = (): boolean => !settings.signal?.aborted
  await inLanes(after(tenants, startAfter), concurrency, goOn, one)
  aborted ||= !goOn()
  const counts = tally.counts()
  const open = counts.unreadable + counts.busy + counts.plaintext
  return {
    ...counts,
    tenants: done,
    failed,
    failures,
    resumeAfter: mark.get(),
    aborted,
    complete: !aborted && failed === 0 && open === 0,
  }
}

/** Up to which item all are done. It stops before the first that is not, so it needs room only for those ahead. */
function lowWaterMark(start: string | undefined): {
  done(index: number, tenant: string): void
  get(): string | undefined
} {
  const ahead = new Map<number, string>()
  let next = 0
  let last = start
  return {
    done: (index, tenant) => {
      ahead.set(index, tenant)
      for (; ahead.has(next); next++) {
        last = ahead.get(next) ?? last
        ahead.delete(next)
      }
    },
    get: () => last,
  }
}

function codeOf(error: unknown): ErrorCode {
  return isTenancyError(error) ? error.code : 'INTERNAL_ERROR'
}

/** The tenants behind `start`. Not to find it is a mistake: nothing would be done, and it would look like success. */
async function* after(
  tenants: AsyncIterable<string> | Iterable<string>,
  start: string | undefined,
): AsyncGenerator<string> {
  let waiting = start !== undefined
  for await (const tenant of tenants) {
    if (!waiting) yield tenant
    waiting &&= tenant !== start
  }
  if (!waiting) return
  throw new TenancyError(
    'INVALID_OPTION',
    'The tenant to start after is not among the tenants, so nothing was done. Leave startAfter out to go through all.',
    { details: { option: 'startAfter' } },
  )
}

function parseFleet(options: FleetRotationOptions): FleetRotationOptions & { readonly concurrency: number } {
  const { tenants, withTenant, concurrency = 4, startAfter, onProgress } = options
  const iterable = typeof tenants === 'object' && tenants !== null
  if (!iterable || !(Symbol.iterator in tenants || Symbol.asyncIterator in tenants))
    throw invalidOption('tenants', 'an iterable of tenant keys')
  if (typeof withTenant !== 'function') throw invalidOption('withTenant', 'a function (tenant, fn)')
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw invalidOption('onProgress', 'a function')
  if (startAfter !== undefined && typeof startAfter !== 'string')
    throw invalidOption('startAfter', 'a tenant key')
  return { ...options, concurrency: integerOption('concurrency', concurrency, 1, 64) }
}
