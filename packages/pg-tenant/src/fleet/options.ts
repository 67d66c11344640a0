import { integerOption, invalidOption, unknownOption } from '@org/core'
import { MOST_MS, STATEMENT_MS } from '../admin/in-room.ts'
import type { Phase } from '../migrations/script.ts'
import type { MigrateProgress, TenantMigration } from './report.ts'

/** Options of {@link Tenancy.migrate}. */
export interface MigrateOptions {
  /** Tenants at once, each on a connection of `adminPool` (default 4; no more than the pool's `max`). */
  readonly connections?: number
  /**
   * Milliseconds a statement waits for a lock before the tenant is put back and tried later (default 1,000). Scopes of
   * the tenant queue behind such a wait, so keep it short.
   */
  readonly lockTimeout?: number
  /**
   * Milliseconds one statement may run, 0 for no limit (default an hour; no limit for those outside a transaction, which build
   * indexes); those of one transaction share what they have together. It is also what bounds how long a tenant's own triggers
   * can keep a connection and the tenant's lock.
   */
  readonly statementTimeout?: number
  /** How often one tenant is tried when a lock, a deadlock or a lost connection is in the way (default 6). */
  readonly attempts?: number
  /** Milliseconds before the second try (default 200); doubled each time up to 10,000, half of it at random. */
  readonly backoff?: number
  /** Who goes first: these keys, or so many. When one of them fails, no other tenant is touched. */
  readonly canary?: number | readonly string[]
  /** No further tenant is started after so many failures (default 1). */
  readonly maxFailures?: number
  /** Only these tenants. */
  readonly only?: readonly string[]
  /** All but these. */
  readonly except?: readonly string[]
  /** At most so many tenants. */
  readonly limit?: number
  /** Only migrations of this phase (default: both). */
  readonly phase?: Phase
  /** Changes nothing: the report says for each tenant which SQL would run. */
  readonly dryRun?: boolean
  /**
   * Compares the ledger in each tenant's schema with that of the registry first, and believes the schema (after a
   * restore). Costs a round trip for each tenant.
   */
  readonly recheck?: boolean
  /** Schemas a migration may name besides `pg_catalog` (default: those of `createTenancy({ allowSchemas })`). */
  readonly allowSchemas?: readonly string[]
  /** Stops: no further tenant is started; those under way finish. */
  readonly signal?: AbortSignal
  /** Told after each tenant. */
  readonly onTenant?: (tenant: TenantMigration, progress: MigrateProgress) => void
  /**
   * Whether a tenant that failed or was left makes the call reject with `MigrationFailed` (default true). `false`: the
   * report says so, and must be looked at.
   */
  readonly throwOnFailure?: boolean
}

/** The same with defaults, checked. */
export interface MigrateSettings extends MigrateOptions {
  readonly connections: number
  readonly lockTimeout: number
  readonly statementTimeout: number
  /** The same for statements outside a transaction. */
  readonly timeoutOutside: number
  readonly attempts: number
  readonly backoff: number
  readonly maxFailures: number
}

const NUMBERS = {
  connections: { fallback: 4, least: 1 },
  lockTimeout: { fallback: 1_000, least: 1 },
  statementTimeout: { fallback: STATEMENT_MS, least: 0 },
  attempts: { fallback: 6, least: 1 },
  backoff: { fallback: 200, least: 1 },
  maxFailures: { fallback: 1, least: 1 },
} as const

const OTHERS =
  'canary only except limit phase dryRun recheck allowSchemas signal onTenant throwOnFailure'.split(' ')

/** @throws TenancyError INVALID_OPTION */
export function parseMigrateOptions(options: MigrateOptions = {}): MigrateSettings {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(NUMBERS, name) && !OTHERS.includes(name))
      throw unknownOption(name, [...Object.keys(NUMBERS), ...OTHERS])
  }
  const { phase, canary, limit } = options
  const number = (name: keyof typeof NUMBERS): number => {
    const { fallback, least } = NUMBERS[name]
    return integerOption(name, options[name] ?? fallback, least, MOST_MS)
  }
  if (limit !== undefined) integerOption('limit', limit, 1, MOST_MS)
  if (typeof canary === 'number') integerOption('canary', canary, 1, MOST_MS)
  else if (canary !== undefined) keys('canary', canary)
  for (const name of ['only', 'except', 'allowSchemas'] as const) {
    if (options[name] !== undefined) keys(name, options[name])
  }
  if (phase !== undefined && phase !== 'expand' && phase !== 'contract') {
    throw invalidOption('phase', '"expand" or "contract"')
  }
  return {
    ...options,
    connections: number('connections'),
    lockTimeout: number('lockTimeout'),
    statementTimeout: number('statementTimeout'),
    timeoutOutside: options.statementTimeout === undefined ? 0 : number('statementTimeout'),
    attempts: number('attempts'),
    backoff: number('backoff'),
    maxFailures: number('maxFailures'),
  }
}

function keys(name: string, value: unknown): void {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return
  throw invalidOption(name, 'a list of names')
}
