import { invalidOption, type OptionNames, requireKnownOptions, TenancyError } from '@org/core'
import { type FleetRotationOptions, type RotationReport, rotate } from './fleet.ts'

/** Options of {@link keysInUse} and {@link assertKeyUnused}. */
export type KeyUseOptions = Omit<FleetRotationOptions, 'dryRun' | 'plaintext' | 'startAfter'>

const KEYS_IN_USE_OPTIONS: OptionNames<KeyUseOptions> = {
  tenants: true,
  withTenant: true,
  concurrency: true,
  onProgress: true,
  secrets: true,
  tables: true,
  batchSize: true,
  signal: true,
  maxReports: true,
}

/**
 * Which keys still seal values, over a fleet: `foundUnder` has the number of values by key id. Changes nothing.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { defineSettings, keyRingFromEnv, keysInUse, secret } from '@org/crypto'
 * import { z } from 'zod'
 *
 * const secrets = keyRingFromEnv()
 * const settings = defineSettings({ 'smtp.password': secret(z.string()) }, { secrets })
 * const report = await keysInUse({
 *   tenants: ['globex'],
 *   withTenant: tenancy.withTenant,
 *   secrets,
 *   tables: [settings.table],
 * })
 * report.complete // → true
 * ```
 */
export async function keysInUse(options: KeyUseOptions): Promise<RotationReport> {
  if (typeof options === 'object' && options !== null && 'startAfter' in options)
    throw invalidOption('startAfter', 'left out: looking at a part of the tenants proves nothing')
  requireKnownOptions(options, KEYS_IN_USE_OPTIONS)
  return rotate({ ...options, dryRun: true })
}

/**
 * Refuses unless it is proven that no value needs the key any more: ask it before a retired key is taken out of the
 * ring. It must be the ring every process runs with by now, or a writer still may use the key after this looked.
 *
 * @param options.tables every table that holds secrets
 * @throws TenancyError KEY_IN_USE; `details.reason` is `values` (run the rotation), `unreadable` (a value that opens
 *   under no key may need this one), or `tenants` (none given, or some failed, or it was aborted)
 * @example
 * ```ts
 * import { assertKeyUnused, defineSettings, keyRingFromEnv, secret } from '@org/crypto'
 * import { z } from 'zod'
 *
 * const secrets = keyRingFromEnv()
 * const settings = defineSettings({ 'smtp.password': secret(z.string()) }, { secrets })
 * const fleet = { tenants: ['globex'], withTenant: tenancy.withTenant, secrets, tables: [settings.table] }
 * const [, retired] = secrets.keyIds
 * if (retired) await assertKeyUnused(retired, fleet) // KEY_IN_USE with the reason, or it may go
 * ```
 */
export async function assertKeyUnused(keyId: string, options: KeyUseOptions): Promise<void> {
  const report = await keysInUse(options)
  const values = Object.hasOwn(report.foundUnder, keyId) ? (report.foundUnder[keyId] ?? 0) : 0
  if (values > 0) throw inUse('values', values, 'Rotate first, with the new key in place everywhere.')
  if (report.aborted || report.failed > 0 || report.tenants === 0) {
    throw inUse(
      'tenants',
      report.failed,
      'Not every tenant was looked at (see keysInUse), so nothing is proven.',
    )
  }
  if (report.unreadable > 0) {
    throw inUse(
      'unreadable',
      report.unreadable,
      'Some values open under no key (see keysInUse): settle them first.',
    )
  }
}

function inUse(reason: string, count: number, hint: string): TenancyError {
  return new TenancyError('KEY_IN_USE', `Keep the key. ${hint}`, { details: { reason, count } })
}
