/** What loops and expressions stumble over: long runs of what may be skipped, opened and never closed. */
export const SHAPES: readonly (readonly [string, (length: number) => string])[] = [
  ['blanks in the middle', (n) => `a${' '.repeat(n)}b`],
  ['tabs and commas', (n) => `a${'\t, '.repeat(n / 3)}b`],
  ['quotes and backslashes', (n) => `"${'\\"'.repeat(n / 2)}`],
  ['semicolons and equals', (n) => '=;'.repeat(n / 2)],
  ['dots', (n) => `${'a.'.repeat(n / 2)}!`],
  ['dashes and newlines', (n) => '--\n'.repeat(n / 3)],
  ['slashes', (n) => `${'/a'.repeat(n / 2)}\\`],
  ['percent signs', (n) => '%41'.repeat(n / 3)],
  ['brackets', (n) => `${'('.repeat(n / 2)}${'['.repeat(n / 2)}`],
  ['comments that open', (n) => '/*'.repeat(n / 2)],
  ['dollars', (n) => '$a$ $b '.repeat(n / 7)],
  ['letters', (n) => 'a'.repeat(n)],
  ['base64 and padding', (n) => `${'A'.repeat(n / 2)}${'='.repeat(n / 2)}`],
  ['languages', (n) => 'pt;q=0.1,'.repeat(n / 9)],
]
