import { randomUUID } from 'node:crypto'
import { isTenancyError, type TenantQueryable } from '@org/core'
import { inFlight, isLockTimeout, isTaken, leaseLost } from './errors.ts'
import { claimValues, look, type OnceSettings, type Outcome } from './once.ts'
import type { CheckedRequest } from './request.ts'
import { CLAIM, FENCE, KEEP, RELEASE, RENEW, TAKE_OVER } from './sql.ts'

/** Work outside the database, while nobody else does the same. */
export interface Lease {
  /** Hand it on to whatever you call, as its idempotency key: one for every attempt at this piece of work. */
  readonly key: string
  /** 1, or more when an earlier attempt died on the way: what it did outside must be looked up first. */
  readonly attempt: number
  /** Fires when the lease was lost. */
  readonly signal: AbortSignal
}

/**
 * Claims the key in a transaction of its own, does `work` under a lease that is renewed meanwhile, and commits `finish` with
 * the answer, fenced: only whoever still has the lease. Where an attempt died, its lease runs out and the next request takes
 * over.
 *
 * @internal
 */
export async function runLeased<W>(
  settings: OnceSettings,
  request: CheckedRequest,
  leaseSeconds: number,
  work: (lease: Lease) => Promise<W>,
  finish: (db: TenantQueryable, made: W) => Promise<string>,
): Promise<Outcome> {
  const token = randomUUID()
  const claimed = await claim(settings, request, token, leaseSeconds)
  if (typeof claimed === 'string') return { answer: claimed, replayed: true }
  const { scopes, sealing } = settings
  const lost = new AbortController()
  const stop = renewing(settings, request, token, leaseSeconds, lost)
  try {
    const made = await work({ key: request.place.name, attempt: claimed, signal: lost.signal })
    const answer = await scopes.withTenant(request.tenant, async (db) => {
      if ((await db.query(FENCE, [...request.id, token])).rows.length !== 1) throw leaseLost()
      const text = await finish(db, made)
      await db.query(KEEP, [...request.id, await sealing.seal(text, request.place)])
      return text
    })
    return { answer, replayed: false }
  } catch (error) {
    // It may have been committed: then the answer is there. If not, the lease runs out.
    if (!isTenancyError(error, 'UNKNOWN_OUTCOME')) await release(settings, request, token)
    throw error
  } finally {
    stop()
  }
}

/** @returns the attempt, or the answer that is there already */
async function claim(
  settings: OnceSettings,
  request: CheckedRequest,
  token: string,
  leaseSeconds: number,
): Promise<number | string> {
  const { scopes, sealing } = settings
  const inTenant = <T>(fn: (db: TenantQueryable) => Promise<T>) => scopes.withTenant(request.tenant, fn)
  const failed = await inTenant(async (db) => {
    await db.query(CLAIM, claimValues(request, settings, token, leaseSeconds))
  }).catch((error: unknown) => error)
  if (failed === undefined) return 1
  if (isLockTimeout(failed)) throw inFlight()
  if (!isTaken(failed)) throw failed
  const found = await inTenant((db) => look(db, request))
  if (found?.answer != null) return await sealing.open(found.answer, request.place)
  if (found === undefined || found.leased || !found.leasable) throw inFlight()
  const taken = await inTenant((db) =>
    db.query<{ attempts: number }>(TAKE_OVER, [...request.id, token, leaseSeconds, request.fingerprint]),
  )
  const [row] = taken.rows
  if (row === undefined) throw inFlight()
  return row.attempts
}

/** Renews at a third of the lease; when it was lost, says so. An error is no loss: the next try may succeed. */
function renewing(
  { scopes }: OnceSettings,
  request: CheckedRequest,
  token: string,
  leaseSeconds: number,
  lost: AbortController,
): () => void {
  const timer = setInterval(
    () => {
      scopes
        .withTenant(request.tenant, (db) => db.query(RENEW, [...request.id, token, leaseSeconds]))
        .then(({ rowCount }) => {
          if (rowCount === 0) lost.abort(leaseLost())
        })
        .catch(() => {})
    },
    (leaseSeconds * 1_000) / 3,
  )
  timer.unref()
  return () => clearInterval(timer)
}

async function release({ scopes }: OnceSettings, request: CheckedRequest, token: string): Promise<void> {
  const released = scopes.withTenant(request.tenant, (db) => db.query(RELEASE, [...request.id, token]))
  // Where it cannot be said now, the lease runs out by itself.
  await released.catch(() => {})
}
