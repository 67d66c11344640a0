import { isUtf8 } from 'node:buffer'
import { invalidSecret } from './errors.ts'

/** 64 MiB: far more than a secret, far less than what a string or a row can hold. */
export const MAX_SECRET_BYTES = 64 * 1024 * 1024

/** @throws TenancyError VALIDATION_ERROR for what would not come back as it was given */
export function checkPlaintext(value: unknown): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) {
      throw invalidSecret(
        'plaintext',
        'The text to seal has half a surrogate pair, which UTF-8 cannot keep. Seal its bytes instead.',
      )
    }
    // UTF-8 takes at most three bytes for each UTF-16 unit: only long texts need counting.
    if (value.length * 3 > MAX_SECRET_BYTES && Buffer.byteLength(value) > MAX_SECRET_BYTES) throw tooLong()
    return
  }
  if (!(value instanceof Uint8Array)) {
    throw invalidSecret('plaintext', 'What is sealed is a string or a Uint8Array.')
  }
  if (value.length > MAX_SECRET_BYTES) throw tooLong()
}

/** The text of `bytes`, or `null` when they are not UTF-8: never with characters replaced. */
export function textOf(bytes: Buffer): string | null {
  return isUtf8(bytes) ? bytes.toString('utf8') : null
}

function tooLong(): Error {
  return invalidSecret('plaintext', `A secret has at most ${MAX_SECRET_BYTES} bytes.`)
}
