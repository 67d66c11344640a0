import type { Argon2 } from './argon2.ts'
import { nativeArgon2 } from './argon2.ts'
import { type PasswordOptions, type PasswordSettings, parsePasswordOptions } from './options.ts'
import { preparePassword } from './password-text.ts'
import { decoyHash, isOutdated, readStoredHash, unreadable } from './phc.ts'
import { createTurnstile, type Turnstile, type WaitOptions } from './turnstile.ts'

/** What came out of checking a password. */
export interface Verdict {
  readonly valid: boolean
  /** It is valid, and a new hash would be stronger: store `await passwords.hash(password)` now. */
  readonly needsRehash: boolean
}

/** Hashes and checks passwords with argon2id, a bounded number at a time. Make one per process. */
export interface Passwords {
  /**
   * @param password 1 to `maxBytes` bytes; normalised as RFC 8265 says, so that it can be typed anywhere
   * @returns the hash to store, as a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…`, 97 characters by default)
   * @throws TenancyError VALIDATION_ERROR for a password that cannot be one
   * @throws TenancyError SERVICE_UNAVAILABLE or ABORTED while waiting for its turn
   */
  hash(password: string, options?: WaitOptions): Promise<string>
  /**
   * Checks a password. Pass what the look-up gave, also when it gave nothing: with `undefined` or `null` the same work
   * is done, so that the time of an answer does not say who is a user.
   *
   * @throws TenancyError VALIDATION_ERROR for a password that cannot be one, whoever the user is
   * @throws TenancyError ENVELOPE_UNREADABLE when the stored hash is damaged or asks for too much work
   * @throws TenancyError SERVICE_UNAVAILABLE or ABORTED while waiting for its turn
   */
  verify(password: string, hash: string | null | undefined, options?: WaitOptions): Promise<Verdict>
  /** `verify(password, undefined)`, by name: for a user that is not there. */
  verifyUnknown(password: string, options?: WaitOptions): Promise<Verdict>
  /** How many are computed and how many wait, for a gauge. */
  load(): { readonly running: number; readonly waiting: number }
}

/**
 * @throws TenancyError INVALID_OPTION, with the option's name in `details.option`
 *
 * @example
 * ```ts
 * import { createPasswords } from '@org/crypto/passwords'
 *
 * const passwords = createPasswords() // one for each process
 * const hash = await passwords.hash('correct horse')
 * const { valid } = await passwords.verify('correct horse', hash)
 * valid // → true
 * ```
 */
export function createPasswords(options: PasswordOptions = {}): Passwords {
  return createPasswordsOn(nativeArgon2, options)
}

/** @internal The same over a given argon2; what tests count calls with. */
export function createPasswordsOn(argon2: () => Promise<Argon2>, options: PasswordOptions = {}): Passwords {
  const settings = parsePasswordOptions(options)
  const turnstile = createTurnstile(settings)
  const decoy = decoyHash(settings)
  const { memoryCost, timeCost, parallelism } = settings
  const verify: Passwords['verify'] = (password, hash, wait) =>
    check({ argon2, settings, turnstile, decoy }, password, hash, wait)
  return {
    async hash(password, wait) {
      const text = preparePassword(password, settings.maxBytes)
      const { hash } = await argon2()
      return turnstile.pass(() => hash(text, { memoryCost, timeCost, parallelism }), wait)
    },
    verify,
    verifyUnknown: (password, wait) => verify(password, undefined, wait),
    load: turnstile.load,
  }
}

interface Parts {
  readonly argon2: () => Promise<Argon2>
  readonly settings: PasswordSettings
  readonly turnstile: Turnstile
  /** What is checked when there is no hash. */
  readonly decoy: string
}

async function check(
  { argon2, settings, turnstile, decoy }: Parts,
  password: string,
  hash: string | null | undefined,
  wait: WaitOptions | undefined,
): Promise<Verdict> {
  const text = preparePassword(password, settings.maxBytes)
  const known = hash !== undefined && hash !== null
  const used = known ? hash : decoy
  const stored = readStoredHash(used, settings)
  const { verify } = await argon2()
  const matches = await turnstile.pass(
    () =>
      // The native error could quote the hash: it is dropped.
      verify(used, text).catch(() => {
        throw unreadable('format', 'cannot be read by argon2')
      }),
    wait,
  )
  const valid = matches && known
  return { valid, needsRehash: valid && isOutdated(stored, settings) }
}
