/** Quotes an identifier for SQL (PostgreSQL manual, 4.1.1): the only place in this package that does. */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\0')) throw new RangeError('not an identifier')
  return `"${name.replaceAll('"', '""')}"`
}
