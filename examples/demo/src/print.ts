import { styleText } from 'node:util'

// styleText leaves colours out by itself when stdout is no terminal or NO_COLOR is set.

export const bold = (text: string): string => styleText('bold', text)
export const dim = (text: string): string => styleText('dim', text)
export const mark = (good: boolean): string => (good ? styleText('green', '✓') : styleText('red', '✗'))

const INDENT = '   '

export function line(text = ''): void {
  console.log(text === '' ? '' : INDENT + text)
}

export function heading(number: number, text: string): void {
  console.log(`\n${bold(`${number}  ${text}`)}`)
}

/** Prints rows under a header, each column as wide as its widest cell; numbers to the right, text to the left. */
export function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const widths = header.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => String(row[at]).length)),
  )
  const cells = (row: readonly (string | number)[]): string =>
    row
      .map((cell, at) => {
        const width = widths[at] ?? 0
        return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width)
      })
      .join('   ')
      .trimEnd()
  const right = header.map((title, at) =>
    typeof rows[0]?.[at] === 'number' ? title.padStart(widths[at] ?? 0) : title,
  )
  line(dim(cells(right)))
  for (const row of rows) line(cells(row))
}

/** `740 ms` or `1.3 s` */
export function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}
