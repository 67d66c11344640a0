import type { Step } from '../../driver/exchange.ts'
import { anew, bind, describe, execute, type Slot } from '../../driver/messages.ts'
import { readArray } from './array-text.ts'
import type { LearnedType, NamedReaders, ReadValue, Shape } from './shape.ts'

// The types asked for, and what they are made of: elements of arrays, what a domain is over. Nothing here is found through a
// search path, so that it may run inside a tenant's transaction: a type made there is seen nowhere else.
// A composite's typelem is 0; a fixed-length type with elements (point) is no array: typlen.
export const TYPES = `with recursive reached(id) as (
    select asked.id from pg_catalog.unnest($1::pg_catalog.oid[]) as asked(id)
  union
    select part.id
    from reached
      join pg_catalog.pg_type whole on whole.oid operator(pg_catalog.=) reached.id
      cross join lateral (values (whole.typelem), (whole.typbasetype)) as part(id)
    where part.id operator(pg_catalog.<>) 0::pg_catalog.oid
)
select type.oid::pg_catalog.text, schema.nspname::pg_catalog.text, type.typname::pg_catalog.text,
  type.typtype::pg_catalog.text, type.typdelim::pg_catalog.text, type.typbasetype::pg_catalog.text,
  type.typarray::pg_catalog.text,
  case when type.typlen operator(pg_catalog.=) (-1)::pg_catalog.int2
      and type.typcategory operator(pg_catalog.=) 'A'::pg_catalog."char"
    then type.typelem::pg_catalog.text else '0' end
from reached
  join pg_catalog.pg_type type on type.oid operator(pg_catalog.=) reached.id
  join pg_catalog.pg_namespace schema on schema.oid operator(pg_catalog.=) type.typnamespace`

/** A row of {@link TYPES}. */
export type TypeRow = readonly (string | null)[]

/** The look-up as a step of an exchange. */
export function typesStep(slot: Slot, oids: readonly number[], row: (row: TypeRow) => void): Step {
  const bytes = [anew(slot, TYPES), bind('', slot, [literal(oids)]), describe(''), execute('', 0)]
  return {
    phase: 'statement',
    bytes: Buffer.concat(bytes),
    sink: { row },
    ...(slot === '' && { prepares: { name: '', text: TYPES } }),
  }
}

/** The parameter of {@link TYPES}. */
export function literal(oids: readonly number[]): string {
  return `{${oids.join(',')}}`
}

const FIRST_NORMAL_OID = 16_384
const TEXT = 25
const TEXT_ARRAY = 1009

interface CatalogType {
  readonly schema: string
  readonly name: string
  readonly kind: string
  readonly delimiter: string
  readonly over: number
  readonly arrayOid: number
  readonly element: number
}

/** What the rows say of each type. */
export function learnedTypes(
  rows: readonly TypeRow[],
  known: { readonly named: NamedReaders; isShared(schema: string): boolean },
): Map<number, LearnedType> {
  const catalog = new Map(rows.map((row) => [Number(row[0]), catalogType(row)]))
  return new Map(
    [...catalog.entries()]
      .filter(([oid]) => oid >= FIRST_NORMAL_OID)
      .map(([oid, type]) => {
        const shape = shapeOf(oid, catalog, known.named)
        const element = catalog.get(type.element)
        return [
          oid,
          {
            name: element ? `${element.name}[]` : type.name,
            shape,
            readAs: readAs(shape, catalog),
            shared: known.isShared(type.schema),
          },
        ]
      }),
  )
}

function catalogType(row: TypeRow): CatalogType {
  const [, schema, name, kind, delimiter, over, arrayOid, element] = row.map((value) => value ?? '')
  return {
    schema: schema ?? '',
    name: name ?? '',
    kind: kind ?? '',
    delimiter: delimiter ?? '',
    over: Number(over),
    arrayOid: Number(arrayOid),
    element: Number(element),
  }
}

function shapeOf(oid: number, catalog: ReadonlyMap<number, CatalogType>, named: NamedReaders): Shape {
  if (oid !== 0 && oid < FIRST_NORMAL_OID) return { kind: 'builtin', oid }
  const type = catalog.get(oid)
  if (!type) return { kind: 'text' }
  const element = catalog.get(type.element)
  const read = nameIn(named, element ?? type, element ? '[]' : '')
  if (read) return { kind: 'named', read }
  if (type.kind === 'd') return shapeOf(type.over, catalog, named)
  // Only its own input function knows another delimiter (manual, CREATE TYPE).
  if (element?.delimiter !== ',') return { kind: 'text' }
  return { kind: 'array', element: shapeOf(type.element, catalog, named), read: readArray }
}

/** A name without a schema stands for the type of that name in any schema; a dot in a type's own name makes it no other's. */
function nameIn(named: NamedReaders, { schema, name }: CatalogType, suffix: string): ReadValue | undefined {
  const found = named.get(`${schema}.${name}${suffix}`)
  return found ?? (name.includes('.') ? undefined : named.get(`${name}${suffix}`))
}

function readAs(shape: Shape, catalog: ReadonlyMap<number, CatalogType>): number {
  if (shape.kind === 'builtin') return shape.oid
  if (shape.kind !== 'array') return TEXT
  const { element } = shape
  const arrayOid = element.kind === 'builtin' ? catalog.get(element.oid)?.arrayOid : undefined
  return arrayOid || TEXT_ARRAY
}
