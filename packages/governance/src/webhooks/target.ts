import { isIP } from 'node:net'
import { invalidField } from '../input/input.ts'
import type { AddressCheck } from './address.ts'

/** Where webhooks may go beside public addresses over HTTPS at port 443. For tests and closed networks. */
export interface AllowedTargets {
  /** Ports (default 443). */
  readonly ports?: readonly number[] | undefined
  /** Plain HTTP too (default false). */
  readonly http?: boolean | undefined
  /** Addresses or CIDR blocks that are allowed although they are not public, e.g. `10.20.0.0/16`. */
  readonly addresses?: readonly string[] | undefined
}

const MAX_URL = 2_000

/**
 * A URL that a webhook may be sent to, in its normal form: there `2130706433`, `0x7f.1` and `0177.0.0.1` are `127.0.0.1`. What a
 * name resolves to is looked at when it is connected to, each time.
 *
 * @throws TenancyError VALIDATION_ERROR (`details.field`: `url`)
 */
export function parseTarget(value: unknown, allowed: AllowedTargets): URL {
  const expected = 'an https URL of at most 2,000 characters, without user, password and fragment'
  if (typeof value !== 'string' || value.length > MAX_URL || !URL.canParse(value))
    throw invalidField('url', expected)
  const url = new URL(value)
  // In its normal form some characters are several.
  if (url.href.length > MAX_URL) throw invalidField('url', expected)
  const scheme = url.protocol === 'https:' || (allowed.http === true && url.protocol === 'http:')
  if (!scheme || url.username !== '' || url.password !== '' || url.hash !== '')
    throw invalidField('url', expected)
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  if (!(allowed.ports ?? [443]).includes(port)) throw invalidField('url', 'at a port that is allowed')
  // A name without a dot, or in a domain that is not on the internet, is never public.
  const name = url.hostname.toLowerCase().replace(/\.$/, '')
  const local = isIP(name.replace(/^\[|\]$/g, '')) === 0 && !allowed.addresses?.length
  if (local && (!name.includes('.') || /\.(?:localhost|local|internal|home\.arpa)$/.test(name))) {
    throw invalidField('url', 'at a public host')
  }
  return url
}

/**
 * The same for whoever asks to be told there: an address that is written out is one that may be connected to. Else they would
 * learn it from deliveries that fail.
 *
 * @throws TenancyError VALIDATION_ERROR (`details.field`: `url`)
 */
export function parseReachable(value: unknown, allowed: AllowedTargets, mayConnect: AddressCheck): URL {
  const url = parseTarget(value, allowed)
  const address = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(address) !== 0 && !mayConnect(address)) throw invalidField('url', 'at a public address')
  return url
}
