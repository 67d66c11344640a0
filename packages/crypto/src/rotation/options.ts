import { integerOption, invalidOption, signalOption, unknownOption } from '@org/core'
import type { Envelopes, EnvelopesOf } from '../envelope/envelopes.ts'
import type { SealedTable } from '../envelope/sealed-table.ts'
import { isEnvelopes } from '../settings/options.ts'
import { type ParsedTable, parseTable, SEALED_SETTINGS } from './sealed-table.ts'

/** Options of every rotation. */
export interface RotationOptions {
  /** Opens what is stored, old keys included, and seals as new values are to be sealed. */
  readonly secrets: Envelopes | EnvelopesOf
  /** Which tables (default: whatever is sealed in `app_settings`). For settings: `[settings.table]`. */
  readonly tables?: readonly SealedTable[]
  /** What to do with secrets found in clear: count them (default), or seal them. */
  readonly plaintext?: 'report' | 'seal'
  /** Only look and count (default false). */
  readonly dryRun?: boolean
  /** Rows read, and at most changed, in one transaction: 1 to 10,000 (default 200). Memory is bounded by it. */
  readonly batchSize?: number
  /** Stops between two batches; the report then says `aborted`. */
  readonly signal?: AbortSignal
  /** How many unreadable values and failures are listed one by one (default 100); all are counted. */
  readonly maxReports?: number
}

/** {@link RotationOptions}, checked and completed. */
export interface RotationSettings {
  readonly secrets: Envelopes | EnvelopesOf
  readonly tables: readonly ParsedTable[]
  readonly sealPlaintext: boolean
  readonly dryRun: boolean
  readonly batchSize: number
  readonly signal: AbortSignal | undefined
  readonly maxReports: number
}

const KNOWN: ReadonlySet<string> = new Set([
  'secrets',
  'tables',
  'plaintext',
  'dryRun',
  'batchSize',
  'signal',
  'maxReports',
] satisfies (keyof RotationOptions)[])

/** @throws TenancyError INVALID_OPTION */
export function parseRotation(options: RotationOptions, alsoKnown: readonly string[] = []): RotationSettings {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object')
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name) && !alsoKnown.includes(name)) throw unknownOption(name, [...KNOWN, ...alsoKnown])
  }
  const { secrets, tables = [SEALED_SETTINGS], plaintext = 'report', dryRun = false, signal } = options
  if (!isEnvelopes(secrets))
    throw invalidOption('secrets', 'a key ring or a function that finds one for a tenant')
  if (!Array.isArray(tables) || tables.length === 0)
    throw invalidOption('tables', 'an array of tables, not empty')
  if (plaintext !== 'report' && plaintext !== 'seal') throw invalidOption('plaintext', '"report" or "seal"')
  if (typeof dryRun !== 'boolean') throw invalidOption('dryRun', 'true or false')
  signalOption('signal', signal)
  return {
    secrets,
    tables: tables.map(parseTable),
    sealPlaintext: plaintext === 'seal',
    dryRun,
    batchSize: integerOption('batchSize', options.batchSize ?? 200, 1, 10_000),
    signal,
    maxReports: integerOption('maxReports', options.maxReports ?? 100, 0, 10_000),
  }
}
