/** A value that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** How deep values may be nested: beyond that a small text costs a lot of stack. */
const MAX_DEPTH = 32

/** @internal */
export class TooDeep extends Error {
  override readonly name = 'TooDeep'
}

/**
 * One text for equal values: names sorted, no white space (after RFC 8785). `jsonb` gives a value back with its names in
 * another order; this text is the same before and after.
 *
 * @internal
 * @throws TooDeep for what is nested deeper than anything that {@link jsonOf} lets through
 */
export function canonical(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH * 2) throw new TooDeep()
  if (Array.isArray(value)) return `[${value.map((one) => canonical(one, depth + 1)).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member, depth + 1)}`).join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

/**
 * A copy as JSON has it, or `undefined` when JSON or `jsonb` cannot hold it: circular, a bigint, NUL, half a surrogate pair,
 * nested too deep.
 *
 * @internal
 */
export function jsonOf(value: unknown): Json | undefined {
  try {
    const text = JSON.stringify(value)
    if (text === undefined) return undefined
    const copy = JSON.parse(text) as Json
    return holds(copy, 0) ? copy : undefined
  } catch {
    return undefined
  }
}

function holds(value: Json, depth: number): boolean {
  if (typeof value === 'string') return !value.includes('\0') && value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  if (depth >= MAX_DEPTH) return false
  return Object.entries(value).every(([name, member]) => holds(name, depth) && holds(member, depth + 1))
}
