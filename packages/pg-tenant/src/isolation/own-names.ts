import { createHash } from 'node:crypto'
import { MAX_IDENTIFIER_BYTES, parseTenantKey, TenancyError, type TenantKey } from '@org/core'

/** A tenant's name for something, or `undefined` where its key and the prefix say it. */
export type NameFunction = (key: TenantKey) => string | undefined

/** Which key a name is checked for. */
export interface NameContext {
  readonly tenant: TenantKey
  /** What makes the names of other keys. */
  readonly prefix: string
  /** Whose value it is, for the error. */
  readonly option: string
}

/**
 * Checks a name that is not made of prefix and key. It must not be one that the prefix gives to another key: so no tenant can
 * ever be found under a name of another, whatever a process knows of the map.
 *
 * @throws TenancyError INVALID_OPTION
 */
export function requireOwnName(name: unknown, { tenant, prefix, option }: NameContext): string {
  if (!isName(name))
    throw refused(option, `a name of 1 to ${MAX_IDENTIFIER_BYTES} bytes, for every key it gives one`)
  if (RESERVED.test(name)) throw refused(option, 'a name that PostgreSQL does not keep for itself')
  const other = namesOther(name, prefix, tenant)
  if (other === undefined) return name
  const message =
    `With prefix "${prefix}" the name "${name}" is that of key "${other}", so it cannot be that of "${tenant}". ` +
    `Use the key "${other}" for it, or a prefix that no name of yours begins with.`
  throw new TenancyError('INVALID_OPTION', message, { details: { option, tenant } })
}

/** The other key whose name this would be without any map; `undefined` when there is none. */
export function namesOther(name: string, prefix: string, tenant: TenantKey): string | undefined {
  const key = name.startsWith(prefix) ? name.slice(prefix.length) : ''
  if (key === '' || key === tenant) return undefined
  try {
    return parseTenantKey(key, { prefix })
  } catch {
    return undefined
  }
}

export function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value === '' || value.includes('\0') || !value.isWellFormed()) return false
  return value.length <= MAX_IDENTIFIER_BYTES && Buffer.byteLength(value) <= MAX_IDENTIFIER_BYTES
}

/** Short enough for a marker behind the longest prefix; 80 bits. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 20)
}

const RESERVED = /^(?:pg_.*|information_schema)$/

function refused(option: string, expected: string): TenancyError {
  return new TenancyError('INVALID_OPTION', `Option "${option}" must give ${expected}.`, {
    details: { option },
  })
}

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
