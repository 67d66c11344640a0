import { TenancyError } from '@org/core'
import { withLineFeeds } from '../statements.ts'

/**
 * A migration's file as text, without a byte order mark, which PostgreSQL does not understand. Bytes that are no text would become
 * U+FFFD without anybody noticing.
 *
 * @throws TenancyError INVALID_OPTION
 */
export function textOf(bytes: Uint8Array, id: string): string {
  try {
    const text = new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes)
    // UTF-16 without its mark: of each letter one byte is zero.
    if (!text.includes('\0')) return withLineFeeds(text)
  } catch {
    // told below
  }
  throw new TenancyError('INVALID_OPTION', `Migration ${id} is not UTF-8. Save its file as UTF-8.`, {
    details: { option: 'folder', migration: id },
  })
}

/** UTF-8, unless a mark says otherwise: PowerShell writes UTF-16. */
function encodingOf([first, second]: Uint8Array): string {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
}
