import type { KeyObject } from 'node:crypto'
import { invalidOption, type OptionNames, requireKnownOptions } from '@org/core'
import { unavailable } from './errors.ts'
import { fetchJson, keyUrl } from './fetch-json.ts'
import { type KeySource, usableKeys } from './jwks.ts'
import { functionOption, numberOption, textOption } from './options.ts'

export interface RemoteKeysOptions {
  /** where the key set is; or leave it out and give `issuer` */
  readonly url?: string | URL
  /** an OpenID Connect issuer: its discovery document says where the keys are */
  readonly issuer?: string
  /** how long a fetched set is trusted, in milliseconds (default 600,000); fetched anew after half of it */
  readonly maxAge?: number
  /** how long an unknown `kid` does not cause another fetch, in milliseconds (default 30,000) */
  readonly cooldown?: number
  /** for one fetch, in milliseconds (default 5,000) */
  readonly timeout?: number
  /** milliseconds, never going backwards (default `performance.now`) */
  readonly monotonicClock?: () => number
}

/** After a fetch that failed, the next waits this long (milliseconds): a key server that is down is not flooded. */
const RETRY_AFTER = 1_000

const CREATE_REMOTE_KEYS_OPTIONS: OptionNames<RemoteKeysOptions> = {
  url: true,
  issuer: true,
  maxAge: true,
  cooldown: true,
  timeout: true,
  monotonicClock: true,
}

/**
 * Another issuer's keys, fetched when first needed. A key that its issuer withdraws stops being trusted within
 * `maxAge`. When the keys cannot be fetched any more, tokens are refused once the last set is older than that.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { createRemoteKeys, createTokenVerifier } from '@org/crypto/tokens'
 *
 * // Fetched with the first token, and kept.
 * const keys = createRemoteKeys({ url: 'https://auth.example/.well-known/jwks.json' })
 * createTokenVerifier({ issuer: 'https://auth.example', audience: 'https://api.example', keys })
 * ```
 */
export function createRemoteKeys(options: RemoteKeysOptions): KeySource {
  requireKnownOptions(options, CREATE_REMOTE_KEYS_OPTIONS)
  const load = loader(options)
  const now = functionOption('monotonicClock', options.monotonicClock, () => performance.now())
  const maxAge = ms('maxAge', options.maxAge, 600_000, 1_000, 86_400_000)
  const cooldown = ms('cooldown', options.cooldown, 30_000, 1_000, 3_600_000)
  let keys: ReadonlyMap<string, KeyObject> = new Map()
  let fetchedAt = Number.NEGATIVE_INFINITY
  let failedAt = Number.NEGATIVE_INFINITY
  let pending: Promise<void> | undefined

  const fetchOnce = (): Promise<void> => {
    const startedAt = now()
    pending ??= load()
      .then((jwks) => {
        keys = usable(jwks)
        fetchedAt = startedAt
      })
      .catch((error: unknown) => {
        failedAt = now()
        throw error
      })
      .finally(() => {
        pending = undefined
      })
    return pending
  }
  const age = () => now() - fetchedAt
  const mayRetry = () => pending !== undefined || now() - failedAt >= RETRY_AFTER
  const peek = (kid: string) => (age() <= maxAge ? keys.get(kid) : undefined)
  return {
    peek,
    find: async (kid) => {
      if (age() > maxAge) {
        if (!mayRetry()) throw unavailable(DOWN)
        await fetchOnce()
      } else if (!keys.has(kid) && age() >= cooldown && mayRetry()) {
        await fetchOnce()
      } else if (age() > maxAge / 2 && mayRetry()) {
        fetchOnce().catch(() => {}) // in the background: the set at hand is still good
      }
      return peek(kid)
    },
  }
}

const DOWN = 'The issuer’s keys could not be fetched a moment ago. Check its key address and that it answers.'

/** @throws TenancyError SERVICE_UNAVAILABLE when the answer is no key set */
function usable(jwks: unknown): ReadonlyMap<string, KeyObject> {
  try {
    return usableKeys(jwks)
  } catch {
    throw unavailable('The issuer’s answer is no key set. Check its key address.')
  }
}

function loader({ url, issuer, timeout: limit }: RemoteKeysOptions): () => Promise<unknown> {
  const timeout = ms('timeout', limit, 5_000, 100, 60_000)
  if (url !== undefined && issuer === undefined) {
    const address = keyUrl('url', url)
    return () => fetchJson(address, timeout)
  }
  if (issuer === undefined || url !== undefined)
    throw invalidOption('url', 'given, or else "issuer"; not both')
  const name = textOption('issuer', issuer)
  // OpenID Connect Discovery 1.0, 4: appended to the issuer, one slash between.
  const discovery = keyUrl('issuer', `${name.replace(/\/$/, '')}/.well-known/openid-configuration`)
  return async () => fetchJson(await keysAddress(discovery, name, timeout), timeout)
}

/** Section 4.3: the document must name exactly the issuer it was asked for. */
async function keysAddress(discovery: URL, issuer: string, timeout: number): Promise<URL> {
  const found = await fetchJson(discovery, timeout)
  const document: Record<string, unknown> = typeof found === 'object' && found !== null ? { ...found } : {}
  if (document.issuer === issuer) {
    try {
      return keyUrl('issuer', document.jwks_uri)
    } catch {
      // falls through: an address that we do not fetch from
    }
  }
  throw unavailable('The issuer’s discovery document names another issuer or an address that is not https.')
}

function ms(name: string, value: number | undefined, fallback: number, min: number, max: number): number {
  return numberOption(name, value, { fallback, min, max, unit: 'milliseconds' })
}
