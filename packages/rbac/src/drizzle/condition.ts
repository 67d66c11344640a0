import { TenancyError } from '@org/core'
import { type AnyColumn, and, not, or, type SQL, sql } from 'drizzle-orm'
import { type Condition, type Scalar, visitCondition } from '../constraints/condition.ts'
import { COLUMN, type NumberKind, numberIn, numberTest, type Piece } from '../sql/number-tests.ts'

/** The column behind each field of the resource: `{ ownerId: notes.ownerId }`. */
export type DrizzleColumns = Readonly<Record<string, AnyColumn>>

type Kind = 'text' | 'uuid' | 'boolean' | NumberKind

const UNKNOWN = sql`null::boolean`

/**
 * The condition for `where()`: true for exactly those rows for which `can` says yes. Types come from the columns
 * themselves; a field without a column is one the row does not have, and permits nothing.
 *
 * @throws TenancyError INVALID_OPTION for a column of a type that constraints cannot be compared with
 * @example
 * ```ts
 * import { conditionToDrizzle } from '@org/rbac/drizzle'
 * import { PgDialect, pgTable, text } from 'drizzle-orm/pg-core'
 *
 * const notes = pgTable('notes', { ownerId: text('owner_id') })
 * // The condition is evaluator.where(action): the rows for which `can` says yes.
 * const where = conditionToDrizzle({ op: 'eq', field: 'ownerId', value: 'u1' }, { ownerId: notes.ownerId })
 * new PgDialect().sqlToQuery(where).sql.includes('"owner_id"') // → true
 * ```
 */
export function conditionToDrizzle(condition: Condition, columns: DrizzleColumns): SQL {
  const columnOf = (field: string) => {
    const column = Object.hasOwn(columns, field) ? columns[field] : undefined
    return column && { column, kind: kindOf(field, column) }
  }
  return visitCondition<SQL>(condition, {
    constant: (holds) => (holds ? sql`true` : sql`false`),
    and: (of) => and(...of) ?? sql`true`,
    or: (of) => or(...of) ?? sql`false`,
    not: (of) => not(of),
    in: (field, values) => membership(columnOf(field), values),
    number: (op, field, value) => {
      const target = columnOf(field)
      if (!target || !isNumber(target.kind)) return UNKNOWN
      return written(numberTest(target.kind, op, value), target.column)
    },
    prefix: (field, value) => {
      const target = columnOf(field)
      if (target?.kind !== 'text' && target?.kind !== 'uuid') return UNKNOWN
      return sql`starts_with(${target.column}::text collate "C", ${parameter(value)}::text)`
    },
  })
}

function membership(
  target: { readonly column: AnyColumn; readonly kind: Kind } | undefined,
  values: readonly Scalar[],
): SQL {
  if (target === undefined) return UNKNOWN
  const { column, kind } = target
  if (typeof values[0] !== typeOf(kind)) return UNKNOWN
  if (kind === 'uuid') {
    const canonical = values.filter((value) => UUID.test(String(value)))
    // No uuid reads like this: false, but unknown for null.
    return canonical.length === 0 ? sql`(${column} <> ${column})` : any(column, canonical, sql`uuid[]`)
  }
  if (isNumber(kind)) return written(numberIn(kind, values as readonly number[]), column)
  if (kind === 'boolean') return any(column, values, sql`boolean[]`)
  // The first uses the index; the second holds for a collation that takes different texts for equal.
  return sql`(${any(column, values, sql`text[]`)} and ${any(sql`${column}::text collate "C"`, values, sql`text[]`)})`
}

const any = (left: AnyColumn | SQL, values: readonly Scalar[], type: SQL) =>
  sql`(${left} = any (${parameter(values)}::${type}))`

/** As it is: a column's own mapping would turn values into something else before they are compared. */
const parameter = (value: Scalar | readonly Scalar[]) => sql.param(value)

const isNumber = (kind: Kind): kind is NumberKind =>
  kind === 'integer' || kind === 'numeric' || kind === 'number'

const typeOf = (kind: Kind) => (isNumber(kind) ? 'number' : kind === 'boolean' ? kind : 'string')

function written(pieces: readonly Piece[], column: AnyColumn): SQL {
  return sql.join(
    pieces.map((piece) => {
      if (typeof piece === 'string') return sql.raw(piece)
      return piece === COLUMN ? sql`${column}` : parameter(piece.parameter)
    }),
  )
}

/** The form PostgreSQL prints; any other text is not equal to it in JavaScript. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const INTEGERS = /^(?:smallint|integer|bigint|smallserial|serial|bigserial)$/
const NUMERIC = /^(?:numeric|decimal)(?: ?\(\d+(?:, ?\d+)?\))?$/
const FLOATS = /^(?:real|double precision)$/
const TEXTS = /^(?:text|varchar)(?:\(\d+\))?$/

function kindOf(field: string, column: AnyColumn): Kind {
  const type = column.getSQLType()
  if (type === 'uuid' || type === 'boolean') return type
  if (TEXTS.test(type)) return 'text'
  if (INTEGERS.test(type)) return 'integer'
  if (FLOATS.test(type)) return 'number'
  // `mode: 'number'` reads a numeric as a double; the other modes keep all its digits.
  if (NUMERIC.test(type)) return column.dataType === 'number' ? 'number' : 'numeric'
  throw new TenancyError(
    'INVALID_OPTION',
    'A column for constraints is text, varchar, uuid, boolean, an integer, numeric, real or double precision.',
    { details: { option: `columns.${field}`, type } },
  )
}
