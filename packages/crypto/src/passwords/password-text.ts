import { TenancyError } from '@org/core'

/**
 * The one text that stands for a password however it was typed: RFC 8265, 4.2 (PRECIS "OpaqueString"). Other spaces
 * become U+0020 and the rest is normalised to NFC, so that "é" is the same from every keyboard. Not NFKC: it would make
 * "²" and "2" one, and would not undo what the user meant to be different.
 *
 * Refused are what the RFC refuses or what some program would change on the way: control characters (NUL ends the
 * text in C), lone surrogates (UTF-8 has no bytes for them, so that all of them would become one password), nothing
 * at all, and more than `maxBytes`. The decision depends on the text alone, never on whose password it is.
 *
 * @throws TenancyError VALIDATION_ERROR; `details.reason` is `type`, `empty`, `length` or `characters`
 */
export function preparePassword(password: unknown, maxBytes: number): string {
  if (typeof password !== 'string') throw invalid('type', 'A password is a string.')
  if (password === '') throw invalid('empty', 'A password is not empty.')
  // Before any work on it; a normalised text can be longer, so that its bytes are counted again.
  if (password.length > maxBytes) throw tooLong(maxBytes)
  if (!password.isWellFormed() || /\p{Cc}/u.test(password)) {
    throw invalid('characters', 'A password has no control characters and is well-formed Unicode.')
  }
  const text = password.replace(/\p{Zs}/gu, ' ').normalize('NFC')
  if (Buffer.byteLength(text) > maxBytes) throw tooLong(maxBytes)
  return text
}

function tooLong(maxBytes: number): TenancyError {
  return invalid('length', `A password has at most ${maxBytes} bytes as UTF-8.`)
}

function invalid(reason: string, message: string): TenancyError {
  return new TenancyError('VALIDATION_ERROR', message, { details: { reason } })
}
