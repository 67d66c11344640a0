import { invalidOption } from '../invalid-input.ts'
import { type OptionNames, requireKnownOptions } from '../known-options.ts'
import { mismatch } from './refusals.ts'
import { singleHeader } from './request.ts'
import type { NamingSource } from './types.ts'

export interface FromHeaderOptions {
  /** Which headers (default `X-Client-Key` and `X-Tenant-Id`); when several are sent they have to agree. */
  readonly names?: readonly string[]
}

const NAMES: OptionNames<FromHeaderOptions> = { names: true }

/**
 * The tenant named by a header. It decides only for a service whose token names no tenant; beside any other credential
 * it has to agree with that one.
 *
 * Once, as it is: a repeated header is refused, an empty one or one with spaces is no key.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromHeader, resolveTenant } from '@org/core'
 *
 * const resolve = resolveTenant({ sources: [fromHeader()], trustUnauthenticated: ['header'] })
 * const { tenant, actor } = await resolve({ url: '/', headers: { 'x-tenant-id': 'acme' } })
 * tenant // → 'acme'
 * actor.type // → 'anonymous'
 * ```
 */
export function fromHeader(options: FromHeaderOptions = {}): NamingSource {
  requireKnownOptions(options, NAMES)
  const { names = ['x-client-key', 'x-tenant-id'] } = options
  if (names.length === 0 || names.some((name) => !/^[A-Za-z0-9-]{1,64}$/.test(name))) {
    throw invalidOption('names', 'a list of header names')
  }
  const lower = names.map((name) => name.toLowerCase())
  return { kind: 'header', name: (request) => agreeing(lower.map((name) => singleHeader(request, name))) }
}

function agreeing(values: readonly (string | undefined)[]): string | undefined {
  const named = new Set(values.filter((value) => value !== undefined))
  if (named.size > 1) throw mismatch()
  return [...named][0]
}
