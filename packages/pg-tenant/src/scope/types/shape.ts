/** Reads the text of one value. */
export type ReadValue = (text: string) => unknown

/** Names and their parsers; `schema.name` goes before `name`. */
export type NamedReaders = ReadonlyMap<string, ReadValue>

/** Reads the text of an array, each element with `read`. */
type ReadArray = (text: string, read: ReadValue) => unknown

/** How values of a type are read, as far as the catalogue and the names that were given say it. */
export type Shape =
  /** An enum, a composite, a range, …: the text itself. */
  | { readonly kind: 'text' }
  /** Somebody named it. */
  | { readonly kind: 'named'; readonly read: ReadValue }
  /** A type of PostgreSQL's own, under a domain. */
  | { readonly kind: 'builtin'; readonly oid: number }
  | { readonly kind: 'array'; readonly element: Shape; readonly read: ReadArray }

/** A type that was looked up. */
export interface LearnedType {
  /** As PostgreSQL writes it in the tenant's own schema: `mood[]`. */
  readonly name: string
  readonly shape: Shape
  /** OID of the built-in type its values are read as: the same for every tenant. */
  readonly readAs: number
  /** Whether it is in a schema that all tenants share, with one OID for all. */
  readonly shared: boolean
}
