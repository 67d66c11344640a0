import { createSecretKey, type KeyObject } from 'node:crypto'
import { TenancyError } from '@org/core'
import { decodeCanonical } from '../envelope/base64.ts'

/** AES-256. */
export const KEY_BYTES = 32

const HEX_LENGTH = 64
const BASE64_LENGTH = 44

/**
 * A random key has fewer different bytes than this once in 10^36; a placeholder (zeros, one letter, a short word
 * again and again) nearly always.
 */
const FEWEST_DIFFERENT_BYTES = 8

const REASONS = {
  type: 'it is not a string',
  whitespace: 'it begins or ends with white space (a line break from a file?)',
  length: 'it has another length',
  characters: 'it has other characters, or is not the canonical base64 of its bytes',
  placeholder: 'it has hardly any different bytes, so it is a placeholder and not random',
} as const

/**
 * A key from its text: 64 hexadecimal digits or 44 characters of canonical base64. Anything else is refused, never
 * cut, padded or hashed into shape, so that a typo or a pass phrase cannot become a weak key.
 *
 * @param source what to call it in the error, e.g. the variable it came from
 * @throws TenancyError KEY_INVALID; `details` say `key` (the source) and the `reason`, never the value
 */
export function parseKey(text: unknown, source: string): KeyObject {
  if (typeof text !== 'string') throw invalid(source, 'type')
  if (text !== text.trim()) throw invalid(source, 'whitespace')
  const bytes = decode(text, source)
  const different = new Set(bytes).size
  const key = createSecretKey(bytes)
  bytes.fill(0)
  if (different < FEWEST_DIFFERENT_BYTES) throw invalid(source, 'placeholder')
  return key
}

function decode(text: string, source: string): Buffer {
  if (text.length !== HEX_LENGTH && text.length !== BASE64_LENGTH) throw invalid(source, 'length')
  // Node stops reading hexadecimal at the first character that is none: then there are fewer bytes.
  const bytes = text.length === HEX_LENGTH ? Buffer.from(text, 'hex') : decodeCanonical(text)
  if (bytes?.length !== KEY_BYTES) throw invalid(source, 'characters')
  return bytes
}

function invalid(source: string, reason: keyof typeof REASONS): TenancyError {
  return new TenancyError(
    'KEY_INVALID',
    `The key ${source} cannot be used: ${REASONS[reason]}. A key is 32 random bytes as 64 hexadecimal digits or ` +
      '44 characters of base64; `openssl rand -hex 32` makes one.',
    { details: { key: source, reason } },
  )
}
