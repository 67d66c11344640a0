/**
 * Quotes an identifier for SQL (PostgreSQL manual, 4.1.1): the only place that does. Names are checked before they
 * come here; the quoting still holds for any text.
 */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\0')) throw new RangeError('not an identifier')
  return `"${name.replaceAll('"', '""')}"`
}

/** A text constant; a name with a backslash would be read in two ways (`standard_conforming_strings`). */
export function quoteLiteral(text: string): string {
  if (/[\\\0]/.test(text)) throw new RangeError('not a plain text')
  return `'${text.replaceAll("'", "''")}'`
}

/** The same of any text, read in one way whatever the settings are. */
export function quoteText(text: string): string {
  if (!text.includes('\\')) return quoteLiteral(text)
  if (text.includes('\0')) throw new RangeError('not a text')
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

/** `"schema"."name"` */
export function qualify(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}
