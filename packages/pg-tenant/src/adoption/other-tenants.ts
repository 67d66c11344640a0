import type { TenantKey } from '@org/core'
import type { Look } from '../doctor/read-only.ts'
import { rolePrefixAt } from '../isolation/names.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import type { AdoptionFinding } from './finding.ts'

/** Owners that are the roles of other tenants: they would become members of this one's. */
export async function tenantsAmong(
  look: Look,
  { level, naming, registry }: Lifecycle,
  tenant: TenantKey,
  owners: readonly { readonly name: string }[],
): Promise<readonly string[]> {
  const table = qualify(registry.controlSchema, 'tenant')
  const [found] = await look<{ there: boolean }>('select to_regclass($1) is not null as there', [table])
  if (!found?.there || owners.length === 0) return []
  const rows = await look<{ role: string }>(
    `select distinct o.role from unnest($1::text[]) o (role) join ${table} t
       on t.role_name = o.role or t.role_name is null and t.prefix = $2 and $3 || t.key = o.role
     where not (t.prefix = $2 and t.key = $4)`,
    [owners.map(({ name }) => name), registry.prefix, rolePrefixAt(naming, level), tenant],
  )
  return rows.map(({ role }) => role)
}

export function ownedByTenant(schema: string, role: string): AdoptionFinding {
  return {
    code: 'OWNER_IS_TENANT',
    severity: 'error',
    subject: role,
    message: `${quoteIdentifier(role)} is the role of another tenant and owns something in ${quoteIdentifier(schema)}: until the confirmation it could do there whatever this tenant may.`,
    fix: 'Drop what it owns there, or give it to whoever owns the schema; and REVOKE CREATE ON SCHEMA from PUBLIC.',
  }
}
