import type { TenantKey } from '@org/core'
import type { Entrance, Isolation, Renewal } from './isolation.ts'
import type { Naming } from './names.ts'

/** How to ask for schema, role and database of a tenant as the registry has them. */
export interface NamesSource {
  /** A query, for a session that may ask; left out where scopes log in as tenants, who may not. */
  readonly question?: (tenant: TenantKey) => string
  /** Asks on a connection of the application's. */
  readonly learn?: (tenant: TenantKey) => Promise<void>
}

/** The entrances of a level whose tenants may have names that this process does not know yet, or not any more. */
export function renewable(
  naming: Naming,
  { question, learn }: NamesSource,
  entranceOf: (tenant: TenantKey) => Omit<Entrance, 'renewal'>,
): Isolation['entranceOf'] {
  const enter = (tenant: TenantKey): Entrance => {
    const used = entranceOf(tenant)
    const answered: Renewal['answered'] = async (row) => {
      if (row) {
        const [schema = null, role = null, database = null] = row
        naming.names.learn(tenant, { schema, role, database })
      }
      await learn?.(tenant)
      const now = enter(tenant)
      return isSame(used, now) ? undefined : now
    }
    return { ...used, renewal: () => ({ question: question?.(tenant), answered }) }
  }
  return enter
}

function isSame(a: Omit<Entrance, 'renewal'>, b: Entrance): boolean {
  return a.pin === b.pin && a.gate.values.join('\0') === b.gate.values.join('\0')
}
