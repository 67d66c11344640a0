import type { TenantKey } from '@org/core'
import { readOnly } from '../doctor/read-only.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { qualify } from '../sql/identifier.ts'

/** A tenant that was adopted, as long as nobody has said that it is to stay one. */
export interface UnconfirmedAdoption {
  readonly tenant: TenantKey
  readonly adoptedAt: Date
}

/** See {@link Tenancy.adoptions}. */
export async function unconfirmed({ adminPool, registry }: Lifecycle): Promise<UnconfirmedAdoption[]> {
  const table = qualify(registry.controlSchema, 'tenant_adoption')
  return await readOnly(adminPool, async (look) => {
    const [found] = await look<{ there: boolean }>('select to_regclass($1) is not null as there', [table])
    if (!found?.there) return []
    return await look<UnconfirmedAdoption>(
      `select key as tenant, adopted_at as "adoptedAt" from ${table} where prefix = $1 order by key collate "C"`,
      [registry.prefix],
    )
  })
}
