/** Quotes an identifier for SQL (PostgreSQL manual, 4.1.1): the only place in this package that does. */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\0')) throw new RangeError('not an identifier')
  return `"${name.replaceAll('"', '""')}"`
}

/** `"schema"."name"`. */
export function qualify(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}

/** A constant for SQL (manual, 4.1.2.1): only for definitions, which take no parameters. */
export function quoteLiteral(text: string): string {
  if (text.includes('\0')) throw new RangeError('not a constant')
  const quoted = `'${text.replaceAll("'", "''")}'`
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted
}
