import { integerOption, invalidOption, type OptionNames, requireKnownOptions, signalOption } from '@org/core'
import { DEFAULT_LIMITS, eachLimit, type Limits } from '../isolation/gate.ts'
import type { TenantTypes } from './types/tenant-types.ts'

export interface RetryOptions {
  /** Attempts in all, 1 to 10. */
  readonly attempts: number
  /** Milliseconds before the second attempt, doubled each time, with full jitter (default 10, at most 1,000). */
  readonly backoff?: number
}

/** Options of one scope; what is left out comes from the tenancy. */
export interface ScopeOptions extends Partial<Limits> {
  /** Refuse writes (default false). */
  readonly readOnly?: boolean
  /** Isolation level of the transaction (default `read committed`, whatever the session's own default is). */
  readonly isolationLevel?: 'read committed' | 'repeatable read' | 'serializable'
  /** With `serializable` and `readOnly`: wait for a snapshot that cannot fail (manual, SET TRANSACTION). */
  readonly deferrable?: boolean
  /** How long to wait for a connection, in milliseconds (default 10,000). */
  readonly connectionTimeout?: number
  /** Cancels the scope: the running statement is cancelled on the server and everything is rolled back. */
  readonly signal?: AbortSignal
  /**
   * Run the callback again after a serialization failure or deadlock (SQLSTATE 40001, 40P01). Off by default,
   * because the callback's side effects outside the database happen again too. Never after an unknown outcome.
   */
  readonly retry?: RetryOptions
  /**
   * When the connection is lost at COMMIT, ask the server by transaction id (`pg_xact_status`) whether it took
   * effect. Costs one more round trip at the end of each writing scope (default false). Refused with
   * `distributedSchemas`: another node commits, and the one that is asked knows nothing of it. So it is with foreign tables: where a
   * scope has used one, only its own commit is believed.
   */
  readonly resolveUnknownOutcome?: boolean
}

/** Those of them that `createTenancy` takes too, as the defaults of every scope. */
export type ScopeDefaults = Omit<ScopeOptions, 'readOnly' | 'isolationLevel' | 'deferrable' | 'signal'>

/** What `BEGIN` takes, e.g. `isolation level serializable read only deferrable`; empty: the default. */
export type TransactionMode = string

/** Options checked and completed. */
export interface ScopeSettings extends Limits {
  readonly mode: TransactionMode
  readonly readOnly: boolean
  readonly connectionTimeout: number
  readonly signal: AbortSignal | undefined
  readonly retry: Required<RetryOptions>
  readonly resolveUnknownOutcome: boolean
  /** Other nodes commit the tenant's work, ahead of the server that scopes talk to (`distributedSchemas`). */
  readonly distributed: boolean
  /** What is known of tenants' own types; without it their values are read as `pg` does. */
  readonly types: TenantTypes | undefined
  /** How many statements that nobody has named a connection keeps prepared for the tenant that has it. */
  readonly keepStatements: number
  /** Different tenants that a connection serves before it ends. */
  readonly maxTenantsPerConnection: number
}

export const DEFAULTS: ScopeSettings = {
  mode: '',
  readOnly: false,
  ...DEFAULT_LIMITS,
  connectionTimeout: 10_000,
  signal: undefined,
  retry: { attempts: 1, backoff: 10 },
  resolveUnknownOutcome: false,
  distributed: false,
  types: undefined,
  keepStatements: 0,
  maxTenantsPerConnection: 2_000,
}

const A_DAY = 86_400_000
const LEVELS: readonly unknown[] = ['read committed', 'repeatable read', 'serializable']

export const SCOPE_DEFAULTS: OptionNames<ScopeDefaults> = {
  ...eachLimit(() => true as const),
  connectionTimeout: true,
  retry: true,
  resolveUnknownOutcome: true,
}

const KNOWN: OptionNames<ScopeOptions> = {
  ...SCOPE_DEFAULTS,
  readOnly: true,
  isolationLevel: true,
  deferrable: true,
  signal: true,
}

/**
 * Checks a scope's options and completes them from `base`.
 *
 * @throws TenancyError INVALID_OPTION, with the option's name in `details.option`
 */
export function parseScopeOptions(options: ScopeOptions | undefined, base: ScopeSettings): ScopeSettings {
  if (options === undefined) return base
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object')
  requireKnownOptions(options, KNOWN)
  const { readOnly = false, isolationLevel, deferrable = false, signal, retry } = options
  if (typeof readOnly !== 'boolean') throw invalidOption('readOnly', 'true or false')
  if (isolationLevel !== undefined && !LEVELS.includes(isolationLevel)) {
    throw invalidOption('isolationLevel', '"read committed", "repeatable read" or "serializable"')
  }
  if (typeof deferrable !== 'boolean' || (deferrable && !(readOnly && isolationLevel === 'serializable'))) {
    throw invalidOption(
      'deferrable',
      'used with readOnly: true and isolationLevel: "serializable" (it has no effect otherwise)',
    )
  }
  signalOption('signal', signal)
  const asked = isolationLevel !== undefined || readOnly
  const mode = `isolation level ${isolationLevel ?? 'read committed'} ${readOnly ? 'read only' : 'read write'}`
  return {
    mode: asked ? `${mode}${deferrable ? ' deferrable' : ''}` : base.mode,
    readOnly,
    ...eachLimit((limit) => milliseconds(options, limit, base)),
    connectionTimeout: milliseconds(options, 'connectionTimeout', base),
    signal,
    retry: retry === undefined ? base.retry : parseRetry(retry),
    resolveUnknownOutcome: parseResolve(options, base),
    distributed: base.distributed,
    types: base.types,
    keepStatements: base.keepStatements,
    maxTenantsPerConnection: base.maxTenantsPerConnection,
  }
}

/** The transaction of the server that is asked says nothing of one that another node committed before it. */
export const NODES_COMMIT = 'left out with distributedSchemas: another node commits'

function parseResolve({ resolveUnknownOutcome: resolves }: ScopeOptions, base: ScopeSettings): boolean {
  if (resolves === undefined) return base.resolveUnknownOutcome
  if (typeof resolves !== 'boolean') throw invalidOption('resolveUnknownOutcome', 'true or false')
  if (resolves && base.distributed) throw invalidOption('resolveUnknownOutcome', NODES_COMMIT)
  return resolves
}

function milliseconds(
  options: ScopeOptions,
  name: keyof Limits | 'connectionTimeout',
  base: ScopeSettings,
): number {
  return integerOption(name, options[name] ?? base[name], 1, A_DAY, 'milliseconds')
}

function parseRetry(retry: RetryOptions): Required<RetryOptions> {
  const { attempts, backoff = DEFAULTS.retry.backoff } = retry
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > 10)
    throw invalidOption('retry', '{ attempts: 1 to 10 }')
  if (!(backoff >= 0 && backoff <= 1_000))
    throw invalidOption('retry', '{ attempts, backoff: 0 to 1000 milliseconds }')
  return { attempts, backoff }
}
