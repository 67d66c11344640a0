import { invalidOption } from '@org/core'
import type { LearnedType, NamedReaders, ReadValue } from './shape.ts'

/**
 * Parsers for types that tenants have each for themselves, by name: `status`, or `extensions.vector` for the one in that
 * schema only. A type of that name is read by it in every tenant, and arrays of it element by element; `status[]` reads a whole
 * array. PostgreSQL sends a domain's values as those of the type it is over, so that a domain's name counts in arrays only.
 */
export type NamedTypes = Readonly<Record<string, ReadValue>>

/** Types remembered at most; the oldest go first. */
const MAX_TYPES = 20_000

/**
 * Milliseconds a type is remembered. What was learned of a tenant's OID counts for that tenant only, so that nobody can leave a
 * lie for another; and the OID of a dropped type comes again only when the server's counter of 4 thousand million has gone
 * round, which takes longer.
 */
const MAX_AGE_MS = 300_000

interface Remembered {
  readonly type: LearnedType
  readonly at: number
}

/** What is known of the types of a tenancy's tenants. */
export class TenantTypes {
  readonly named: NamedReaders
  readonly #shared: ReadonlySet<string>
  readonly #remembered = new Map<string, Remembered>()

  /** @param shared schemas whose types have one OID for all tenants, and in which no tenant may create */
  constructor(named: NamedReaders, shared: readonly string[]) {
    this.named = named
    this.#shared = new Set(shared)
  }

  /** Whether any type was given a parser by name. */
  get hasNames(): boolean {
    return this.named.size > 0
  }

  /** @param place whose OIDs they are: what no two tenants have in common */
  find(place: string, oid: number): LearnedType | undefined {
    return this.#fresh(`${place} ${oid}`) ?? this.#fresh(` ${oid}`)
  }

  /** Whether a schema's types have one OID for all tenants. */
  isShared(schema: string): boolean {
    return this.#shared.has(schema)
  }

  learn(place: string, types: Iterable<readonly [number, LearnedType]>): void {
    const at = performance.now()
    for (const [oid, type] of types) {
      const key = `${type.shared ? '' : place} ${oid}`
      this.#remembered.delete(key)
      this.#remembered.set(key, { type, at })
    }
    for (const key of this.#remembered.keys()) {
      if (this.#remembered.size <= MAX_TYPES) break
      this.#remembered.delete(key)
    }
  }

  /** After something that may have changed types, a migration for instance. */
  forget(): void {
    this.#remembered.clear()
  }

  #fresh(key: string): LearnedType | undefined {
    const found = this.#remembered.get(key)
    if (!found) return undefined
    if (performance.now() - found.at <= MAX_AGE_MS) return found.type
    this.#remembered.delete(key)
    return undefined
  }
}

/** Names of PostgreSQL's own types that people give parsers to, as the catalogue and as SQL have them (manual, chapter 8). */
const BUILT_IN: ReadonlySet<string> = new Set(
  `bit bool boolean box bpchar bytea char character cidr circle date daterange float4 float8 inet int int2 int4 int8 int4range
  int8range integer bigint smallint interval json jsonb jsonpath line lseg macaddr macaddr8 money name numeric decimal numrange
  oid path point polygon real regclass text time timestamp timestamptz timetz tsquery tsrange tstzrange tsvector uuid varbit
  varchar xml`.split(/\s+/),
)

/** @throws TenancyError INVALID_OPTION */
export function parseNamedTypes(types: NamedTypes | undefined): NamedReaders {
  if (types === undefined) return new Map()
  if (typeof types !== 'object' || types === null)
    throw invalidOption('types', 'an object of parsers by the name of a type: { status: (text) => … }')
  return new Map(
    Object.entries(types).map(([name, read]): [string, ReadValue] => {
      const option = `types.${name.slice(0, 40)}`
      if (name === '' || name.includes('\0')) throw invalidOption(option, 'named as the type is')
      if (typeof read !== 'function') throw invalidOption(option, 'a function of a text')
      if (BUILT_IN.has(name.replace(/\[\]$/, '').replace(/^pg_catalog\./, '')))
        throw invalidOption(
          option,
          'not of a built-in type, whose OID is the same everywhere: give the pool `types`, or use pg.types.setTypeParser',
        )
      return [name, read]
    }),
  )
}
