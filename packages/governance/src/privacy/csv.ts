/** How rows become CSV. */
export interface CsvOptions {
  /**
   * `neutralise` (default): a value that a spreadsheet would take for a formula is marked as text by an apostrophe in front
   * (OWASP, CSV injection). `keep`: values are written as they are, for programs.
   */
  readonly formulas?: 'neutralise' | 'keep' | undefined
}

/** What begins a formula in a spreadsheet: `=`, `+`, `-`, `@`, tab, carriage return, their full-width forms; also behind space. */
const FORMULA = /^\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/

/** A plain number may begin with a sign. */
const NUMBER = /^[+-]?\d{1,30}(?:\.\d{1,30})?$/

/**
 * Rows as CSV (RFC 4180): a line of names, CRLF, quotes where they are needed. Objects are written as JSON.
 *
 * @example
 * ```ts
 * import { toCsv } from '@org/governance/privacy'
 *
 * toCsv([{ name: 'Ana', city: 'Porto' }]) // → 'name,city\r\nAna,Porto\r\n'
 * toCsv([{ name: '=HYPERLINK("http://x")' }]).split('\r\n')[1] // → `"'=HYPERLINK(""http://x"")"`
 * ```
 */
export function toCsv(rows: readonly object[], { formulas = 'neutralise' }: CsvOptions = {}): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const cell = (value: unknown) => quoted(formulas === 'keep' ? textOf(value) : neutral(textOf(value)))
  const lines = rows.map((row) => names.map((name) => cell((row as Record<string, unknown>)[name])).join(','))
  return [names.map(cell).join(','), ...lines].map((line) => `${line}\r\n`).join('')
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function neutral(text: string): string {
  return FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text
}

function quoted(text: string): string {
  return /[",\r\n\t]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
