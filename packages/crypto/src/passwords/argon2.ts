import { TenancyError } from '@org/core'
import type { Argon2Cost } from './options.ts'

/** The two operations of `@node-rs/argon2` that are used; each call is one computation on a libuv thread. */
export interface Argon2 {
  hash(password: string, options: Argon2Cost): Promise<string>
  verify(hash: string, password: string): Promise<boolean>
}

/** argon2id in the package's numbering; its const enum cannot be imported with `isolatedModules`. */
const ARGON2ID = 2

let loaded: Promise<Argon2> | undefined

/**
 * The native package, loaded at first use: whoever hashes nothing does not need to install it.
 *
 * @throws TenancyError INVALID_OPTION when it is not installed
 */
export function nativeArgon2(): Promise<Argon2> {
  loaded ??= import('@node-rs/argon2').then(
    ({ hash, verify }) => ({
      hash: (password, cost) => hash(password, { ...cost, algorithm: ARGON2ID, outputLen: 32 }),
      verify: (stored, password) => verify(stored, password),
    }),
    (cause: unknown) => {
      loaded = undefined
      throw new TenancyError(
        'INVALID_OPTION',
        'Argon2 hashes need the package @node-rs/argon2: add it to your dependencies.',
        { cause },
      )
    },
  )
  return loaded
}
