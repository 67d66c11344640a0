import { TenancyError } from '@org/core'
import { type AnyColumn, and, not, or, type SQL, sql } from 'drizzle-orm'
import { type Condition, type NumberTest, type Scalar, visitCondition } from '../constraints/condition.ts'

/** The column behind each field of the resource: `{ ownerId: notes.ownerId }`. */
export type DrizzleColumns = Readonly<Record<string, AnyColumn>>

type Kind = 'text' | 'uuid' | 'number' | 'boolean'

const UNKNOWN = sql`null::boolean`
const SIGN: Readonly<Record<NumberTest, SQL>> = { lt: sql`<`, lte: sql`<=`, gt: sql`>`, gte: sql`>=` }

/**
 * The condition for `where()`: true for exactly those rows for which `can` says yes. Types come from the columns
 * themselves; a field without a column is one the row does not have, and permits nothing.
 *
 * @throws TenancyError INVALID_OPTION for a column of a type that constraints cannot be compared with
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
      if (target?.kind !== 'number') return UNKNOWN
      return sql`(${target.column} ${SIGN[op]} ${parameter(value)}::${numberType([value])})`
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
  if (typeof values[0] !== (kind === 'text' || kind === 'uuid' ? 'string' : kind)) return UNKNOWN
  if (kind === 'uuid') {
    const canonical = values.filter((value) => UUID.test(String(value)))
    // No uuid reads like this: false, but unknown for null.
    return canonical.length === 0 ? sql`(${column} <> ${column})` : any(column, canonical, sql`uuid[]`)
  }
  if (kind === 'number') return any(column, values, sql`${numberType(values)}[]`)
  if (kind === 'boolean') return any(column, values, sql`boolean[]`)
  // The first uses the index; the second holds for a collation that takes different texts for equal.
  return sql`(${any(column, values, sql`text[]`)} and ${any(sql`${column}::text collate "C"`, values, sql`text[]`)})`
}

const any = (left: AnyColumn | SQL, values: readonly Scalar[], type: SQL) =>
  sql`(${left} = any (${parameter(values)}::${type}))`

/** As it is: a column's own mapping would turn values into something else before they are compared. */
const parameter = (value: Scalar | readonly Scalar[]) => sql.param(value)

const numberType = (values: readonly Scalar[]) => (values.every(Number.isInteger) ? sql`bigint` : sql`float8`)

/** The form PostgreSQL prints; any other text is not equal to it in JavaScript. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const NUMBERS =
  /^(?:smallint|integer|bigint|smallserial|serial|bigserial|numeric|decimal|double precision)\b(?!.*\])/
const TEXTS = /^(?:text|varchar)(?:\(\d+\))?$/

function kindOf(field: string, column: AnyColumn): Kind {
  const type = column.getSQLType()
  if (type === 'uuid' || type === 'boolean') return type
  if (TEXTS.test(type)) return 'text'
  if (NUMBERS.test(type)) return 'number'
  throw new TenancyError(
    'INVALID_OPTION',
    'A column for constraints is text, varchar, uuid, boolean, an integer, numeric or double precision.',
    { details: { option: `columns.${field}`, type } },
  )
}
