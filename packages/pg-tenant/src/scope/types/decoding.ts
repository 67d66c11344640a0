import type { TypeParsers } from '../../driver/type-parsers.ts'
import type { LearnedType, ReadValue, Shape } from './shape.ts'
import type { TenantTypes } from './tenant-types.ts'

/** Which of a tenant's own types are read: all, or those that were named (as `pg` reads the others: their text). */
export type Extent = 'all' | 'named'

/** FirstNormalObjectId (access/transam.h): types below are PostgreSQL's own. */
export const FIRST_NORMAL_OID = 16_384

const NONE: readonly number[] = []

/** The part of a column that says its type. */
interface TypedColumn {
  readonly dataTypeID: number
  readonly dataTypeSize: number
}

/** Whose types are read, and how far. */
export interface DecodingOptions {
  readonly known: TenantTypes
  readonly place: string
  readonly extent: Extent
}

/**
 * Reads one result's values: what the caller's parsers know as they say it, a tenant's own types as they were learned.
 */
export class Decoding implements TypeParsers {
  readonly #base: TypeParsers
  readonly #options: DecodingOptions

  constructor(base: TypeParsers, options: DecodingOptions) {
    this.#base = base
    this.#options = options
  }

  /** OIDs among the columns' that must be looked up first. */
  missing(columns: readonly TypedColumn[]): readonly number[] {
    let oids: Set<number> | undefined
    for (const { dataTypeID: oid, dataTypeSize } of columns) {
      if (oid < FIRST_NORMAL_OID || !this.#matters(dataTypeSize) || this.#baseKnows(oid)) continue
      if (this.#options.known.find(this.#options.place, oid)) continue
      oids ??= new Set()
      oids.add(oid)
    }
    return oids ? [...oids] : NONE
  }

  getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
    const found = this.find(oid)
    return found ? readerOf(found.shape, this.#base) : this.#base.getTypeParser(oid, format)
  }

  /** What was learned of a column's type, when that is how it is read. */
  find(oid: number): LearnedType | undefined {
    if (oid < FIRST_NORMAL_OID || this.#baseKnows(oid)) return undefined
    const { known, place, extent } = this.#options
    const found = known.find(place, oid)
    return found && (extent === 'all' || isNamed(found.shape)) ? found : undefined
  }

  /** Whether a type can be read as anything but its text: without names only an array can, whose size varies (an enum's is 4). */
  #matters(size: number): boolean {
    const { known, extent } = this.#options
    return known.hasNames || (extent === 'all' && size === -1)
  }

  /** Parsers that do not know a type give the same for every such type, 0 among them. */
  #baseKnows(oid: number): boolean {
    return this.#base.getTypeParser(oid, 'text') !== this.#base.getTypeParser(0, 'text')
  }
}

/** @param types reads PostgreSQL's own types, as the caller wants them */
function readerOf(shape: Shape, types: TypeParsers): ReadValue {
  switch (shape.kind) {
    case 'text':
      return (text) => text
    case 'named':
      return shape.read
    case 'builtin':
      return types.getTypeParser(shape.oid, 'text')
    case 'array': {
      const element = readerOf(shape.element, types)
      return (text) => shape.read(text, element)
    }
  }
}

/** Whether a name that was given decides how it is read. */
function isNamed(shape: Shape): boolean {
  return shape.kind === 'named' || (shape.kind === 'array' && isNamed(shape.element))
}
