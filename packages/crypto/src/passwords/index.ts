export type { PasswordOptions } from './options.ts'
export { createPasswords, type Passwords, type Verdict } from './passwords.ts'
export type { WaitOptions } from './turnstile.ts'
