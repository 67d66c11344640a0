import { TENANT_SETTING } from '../../../isolation/row-place.ts'
import { quoteIdentifier } from '../../../sql/identifier.ts'
import type { Lab } from '../types.ts'

/** An expression by which SQL of one tenant would become another: its path, and its role or setting. */
export function becoming(lab: Lab, tenant: string): string {
  const path = `set_config('search_path', '${quoteIdentifier(lab.schemaOf(tenant))}', true)`
  return lab.isolation === 'schema' ? path : `${path}, ${identityOf(lab, tenant)}`
}

/** The same without the path, for statements that name the table in full. Nothing at level `schema`, which needs none. */
export function identityOf(lab: Lab, tenant: string): string {
  if (lab.isolation === 'schema') return `''`
  if (lab.isolation === 'row') return `set_config('${TENANT_SETTING}', '${tenant}', true)`
  return `set_config('role', '${lab.roleOf(tenant)}', true)`
}
