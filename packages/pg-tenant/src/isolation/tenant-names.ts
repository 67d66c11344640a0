import type { TenantKey } from '@org/core'

/** Names of a tenant that its key does not say; what is left out is prefix and key. */
export interface OwnNames {
  readonly schema?: string
  readonly role?: string
  readonly database?: string
}

/** The same as the registry has them. */
export interface RegistryNames {
  readonly schema: string | null
  readonly role: string | null
  readonly database: string | null
}

/** Tenants with names of their own that are remembered: a few hundred bytes each. */
const MAX = 100_000

/**
 * What this process knows of names in the registry. Only tenants that have names of their own take room. Nothing here has to be
 * up to date: a scope opens only where it finds its tenant's marker, and one that does not find it asks the registry.
 */
export class TenantNames {
  readonly #known = new Map<string, OwnNames>()

  of(tenant: TenantKey): OwnNames | undefined {
    return this.#known.size === 0 ? undefined : this.#known.get(tenant)
  }

  /** @returns whether that was news */
  learn(tenant: string, { schema, role, database }: RegistryNames): boolean {
    const old = this.#known.get(tenant)
    if (
      (old?.schema ?? null) === schema &&
      (old?.role ?? null) === role &&
      (old?.database ?? null) === database
    )
      return false
    this.#known.delete(tenant)
    if (schema === null && role === null && database === null) return true
    if (this.#known.size >= MAX) {
      const [oldest] = this.#known.keys()
      if (oldest !== undefined) this.#known.delete(oldest)
    }
    this.#known.set(tenant, {
      ...(schema !== null && { schema }),
      ...(role !== null && { role }),
      ...(database !== null && { database }),
    })
    return true
  }
}
