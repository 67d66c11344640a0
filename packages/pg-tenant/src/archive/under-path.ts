import type { Admin } from '../admin/transaction.ts'
import { OWN_PATH } from '../sql/own-path.ts'

/**
 * Rows of a query over the catalogue that names things as they read under a tenant's search path. It sets that path
 * itself while it runs (`path as materialized (select set_config('search_path', $2, true))`, in its FROM): it was parsed
 * and planned under the pinned one, which is in force before and behind it, so that none of its functions and operators is looked for among the tenant's.
 *
 * @param values as many as the query has parameters, or more
 */
export async function underPath<R extends object = Record<string, unknown>>(
  admin: Admin,
  sql: string,
  values: readonly unknown[],
): Promise<R[]> {
  const used = Math.max(0, ...[...sql.matchAll(/\$(\d)/g)].map(([, number]) => Number(number)))
  const rows = await admin.run<R>(sql, values.slice(0, used))
  await admin.run(`set local search_path to ${OWN_PATH}`)
  return rows
}
