import { type AnyIn, type Equal, expectType } from '@org/pg-testing/expect-type'
import type * as passwordTypes from '../../src/passwords/index.ts'
import {
  createPasswords,
  type PasswordOptions,
  type Passwords,
  type Verdict,
} from '../../src/passwords/index.ts'

declare const passwords: Passwords
declare const user: { hash: string | null } | undefined

expectType<Equal<AnyIn<typeof passwordTypes>, never>>(true)
expectType<Equal<AnyIn<{ options: PasswordOptions; passwords: Passwords; verdict: Verdict }>, never>>(true)
expectType<Equal<keyof typeof passwordTypes, 'createPasswords'>>(true)

export async function uses(): Promise<void> {
  createPasswords()
  createPasswords({ memoryCost: 47_104, timeCost: 1, maxConcurrent: 2 })
  // What a look-up gives can be passed as it is.
  const verdict = await passwords.verify('a', user?.hash)
  expectType<Equal<typeof verdict, Verdict>>(true)
  expectType<Equal<Verdict, { readonly valid: boolean; readonly needsRehash: boolean }>>(true)
  await passwords.hash('a', { signal: AbortSignal.timeout(1_000) })
}

export async function misuses(): Promise<void> {
  // @ts-expect-error a number is a number
  createPasswords({ memoryCost: '19456' })
  // @ts-expect-error an option there is not
  createPasswords({ memory: 19_456 })
  // @ts-expect-error the hash of a user that is not there is undefined, not left out
  await passwords.verify('a')
  // @ts-expect-error a verdict is no boolean: `if (await verify(…))` would always be true
  const valid: boolean = await passwords.verify('a', 'hash')
  // @ts-expect-error a password is text
  await passwords.hash(Buffer.from('a'))
  // @ts-expect-error a verdict is not changed
  ;(await passwords.verify('a', 'hash')).valid = valid
}
