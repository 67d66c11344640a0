import { TenancyError } from '@org/core'

/** PostgreSQL keeps 63 bytes of an identifier and silently drops the rest (manual, 4.1.1). */
const MAX_IDENTIFIER_BYTES = 63

/**
 * Quotes a configured identifier for SQL (PostgreSQL manual, 4.1.1): the only place here that does.
 *
 * @throws TenancyError INVALID_OPTION when it is no identifier
 */
export function quoteIdentifier(name: unknown, option: string): string {
  if (
    typeof name !== 'string' ||
    name === '' ||
    name.includes('\0') ||
    !name.isWellFormed() ||
    Buffer.byteLength(name) > MAX_IDENTIFIER_BYTES
  ) {
    throw new TenancyError(
      'INVALID_OPTION',
      `The option ${option} is an identifier of 1 to ${MAX_IDENTIFIER_BYTES} bytes.`,
      { details: { option } },
    )
  }
  return `"${name.replaceAll('"', '""')}"`
}
