import type { Sealing, TenantQueryable } from '@org/core'
import { type OptionNames, requireKnownOptions } from '@org/core'
import { integerOption, invalidOption } from '../input/input.ts'
import type { TenantScopes } from '../tenants/scopes.ts'
import { type Lease, runLeased } from './lease.ts'
import { type OnceSettings, type Outcome, runOnce } from './once.ts'
import { checkRequest, type IdempotentRequest } from './request.ts'
import { SWEEP } from './sql.ts'

export interface IdempotencyOptions {
  /** The tenancy. */
  readonly scopes: TenantScopes
  /** Seals answers to their key and tenant: the envelopes of `@org/crypto`, for instance. */
  readonly sealing: Sealing
  /** How long an answer is kept, in seconds: a minute to 30 days (default 86,400: a day). */
  readonly keep?: number | undefined
  /**
   * How long a request waits for another with its key, in milliseconds, before it is told 409: 1 to 10,000 (default 250).
   * Each that waits has a connection.
   */
  readonly wait?: number | undefined
  /** How long a lease lasts without being renewed, in seconds: 1 to 3,600 (default 60). */
  readonly lease?: number | undefined
}

/** Work that is done once, however often it is asked for. Made by {@link idempotency}. */
export interface Idempotency {
  /**
   * Does `work` in a transaction of the tenant, with its answer; a repetition gets that answer. For work whose effects are
   * all in the database: when it fails or its process dies, nothing of it is there and the key is free at once.
   *
   * @param options.awaited claims ahead of `work` instead of with its first statement, for one round trip more: needed
   *   inside a scope that is open already, whose transaction a failed claim would otherwise end
   * @throws TenancyError CONFLICT (`details.reason` `in_flight`), IDEMPOTENCY_KEY_REUSED, VALIDATION_ERROR; else what `work`
   *   or its scope failed with
   */
  once(
    request: IdempotentRequest,
    work: (db: TenantQueryable) => Promise<string>,
    options?: { readonly awaited?: boolean | undefined },
  ): Promise<Outcome>
  /**
   * The same for work with effects elsewhere (a payment, a mail): claimed in a transaction of its own, done under a lease,
   * and finished in another. Hand `lease.key` on. Errors as {@link once}; CONFLICT with `lease_lost`.
   *
   * @param finish what is written with the answer
   */
  leased<W>(
    request: IdempotentRequest,
    work: (lease: Lease) => Promise<W>,
    finish: (db: TenantQueryable, made: W) => Promise<string>,
  ): Promise<Outcome>
  /**
   * Removes keys of one tenant that ran out, at most `limit` (1 to 10,000, default 1,000). Retention does it for all.
   *
   * @returns how many
   */
  sweep(db: TenantQueryable, limit?: number): Promise<number>
}

/** @internal */
export const IDEMPOTENCY_OPTIONS: OptionNames<IdempotencyOptions> = {
  scopes: true,
  sealing: true,
  keep: true,
  wait: true,
  lease: true,
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { idempotency } from '@org/governance/idempotency'
 *
 * // IDEMPOTENCY_MIGRATION is one of the tenancy's migrations.
 * const idempotent = idempotency({ scopes: tenancy, sealing: envelopes })
 * const call = {
 *   tenant: 'acme',
 *   principal: 'user:7',
 *   handler: 'notes.note.create',
 *   key: '8e03978e-40d5-43dd-bc93-6894a57f9324',
 *   fingerprint: { method: 'POST', url: '/notes', body: '{"body":"hi"}' },
 * }
 * const insert = () =>
 *   idempotent.once(call, async (db) => JSON.stringify((await db.query(`insert into notes (body) values ('hi') returning id`)).rows))
 * const first = await insert()
 * const again = await insert()
 * again.replayed && again.answer === first.answer // → true
 * ```
 */
export function idempotency(options: IdempotencyOptions): Idempotency {
  requireKnownOptions(options, IDEMPOTENCY_OPTIONS)
  const settings = settingsOf(options)
  const leaseSeconds = integerOption('lease', options.lease ?? 60, 1, 3_600)
  return {
    once: async (request, work, { awaited = false } = {}) =>
      runOnce(settings, checkRequest(request), work, awaited),
    leased: async (request, work, finish) =>
      runLeased(settings, checkRequest(request), leaseSeconds, work, finish),
    sweep: async (db, limit) => {
      const most = integerOption('limit', limit ?? 1_000, 1, 10_000)
      return (await db.query(SWEEP, [most])).rowCount ?? 0
    },
  }
}

function settingsOf(options: IdempotencyOptions): OnceSettings {
  if (typeof options !== 'object' || options === null)
    throw invalidOption('options', 'an object with scopes and sealing')
  const { scopes, sealing } = options
  if (typeof scopes?.withTenant !== 'function') throw invalidOption('scopes', 'a tenancy')
  if (typeof sealing?.seal !== 'function' || typeof sealing.open !== 'function') {
    throw invalidOption('sealing', 'what seals and opens, e.g. the envelopes of @org/crypto')
  }
  return {
    scopes,
    sealing,
    keepSeconds: integerOption('keep', options.keep ?? 86_400, 60, 2_592_000),
    waitMs: integerOption('wait', options.wait ?? 250, 1, 10_000),
  }
}
