import { TENANT_SETTING } from '../../../isolation/row.ts'
import { quoteIdentifier } from '../../../sql/identifier.ts'
import type { Lab } from '../types.ts'

/** An expression by which SQL of one tenant would become another: its path, and its role or setting. */
export function becoming(lab: Lab, tenant: string): string {
  const path = `set_config('search_path', '${quoteIdentifier(lab.schemaOf(tenant))}', true)`
  const { shared, ownRole } = lab.traits
  return shared || ownRole ? `${path}, ${identityOf(lab, tenant)}` : path
}

/** The same without the path, for statements that name the table in full. Nothing at level `schema`, which needs none. */
export function identityOf(lab: Lab, tenant: string): string {
  const { shared, ownRole } = lab.traits
  if (shared) return `set_config('${TENANT_SETTING}', '${tenant}', true)`
  return ownRole ? `set_config('role', '${lab.roleOf(tenant)}', true)` : `''`
}
