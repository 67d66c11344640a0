import { createHash, createHmac, pbkdf2 as pbkdf2WithCallback, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { TenancyError } from '@org/core'

const pbkdf2 = promisify(pbkdf2WithCallback)

const PASSWORD_BYTES = 32
const SALT_BYTES = 16
/** PostgreSQL's default for `scram_iterations`; a password of 256 random bits gains nothing from more. */
const ITERATIONS = 4_096
const KEY_BYTES = 32

/** A new password: 256 random bits in characters that need no quoting in URLs or files. */
export function generatePassword(): string {
  return randomBytes(PASSWORD_BYTES).toString('base64url')
}

/**
 * What PostgreSQL stores of a password (`pg_authid.rolpassword`; RFC 5802 section 3, RFC 7677). Computed here, so that
 * the password itself never reaches the server and so never its log.
 */
export async function scramVerifier(
  password: string,
  salt: Buffer = randomBytes(SALT_BYTES),
  iterations: number = ITERATIONS,
): Promise<string> {
  const salted = await pbkdf2(password, salt, iterations, KEY_BYTES, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64')
  const serverKey = hmac('Server Key').toString('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}

/** Printable ASCII only: SASLprep (RFC 4013), which the protocol prescribes, leaves it as it is. */
export const isPassword = (password: unknown): password is string =>
  typeof password === 'string' && /^[\x21-\x7e]{1,1000}$/.test(password)

/**
 * Checks a password that was supplied.
 *
 * @throws TenancyError INVALID_OPTION
 */
export function checkPassword(password: unknown): string {
  if (isPassword(password)) return password
  throw new TenancyError(
    'INVALID_OPTION',
    "credentials must give a tenant's password as 1 to 1,000 printable ASCII characters without spaces.",
    { details: { option: 'credentials' } },
  )
}
