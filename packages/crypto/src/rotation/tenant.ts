import { setTimeout as pause } from 'node:timers/promises'
import type { TenantQueryable } from '@org/core'
import type { Envelopes, EnvelopesOf } from '../envelope/envelopes.ts'
import { requireDb } from '../settings/options.ts'
import { type Batch, rotateBatch } from './batch.ts'
import { parseRotation, type RotationOptions, type RotationSettings } from './options.ts'
import { sqlFor } from './sql.ts'
import { type RotationCounts, Tally } from './tally.ts'
import type { Target } from './target.ts'

/** What became of one tenant. */
export interface TenantRotation extends RotationCounts {
  /** whether the signal stopped it before its end */
  readonly aborted: boolean
}

/** Runs `fn` in a transaction of the tenant. */
type Scope = <T>(fn: (db: TenantQueryable) => Promise<T>) => Promise<T>

/**
 * Seals one tenant's secrets anew: under the current key, in the current format, bound to their places. All of it
 * in the caller's transaction; for many values use `rotate`, which commits each batch.
 *
 * @throws TenancyError INVALID_OPTION; KEY_MISSING when there is no key to seal with
 * @example
 * ```ts
 * import { defineSettings, keyRingFromEnv, rotateTenant, secret } from '@org/crypto'
 * import { z } from 'zod'
 *
 * const secrets = keyRingFromEnv()
 * const settings = defineSettings({ 'smtp.password': secret(z.string()) }, { secrets })
 * const { resealed } = await tenancy.withTenant('globex', (db) => rotateTenant(db, { secrets, tables: [settings.table] }))
 * resealed // → 0
 * ```
 */
export async function rotateTenant(db: TenantQueryable, options: RotationOptions): Promise<TenantRotation> {
  requireDb(db)
  const settings = parseRotation(options)
  const envelopes = await envelopesFor(settings.secrets, db.tenant)
  return rotateTables((fn) => fn(db), envelopes, settings)
}

/** @internal Finds a tenant's envelopes; outside of a transaction, because a key service may be slow. */
export async function envelopesFor(secrets: Envelopes | EnvelopesOf, tenant: string): Promise<Envelopes> {
  return typeof secrets === 'function' ? await secrets(tenant) : secrets
}

/** @internal Goes through the tables of one tenant, each batch in a scope of its own. */
export async function rotateTables(
  scope: Scope,
  envelopes: Envelopes,
  settings: RotationSettings,
  onBatch: (counts: RotationCounts) => void = () => {},
): Promise<TenantRotation> {
  const tally = new Tally(settings.maxReports)
  for (const table of settings.tables) {
    const target = { table, sql: sqlFor(table), envelopes }
    let after: readonly string[] | undefined
    do {
      if (settings.signal?.aborted) return { ...tally.counts(), aborted: true }
      const batch = await settle(scope, target, after, settings)
      tally.add(batch.counts)
      onBatch(batch.counts)
      after = batch.last
    } while (after !== undefined)
  }
  return { ...tally.counts(), aborted: false }
}

/** How often rows that are in other hands are looked at again, and the first pause before that, then doubled. */
const ATTEMPTS = 6
const FIRST_PAUSE_MS = 5

/** One batch, and then again those of its rows that somebody else was changing. */
async function settle(
  scope: Scope,
  target: Target,
  after: readonly string[] | undefined,
  settings: RotationSettings,
): Promise<Batch> {
  const tally = new Tally(settings.maxReports)
  const first = await scope((db) => rotateBatch(db, target, { after }, settings))
  tally.add(first.counts)
  let { left } = first
  for (let attempt = 1; left.length > 0 && attempt < ATTEMPTS; attempt++) {
    await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1))
    const again = left
    const batch = await scope((db) => rotateBatch(db, target, { again }, settings))
    tally.add(batch.counts)
    left = batch.left
  }
  tally.count('examined', left.length)
  tally.count('busy', left.length)
  return { ...first, counts: tally.counts(), left }
}
