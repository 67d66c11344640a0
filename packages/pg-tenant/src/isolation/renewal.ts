import type { TenantKey } from '@org/core'
import type { Entrance, Isolation, Renewal } from './isolation.ts'
import { type Naming, schemaOf } from './names.ts'

/** How to ask for schema, role and database of a tenant as the registry has them. */
export interface NamesSource {
  /** A query, for a session that may ask; left out where scopes log in as tenants, who may not. */
  readonly question?: (tenant: TenantKey) => string
  /** Asks on a connection of the application's. */
  readonly learn?: (tenant: TenantKey) => Promise<void>
}

/**
 * The entrances of a level whose tenants may have names that this process does not know yet, or not any more.
 *
 * @param role what the scopes of a tenant run as, where that has a name
 */
export function renewable(
  naming: Naming,
  { question, learn }: NamesSource,
  role: (tenant: TenantKey) => string,
  entranceOf: (tenant: TenantKey, schema: string, role: string) => Omit<Entrance, 'renewal'>,
): Isolation['entranceOf'] {
  const lately = new LatelyEntered()
  const make = (tenant: TenantKey, schema: string, as: string): Entrance => {
    const used = entranceOf(tenant, schema, as)
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
  const enter = (tenant: TenantKey): Entrance => {
    const schema = schemaOf(naming, tenant)
    const as = role(tenant)
    return lately.find(tenant, schema, as) ?? lately.keep(tenant, schema, as, make(tenant, schema, as))
  }
  return enter
}

function isSame(a: Omit<Entrance, 'renewal'>, b: Entrance): boolean {
  return a.pin === b.pin && a.gate.values.join('\0') === b.gate.values.join('\0')
}

/** Entrances that are remembered, about 1.5 kB each with their messages. */
const MAX = 1_000

/** An entrance, and the names it was made of. */
interface Made {
  readonly entrance: Entrance
  readonly schema: string
  readonly role: string
}

/**
 * The entrances of the tenants that came lately, so that their texts and messages are made once. Names are asked for each time: one
 * that was made of others is made anew.
 */
export class LatelyEntered {
  readonly #made = new Map<TenantKey, Made>()

  find(tenant: TenantKey, schema: string, role: string): Entrance | undefined {
    const known = this.#made.get(tenant)
    return known?.schema === schema && known.role === role ? known.entrance : undefined
  }

  keep(tenant: TenantKey, schema: string, role: string, entrance: Entrance): Entrance {
    // All at once: to know who came first would cost each scope something.
    if (this.#made.size >= MAX && !this.#made.has(tenant)) this.#made.clear()
    this.#made.set(tenant, { entrance, schema, role })
    return entrance
  }
}
