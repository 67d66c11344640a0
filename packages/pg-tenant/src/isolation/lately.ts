import type { TenantKey } from '@org/core'
import type { Entrance } from './isolation.ts'

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
