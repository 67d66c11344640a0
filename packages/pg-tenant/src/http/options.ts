import {
  invalidOption,
  type OptionNames,
  parseTrust,
  type ResolveOptions,
  type ResolveTenant,
  requireKnownOptions,
  resolveTenant,
  type TenantKey,
  type Trust,
  type Trusted,
} from '@org/core'
import type { ScopeOptions } from '../scope/options.ts'
import type { TenantAccess } from '../tenancy/interface.ts'
import type { AccessLine } from './access-line.ts'

/** Options of the middleware. */
export interface TenantOptions {
  /**
   * How to tell whose request it is: the options of `resolveTenant` (its `directory` is then the registry, remembered for
   * a second), or a function of your own.
   */
  readonly resolve: ResolveOptions | ResolveTenant
  /** Whose `X-Request-Id` is taken over (default: that of `resolve`, else nobody's; every request gets a new one). */
  readonly trust?: Trust
  /**
   * `call` (default): every `query` and `transaction` is a scope of its own, committed when it resolves. `request`: one
   * transaction for the whole request, committed before the answer is sent if its status is below 400, else rolled
   * back. That holds a connection for the whole request, and the answer cannot be streamed while it is made.
   */
  readonly scope?: 'call' | 'request'
  /** Options of every scope. */
  readonly scopeOptions?: Omit<ScopeOptions, 'signal'>
  /** With `scope: 'call'`: cancel what still runs when the client goes away (default false). `request` always does. */
  readonly abortOnDisconnect?: boolean
  /** One record for each request, for a JSON log. Holds no header, query or body. */
  readonly onAccess?: (line: AccessLine) => void
  /** Told of every error that is answered with 500 or above. */
  readonly onError?: OnError
}

/**
 * For an error tracker. A `TenancyError` is safe to log as it is; any other error may hold anything, values and secrets
 * included.
 */
export type OnError = (error: unknown, context: ErrorContext) => void

export interface ErrorContext {
  readonly requestId: string
  /** `undefined` when the request was not resolved. */
  readonly tenantId: string | undefined
  readonly status: number
}

export const TENANT_OPTIONS: OptionNames<TenantOptions> = {
  resolve: true,
  trust: true,
  scope: true,
  scopeOptions: true,
  abortOnDisconnect: true,
  onAccess: true,
  onError: true,
}

export interface TenantSettings extends Pick<TenantOptions, 'onAccess' | 'onError'> {
  readonly resolve: ResolveTenant
  readonly trusted: Trusted
  readonly scope: 'call' | 'request'
  readonly scopeOptions: Omit<ScopeOptions, 'signal'>
  readonly abortOnDisconnect: boolean
}

/**
 * @param names the options of the adapter
 * @throws TenancyError INVALID_OPTION
 */
export function parseTenantOptions(
  tenancy: TenantAccess,
  options: TenantOptions,
  names: Readonly<Record<string, true>> = TENANT_OPTIONS,
): TenantSettings {
  requireKnownOptions(options, names)
  if (typeof options !== 'object' || options === null)
    throw invalidOption('options', 'an object with resolve')
  const { resolve, scope = 'call', scopeOptions = {}, abortOnDisconnect = false, onAccess, onError } = options
  if (scope !== 'call' && scope !== 'request') throw invalidOption('scope', '"call" or "request"')
  const own = typeof resolve === 'function' ? undefined : resolve
  const directory = (tenant: TenantKey) => tenancy.lookup(tenant)
  return {
    resolve: own === undefined ? (resolve as ResolveTenant) : resolveTenant({ directory, ...own }),
    trusted: parseTrust(options.trust ?? own?.trust),
    scope,
    scopeOptions,
    abortOnDisconnect,
    ...(onAccess && { onAccess }),
    ...(onError && { onError }),
  }
}
