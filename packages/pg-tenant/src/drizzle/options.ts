import { invalidOption, TenancyError } from '@org/core'
import { DefaultLogger, type Logger } from 'drizzle-orm'

/** Options of {@link drizzle}: those of Drizzle's own drivers, without its cache. */
export interface DrizzleOptions<TSchema extends Record<string, unknown> = Record<string, never>> {
  /** Tables and relations, for `db.query` and for types. Define it once, at module level: it is analysed once. */
  readonly schema?: TSchema | undefined
  /**
   * `true` prints every statement **with its parameters** to the console; an object of your own is handed both.
   * Nothing is logged by default, because parameters are personal data.
   */
  readonly logger?: boolean | Logger | undefined
  /** How names of columns become names in SQL when a column was given none. */
  readonly casing?: 'snake_case' | 'camelCase' | undefined
}

const KNOWN: ReadonlySet<string> = new Set(['schema', 'logger', 'casing'] satisfies (keyof DrizzleOptions)[])

/** @throws TenancyError INVALID_OPTION */
export function checkOptions(options: DrizzleOptions<Record<string, unknown>>): void {
  if (typeof options !== 'object' || options === null) throw invalidOption('config', 'an object')
  for (const [name, value] of Object.entries(options)) {
    if (name === 'cache' && value !== undefined) throw cacheRefused()
    if (name !== 'cache' && !KNOWN.has(name)) throw invalidOption(name, 'schema, logger or casing')
  }
  const { schema, logger, casing } = options
  if (schema !== undefined && (typeof schema !== 'object' || schema === null)) {
    throw invalidOption('schema', 'an object of tables and relations')
  }
  if (casing !== undefined && casing !== 'snake_case' && casing !== 'camelCase') {
    throw invalidOption('casing', '"snake_case" or "camelCase"')
  }
  if (logger !== undefined && typeof logger !== 'boolean' && typeof logger?.logQuery !== 'function') {
    throw invalidOption('logger', 'true, false or an object with logQuery(query, params)')
  }
}

export function loggerOf(option: boolean | Logger | undefined): Logger | undefined {
  if (option === true) return new DefaultLogger()
  return option === false ? undefined : option
}

/** Drizzle keys its cache by SQL and parameters, which are the same for every tenant (hazard u). */
export function cacheRefused(): TenancyError {
  return new TenancyError(
    'INVALID_OPTION',
    "Drizzle's query cache does not know tenants and would give one tenant another's rows. Leave out cache and $withCache().",
    { details: { option: 'cache' } },
  )
}

/**
 * The transaction is the scope's and has begun: its mode cannot change any more.
 *
 * @throws TenancyError INVALID_OPTION when `config` asks for anything
 */
export function refuseMode(config: object | undefined): void {
  const asked = Object.entries(config ?? {}).find(([, value]) => value !== undefined)
  if (!asked) return
  throw new TenancyError(
    'INVALID_OPTION',
    'transaction() is a savepoint of the scope and cannot change its mode. Give withTenant(key, fn, options) the ' +
      'options isolationLevel, readOnly and deferrable.',
    { details: { option: asked[0].slice(0, 40) } },
  )
}
