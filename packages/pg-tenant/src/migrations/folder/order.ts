const DIGITS = /^[0-9]+/
const OTHERS = /^[^0-9]+/

/**
 * Compares names as people number them: runs of digits by their value, so that `2_tags` comes before `10_index`; the rest
 * by code unit. Names with leading zeros or timestamps keep the order they have in a listing.
 */
export function byNumber(a: string, b: string): number {
  let [left, right] = [a, b]
  while (left !== '' && right !== '') {
    const [x, y] = [head(left), head(right)]
    const order = DIGITS.test(x) && DIGITS.test(y) ? byValue(x, y) : byUnits(x, y)
    if (order !== 0) return order
    left = left.slice(x.length)
    right = right.slice(y.length)
  }
  return left.length - right.length || byUnits(a, b)
}

/** Flyway's order: versions part by part, `1` before `1.1`, `2` before `10`; a missing part counts as zero. */
export function byVersion(a: readonly string[], b: readonly string[]): number {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const order = byValue(a[at] ?? '0', b[at] ?? '0')
    if (order !== 0) return order
  }
  return 0
}

/**
 * The order of Diesel's folders, `2017-08-31-230457_invitations` behind `20170804200817_emails`: dates digit by digit, however much of the time
 * they say, without their dashes. What is too short for a date is a number; what has none comes last. Where some numbers are neither, all
 * are ordered by their numbers as they stand.
 */
export function byTimestampOf(names: readonly string[]): (a: string, b: string) => number {
  if (names.some((name) => DIGITS.test(name) && !TIMESTAMP.test(name))) return byNumber
  return (a, b) => byUnits(timestampOf(a), timestampOf(b)) || byUnits(a, b)
}

/** A number, or a date with dashes. */
const TIMESTAMP = /^(?:[0-9]+|[0-9]{4}(?:-[0-9]+)+)(?:_|$)/

function timestampOf(name: string): string {
  if (!DIGITS.test(name)) return name
  const [version = ''] = name.split('_', 1)
  return version.replaceAll('-', '').padStart('20170831'.length, '0')
}

function head(text: string): string {
  return (DIGITS.exec(text) ?? OTHERS.exec(text))?.[0] ?? ''
}

function byValue(a: string, b: string): number {
  const [x, y] = [BigInt(a), BigInt(b)]
  return x < y ? -1 : Number(x > y)
}

function byUnits(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
