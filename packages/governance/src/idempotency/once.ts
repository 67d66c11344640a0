import type { Sealing, TenantQueryable } from '@org/core'
import type { TenantScopes } from '../tenants/scopes.ts'
import { send } from '../tenants/send.ts'
import { inFlight, isClaims, isDuplicate, isLockTimeout, isPlain, isTaken, reused } from './errors.ts'
import type { CheckedRequest } from './request.ts'
import { CLAIM, CLAIM_FRESH, KEEP, LOOK, THERE } from './sql.ts'

/** @internal */
export interface OnceSettings {
  readonly scopes: TenantScopes
  readonly sealing: Sealing
  readonly keepSeconds: number
  readonly waitMs: number
}

/** An answer, and whether it is that of an earlier request. */
export interface Outcome {
  readonly answer: string
  readonly replayed: boolean
}

interface Found {
  readonly fingerprint: Buffer
  readonly answer: string | null
  readonly leasable: boolean
  readonly leased: boolean
  readonly attempts: number
}

/** @internal What is kept under the key, if anything is. */
export async function look(
  db: TenantQueryable,
  { id, fingerprint }: CheckedRequest,
): Promise<Found | undefined> {
  const [found] = (await db.query<Found>(LOOK, id)).rows
  if (found !== undefined && !fingerprint.equals(found.fingerprint)) throw reused()
  return found
}

/** @internal Values of {@link CLAIM}. */
export function claimValues(
  { id, fingerprint }: CheckedRequest,
  { keepSeconds, waitMs }: OnceSettings,
  lease: string | null = null,
  leaseSeconds: number | null = null,
): readonly unknown[] {
  return [...id, fingerprint, keepSeconds, String(waitMs), lease, leaseSeconds]
}

/**
 * Runs `work` in the tenant's transaction behind the claim of its key, and keeps its answer in the same transaction: both
 * are there, or neither. The claim goes out with the first statement of `work`, the answer with COMMIT, so that neither
 * costs a trip; where the claim fails nothing of `work` took place in the database, and only then is asked why.
 *
 * @internal
 */
export async function runOnce(
  settings: OnceSettings,
  request: CheckedRequest,
  work: (db: TenantQueryable) => Promise<string>,
  awaited: boolean,
): Promise<Outcome> {
  const values = claimValues(request, settings)
  const attempt = (claim: (db: TenantQueryable) => Promise<unknown>) =>
    runOnceBehind(settings, request, work, claim)
  const ahead = (db: TenantQueryable) => db.query(CLAIM, values)
  const along = (db: TenantQueryable) =>
    send(db, { name: 'governance_claim', text: CLAIM_FRESH, values: values.slice(0, -2) })
  for (const claim of awaited ? [ahead] : [along, ahead]) {
    try {
      return { answer: await attempt(claim), replayed: false }
    } catch (error) {
      if (isPlain(error)) throw error
      const answer = await explain(settings, request, error, claim === along)
      if (answer !== undefined) return { answer, replayed: true }
    }
  }
  throw inFlight()
}

async function runOnceBehind(
  { scopes, sealing }: OnceSettings,
  request: CheckedRequest,
  work: (db: TenantQueryable) => Promise<string>,
  claim: (db: TenantQueryable) => Promise<unknown>,
): Promise<string> {
  return await scopes.withTenant(request.tenant, async (db) => {
    await claim(db)
    const made = await work(db)
    const values = [...request.id, await sealing.seal(made, request.place)]
    await send(db, { name: 'governance_keep', text: KEEP, values })
    return made
  })
}

/** Thrown to roll a claim back that was only made to see whether it can be. */
const FREE = new Error('free')

/**
 * Why it failed: the key was used (its answer is returned), somebody is at it, or neither and the error is the work's own.
 * The claim is tried once more, alone, and taken back.
 *
 * @returns `undefined` where it was a key that ran out and has not been swept: then nothing of the work happened
 */
async function explain(
  settings: OnceSettings,
  request: CheckedRequest,
  error: unknown,
  fresh: boolean,
): Promise<string | undefined> {
  const { scopes, sealing } = settings
  let ranOut = fresh && isDuplicate(error)
  const probe = await scopes
    .withTenant(request.tenant, async (db) => {
      // The work may have hidden what it was.
      ranOut ||= fresh && (await db.query(THERE, request.id)).rows.length > 0
      await db.query(CLAIM, claimValues(request, settings))
      throw FREE
    })
    .catch((reason: unknown) => reason)
  if (isLockTimeout(probe)) throw inFlight()
  if (probe === FREE && ranOut) return undefined
  // What could not be found out is not the caller's mistake: the claim's own error would say so.
  if (!isTaken(probe)) throw probe !== FREE && isClaims(error) ? probe : error
  const found = await scopes.withTenant(request.tenant, (db) => look(db, request))
  if (found === undefined) throw error
  if (found.answer === null) throw inFlight()
  return await sealing.open(found.answer, request.place)
}
