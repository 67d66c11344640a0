import { safeText } from './safe-text.ts'

/** A column: its title, and whether it is numbers, which stand to the right. */
export interface Column {
  readonly title: string
  readonly right?: boolean
}

/** Rows as aligned lines under their titles. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => columns.map((_, at) => safeText(row[at] ?? '')))
  const widths = columns.map(({ title }, at) =>
    cells.reduce((widest, row) => Math.max(widest, row[at]?.length ?? 0), title.length),
  )
  const line = (row: readonly string[]) =>
    columns
      .map(({ right }, at) => {
        const text = row[at] ?? ''
        return right ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0)
      })
      .join('  ')
      .trimEnd()
  return [columns.map(({ title }) => title.toUpperCase()), ...cells].map(line)
}
