/** What JavaScript's numbers have at most: JSON that says more was put together by hand. */
const MAX_EXPONENT = 324

/** The most that a character of JSON becomes: `1e308` is six bytes with its comma, and 310 where every digit is written. */
const MOST = 64

/**
 * Whether JSON is larger than so many bytes, or `jsonb` of it may be when it is text again: there a space stands behind each "," and
 * ":", and numbers have all their digits.
 *
 * @internal
 * @param json as `JSON.stringify` writes it
 */
export function isWrittenLonger(json: string, bytes: number): boolean {
  if (json.length * MOST <= bytes) return false
  let written = Buffer.byteLength(json)
  const outside = json.replaceAll(/"[^"\\]*(?:\\.[^"\\]*)*"?/gs, '')
  for (const [, exponent] of outside.matchAll(/[,:]|e[+-]?(\d+)/gi)) {
    const digits = Number(exponent ?? 1)
    written += digits > MAX_EXPONENT ? Number.POSITIVE_INFINITY : digits
  }
  return written > bytes
}
