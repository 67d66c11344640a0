/** The parts of a violation (SQLSTATE class 23) that say which columns; `detail` also holds the values. */
export interface Violation {
  readonly detail?: unknown
  readonly table?: unknown
  readonly constraint?: unknown
}

/** `Key (email)=(…) already exists.`, `Key (author)=(…) is not present in table "user".` in any language; only plain column names, before the first value. */
const COLUMNS = /^[^(]*\(([a-z_][a-z0-9_]*(?:, [a-z_][a-z0-9_]*)*)\)=\(/
/** `Key (lower(email))=(…)` and `Key (lower((email)::text))=(…)`: the usual way to ignore case. */
const LOWERED = /^[^(]*\(lower\(\(?([a-z_][a-z0-9_]*)\)?(?:::[a-z ]+)?\)\)=\(/

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
export function violatedField({ detail, table, constraint }: Violation): string | undefined {
  const [, columns] = (typeof detail === 'string' && (COLUMNS.exec(detail) ?? LOWERED.exec(detail))) || []
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
