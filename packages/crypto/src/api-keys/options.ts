import { invalidOption, unknownOption } from '@org/core'
import { createPasswords, type Passwords } from '../passwords/passwords.ts'
import type { ApiKeyHash, Hashing } from './hashing.ts'
import { type ApiKeyEnv, badPrefix, PREFIX } from './key-text.ts'
import { type Pepper, parsePeppers, type Tag } from './peppers.ts'

/** Options of `createApiKeys`. */
export interface ApiKeyOptions {
  /** The first hashes new keys; the rest is read, and a key that verifies under one is hashed anew under the first. */
  readonly peppers: readonly Pepper[]
  /** What keys begin with, 2 to 16 of `a-z` and `0-9` (default `pgt`). Changing it makes all keys invalid. */
  readonly prefix?: string
  /** Which keys are made and accepted (default `live`). */
  readonly env?: ApiKeyEnv
  /**
   * `hmac-sha-256` (default, some microseconds: a secret of 256 random bits cannot be guessed) or `argon2id` (some
   * milliseconds, needs `@node-rs/argon2`), where a rule asks for a slow hash. Keys of the other kind still verify and
   * are hashed anew.
   */
  readonly hash?: ApiKeyHash
  /** With `argon2id`: the passwords to share one bound with (default: some of its own). */
  readonly passwords?: Passwords
  /** What time it is (default: the database's clock). */
  readonly now?: () => Date
}

/** Options checked, completed, and ready to work with. */
export interface ApiKeySettings {
  readonly prefix: string
  readonly env: ApiKeyEnv
  readonly hashing: Hashing
  /** The moment as SQL takes it; `null`: the database's own. */
  readonly now: () => string | null
}

const KNOWN: ReadonlySet<string> = new Set([
  'peppers',
  'prefix',
  'env',
  'hash',
  'passwords',
  'now',
] satisfies (keyof ApiKeyOptions)[])

/** @throws TenancyError INVALID_OPTION, KEY_MISSING or KEY_INVALID */
export function parseApiKeyOptions(options: ApiKeyOptions, tag: Tag): ApiKeySettings {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object')
  for (const name of Object.keys(options)) if (!KNOWN.has(name)) throw unknownOption(name, [...KNOWN])
  const { prefix = 'pgt', env = 'live', hash: kind = 'hmac-sha-256', now } = options
  if (typeof prefix !== 'string' || !PREFIX.test(prefix)) throw badPrefix()
  if (env !== 'live' && env !== 'test') throw invalidOption('env', '"live" or "test"')
  if (kind !== 'hmac-sha-256' && kind !== 'argon2id')
    throw invalidOption('hash', '"hmac-sha-256" or "argon2id"')
  if (now !== undefined && typeof now !== 'function')
    throw invalidOption('now', 'a function that returns a Date')
  let { passwords } = options
  const hashing: Hashing = {
    kind,
    peppers: parsePeppers(options.peppers),
    tag,
    passwords: () => {
      passwords ??= createPasswords()
      return passwords
    },
  }
  return { prefix, env, hashing, now: () => (now === undefined ? null : instant(now())) }
}

function instant(now: unknown): string {
  if (now instanceof Date && !Number.isNaN(now.getTime())) return now.toISOString()
  throw invalidOption('now', 'a function that returns a Date')
}
