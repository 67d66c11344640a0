import type { NamedQuery, TenantQueryable } from '@org/core'

/**
 * Runs a statement whose answer nobody reads: in front of whatever comes next, at no trip of its own, where the handle can.
 *
 * @internal
 */
export async function send(
  db: TenantQueryable,
  query: NamedQuery & { readonly values: readonly unknown[] },
): Promise<void> {
  if (db.queue) await db.queue(query)
  else await db.query(query.text, query.values)
}
