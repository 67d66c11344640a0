import type { NamedQuery, TenantQueryable } from '@org/core'

/**
 * Runs a statement whose answer nobody reads: in front of whatever comes next, at no trip of its own, where the handle can. Its
 * text casts every value and names the type of whatever it returns, so that no migration outlives it (`steady`).
 *
 * @internal
 */
export async function send(
  db: TenantQueryable,
  query: NamedQuery & { readonly values: readonly unknown[] },
): Promise<void> {
  if (db.queue) await db.queue({ ...query, steady: true })
  else await db.query(query.text, query.values)
}
