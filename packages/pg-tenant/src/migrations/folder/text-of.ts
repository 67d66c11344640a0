import { TenancyError } from '@org/core'

/** Takes a byte order mark off, which PostgreSQL does not understand. */
const UTF8 = new TextDecoder('utf-8', { fatal: true })

/**
 * A migration's file as text. Bytes that are not UTF-8 would become U+FFFD without anybody noticing.
 *
 * @throws TenancyError INVALID_OPTION
 */
export function textOf(bytes: Uint8Array, id: string): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw new TenancyError('INVALID_OPTION', `Migration ${id} is not UTF-8. Save its file as UTF-8.`, {
      details: { option: 'folder', migration: id },
    })
  }
}
