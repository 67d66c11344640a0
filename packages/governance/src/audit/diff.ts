import { invalidField } from '../input/input.ts'
import { canonical, type Json, jsonOf } from '../json/canonical.ts'

/** What changed in one field; a field that is sensitive says only that it changed. */
export type Change = { readonly from?: Json; readonly to?: Json } | { readonly changed: true }

/** How the fields of one kind of entity are treated. */
export interface FieldRules {
  /** Left out of every entry, but for the fact that they changed: hashes, tokens, keys. */
  readonly sensitive?: readonly string[] | undefined
  /** Kept under a key of the subject, so that erasing the subject erases them here too: e-mail, name. */
  readonly personal?: readonly string[] | undefined
}

/** Names that are never written down, whatever was declared. */
const SECRET =
  /pass(?:word|wd|phrase)|secret|token|api[_-]?key|private[_-]?key|credential|authorization|cookie|hash$|^pin$|^cvv?$/i

/** @internal The changes that may be read by whoever reads the log, and those of the subject. */
export interface Diff {
  readonly open: Readonly<Record<string, Change>>
  readonly personal: Readonly<Record<string, Change>>
}

/**
 * The fields that differ. Values of sensitive ones, and of those whose name says that they hold a secret, are left out.
 *
 * @internal
 * @throws TenancyError VALIDATION_ERROR when a value cannot be JSON
 */
export function diff(before: object | undefined, after: object | undefined, rules: FieldRules = {}): Diff {
  const [old, now] = [rowOf(before, 'before'), rowOf(after, 'after')]
  const sensitive = new Set(rules.sensitive)
  const personal = new Set(rules.personal)
  const result = { open: {} as Record<string, Change>, personal: {} as Record<string, Change> }
  for (const name of new Set([...Object.keys(old), ...Object.keys(now)])) {
    const [from, to] = [own(old, name), own(now, name)]
    if (isSame(from, to)) continue
    if (sensitive.has(name) || SECRET.test(name)) set(result.open, name, { changed: true })
    else {
      const change = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
      set(personal.has(name) ? result.personal : result.open, name, withoutSecrets(change))
    }
  }
  return result
}

/** What is not there is null. */
function isSame(from: Json = null, to: Json = null): boolean {
  return from === to || (from !== null && to !== null && canonical(from) === canonical(to))
}

function rowOf(value: object | undefined, field: string): Readonly<Record<string, Json>> {
  if (value === undefined) return {}
  const copy = jsonOf(value)
  if (typeof copy === 'object' && copy !== null && !Array.isArray(copy))
    return copy as Readonly<Record<string, Json>>
  throw invalidField(field, 'an object that JSON can hold')
}

function own(row: Readonly<Record<string, Json>>, name: string): Json | undefined {
  return Object.hasOwn(row, name) ? row[name] : undefined
}

/** Not by assignment: a field may be called `__proto__`. */
function set<T>(target: Record<string, T>, name: string, value: T): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}

/**
 * A copy without the values of members, however deep, whose name says that they hold a secret.
 *
 * @internal
 */
export function withoutSecrets<T>(value: T): T {
  if (Array.isArray(value)) return value.map(withoutSecrets) as T
  if (typeof value !== 'object' || value === null) return value
  const copy: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value)) {
    set(copy, name, SECRET.test(name) ? '[left out]' : withoutSecrets(member))
  }
  return copy as T
}
