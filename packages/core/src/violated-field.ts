import { SQLSTATE } from './sqlstate.ts'

/** The parts of a violation (SQLSTATE class 23) that say which columns; `detail` also holds the values. */
export interface Violation {
  /** Its SQLSTATE: only the detail of a key names columns, that of a CHECK or a partition is the row. */
  readonly code?: unknown
  readonly detail?: unknown
  readonly table?: unknown
  readonly constraint?: unknown
}

/** `Key (email)=(…) already exists.`, `Key (author)=(…) is not present in table "user".` in any language; only plain column names, before the first value. */
const COLUMNS = /^[^(]*\(([a-z_][a-z0-9_]*(?:, [a-z_][a-z0-9_]*)*)\)=\(/
/** `Key (lower(email))=(…)` and `Key (lower((email)::text))=(…)`: the usual way to ignore case. */
const LOWERED = /^[^(]*\(lower\(\(?([a-z_][a-z0-9_]*)\)?(?:::[a-z ]+)?\)\)=\(/

const OF_KEYS: ReadonlySet<unknown> = new Set([
  SQLSTATE.RESTRICT_VIOLATION,
  SQLSTATE.UNIQUE_VIOLATION,
  SQLSTATE.FOREIGN_KEY_VIOLATION,
  SQLSTATE.EXCLUSION_VIOLATION,
])

/**
 * The column or columns (`tenant_id` left out) whose values were refused, never the values: `email`. PostgreSQL names
 * them in `detail`, except of a CHECK, under row security or without SELECT; then the constraint's name is all there is
 * (`user_email_key`, `idx_user_email`, `user_age_check`).
 *
 * @returns columns joined by `, `; `undefined` when it cannot be told
 * @example
 * ```ts
 * import { violatedField } from '@org/core'
 *
 * violatedField({ detail: 'Key (email)=(ana@example.com) already exists.' }) // → 'email'
 * violatedField({ table: 'user', constraint: 'user_email_key' }) // → 'email'
 * ```
 */
export function violatedField({ code, detail, table, constraint }: Violation): string | undefined {
  // guard: a row whose text looks like a key (`Failing row contains (ann)=().`) is not read as one
  const keyed = code === undefined || OF_KEYS.has(code) ? detail : undefined
  const [, columns] = (typeof keyed === 'string' && (COLUMNS.exec(keyed) ?? LOWERED.exec(keyed))) || []
  if (columns !== undefined) return withoutTenant(columns.split(', '))
  if (typeof table !== 'string' || typeof constraint !== 'string') return undefined
  const bare = constraint
    .replace(/^(?:idx|uq|uniq|unique|uk)_/, '')
    .replace(/_(?:key\d*|idx\d*|unique|uq|fkey\d*|check\d*|not_null\d*|excl\d*)$/, '')
  if (bare === constraint || !bare.startsWith(`${table}_`)) return undefined
  return withoutTenant([bare.slice(table.length + 1).replace(/^tenant_id_/, '')])
}

function withoutTenant(columns: readonly string[]): string | undefined {
  const own = columns.filter((column) => column !== 'tenant_id' && column !== '')
  return own.length === 0 ? undefined : own.join(', ')
}
