import { invalidOption } from '@org/core'
import { seconds } from './options.ts'

export interface RefreshTokenOptions {
  /** what every token begins with, before `_`; for secret scanners (default `pgtrt`) */
  readonly prefix?: string
  /** how long one login lasts however often it is refreshed, in seconds (default 30 days, which is also the most) */
  readonly familyLifetime?: number
  /** how long a token can be left unused, in seconds (default 7 days); each refresh begins it anew */
  readonly idleLifetime?: number
  /**
   * How long after a refresh the token just replaced is answered with the same successor, in seconds (default 10, at
   * most 60): for a client that repeats a request, or sends several at once. 0: never, and such a client is signed out.
   */
  readonly grace?: number
  /** the lifetime of the access tokens issued beside them, in seconds (default 900); for revoking those too */
  readonly accessLifetime?: number
}

export type RefreshSettings = Required<RefreshTokenOptions>

const DAY = 86_400

/** @throws TenancyError INVALID_OPTION */
export function parseRefreshOptions(options: RefreshTokenOptions): RefreshSettings {
  const { prefix = 'pgtrt' } = options
  if (typeof prefix !== 'string' || !/^[a-z][a-z0-9]{1,15}$/.test(prefix)) {
    throw invalidOption('prefix', '2 to 16 of a-z and 0-9, beginning with a letter')
  }
  const familyLifetime = seconds('familyLifetime', options.familyLifetime, 30 * DAY, 60, 30 * DAY)
  return {
    prefix,
    familyLifetime,
    idleLifetime: seconds(
      'idleLifetime',
      options.idleLifetime,
      Math.min(7 * DAY, familyLifetime),
      60,
      familyLifetime,
    ),
    grace: seconds('grace', options.grace, 10, 0, 60),
    accessLifetime: seconds('accessLifetime', options.accessLifetime, 900, 1, DAY),
  }
}
