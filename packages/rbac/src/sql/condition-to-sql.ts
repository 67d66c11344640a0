import { TenancyError } from '@org/core'
import {
  type Condition,
  type ConditionVisitor,
  type Scalar,
  visitCondition,
} from '../constraints/condition.ts'
import { quoteIdentifier } from './identifier.ts'
import { COLUMN, type NumberKind, numberIn, numberTest, type Piece } from './number-tests.ts'

/**
 * What a column holds: `text` (or varchar), `uuid`, `boolean`, `integer` (smallint, integer, bigint), `numeric` (read with
 * {@link numeric}), or `number`: whatever the driver makes a JavaScript number of.
 */
export type ColumnType = 'text' | 'uuid' | 'boolean' | NumberKind

/** The column behind a field of the resource. */
export interface Column {
  readonly column: string
  readonly type: ColumnType
}

/** Columns by field, e.g. `{ ownerId: { column: 'owner_id', type: 'uuid' } }`. */
export type Columns = Readonly<Record<string, Column>>

export interface SqlOptions {
  readonly columns: Columns
  /** The table's name or alias, put before every column (default: none). */
  readonly table?: string | undefined
  /** The number of the first parameter: 3 when the query already has `$1` and `$2` (default 1). */
  readonly firstParameter?: number | undefined
}

/** Text for a `where`, and the values of its parameters in order. */
export interface SqlCondition {
  readonly text: string
  readonly values: readonly (Scalar | readonly Scalar[])[]
}

/** Neither true nor false: what a field without a column, or of another type, comes to. */
const UNKNOWN = 'null::boolean'

/**
 * The condition as SQL: true for exactly those rows for which `can` says yes, null columns included. A field that
 * `columns` does not have is like a field the row does not have: it permits nothing.
 *
 * @throws TenancyError INVALID_OPTION for `columns` or `firstParameter` that are not valid
 * @example
 * ```ts
 * import { conditionToSql } from '@org/rbac'
 *
 * // The condition is evaluator.where(action): the rows for which `can` says yes.
 * const { text, values } = conditionToSql(
 *   { op: 'eq', field: 'ownerId', value: 'u1' },
 *   { columns: { ownerId: { column: 'body', type: 'text' } }, firstParameter: 2 },
 * )
 * const { rows } = await tenancy.query('acme', `select id from notes where id > $1 and ${text}`, [0, ...values])
 * rows // → []
 * ```
 */
export function conditionToSql(condition: Condition, options: SqlOptions): SqlCondition {
  const { columns, firstParameter = 1 } = options
  if (!Number.isInteger(firstParameter) || firstParameter < 1 || firstParameter > 60_000) {
    throw invalid('firstParameter', 'firstParameter is a whole number from 1 to 60,000.')
  }
  const table = options.table === undefined ? '' : `${quoteIdentifier(options.table)}.`
  const values: (Scalar | readonly Scalar[])[] = []
  const parameter = (value: Scalar | readonly Scalar[]) => `$${firstParameter + values.push(value) - 1}`
  const columnOf = (field: string): Target | undefined => {
    const column = Object.hasOwn(columns, field) ? columns[field] : undefined
    if (column === undefined) return undefined
    if (!TYPES.has(column.type))
      throw invalid('columns', 'A column is text, uuid, boolean, integer, numeric or number.')
    return { name: table + quoteIdentifier(column.column), type: column.type }
  }
  return { text: visitCondition(condition, sqlVisitor(columnOf, parameter)), values }
}

interface Target {
  readonly name: string
  readonly type: ColumnType
}

const TYPES: ReadonlySet<string> = new Set<ColumnType>([
  'text',
  'uuid',
  'boolean',
  'integer',
  'numeric',
  'number',
])

function sqlVisitor(
  columnOf: (field: string) => Target | undefined,
  parameter: (value: Scalar | readonly Scalar[]) => string,
): ConditionVisitor<string> {
  return {
    constant: String,
    and: (of) => `(${of.join(' and ')})`,
    or: (of) => `(${of.join(' or ')})`,
    not: (of) => `not ${of}`,
    in: (field, values) => membership(columnOf(field), values, parameter),
    number: (op, field, value) => {
      const target = columnOf(field)
      const kind = target && numberKindOf(target.type)
      return target === undefined || kind === undefined
        ? UNKNOWN
        : written(numberTest(kind, op, value), target.name, parameter)
    },
    prefix: (field, value) => {
      const target = columnOf(field)
      if (target?.type !== 'text' && target?.type !== 'uuid') return UNKNOWN
      return `starts_with(${target.name}::text collate "C", ${parameter(value)}::text)`
    },
  }
}

/** `column = value`, or `= any (values)`. Casts are for the parameter, so that the column's index can be used. */
function membership(
  target: Target | undefined,
  values: readonly Scalar[],
  parameter: (value: Scalar | readonly Scalar[]) => string,
): string {
  const type = typeof values[0]
  if (target === undefined || type !== (target.type === 'uuid' ? 'string' : typeOf(target.type)))
    return UNKNOWN
  const { name } = target
  if (target.type === 'uuid') {
    const canonical = values.filter((value) => UUID.test(String(value)))
    // No uuid reads like this: false, but unknown for null.
    if (canonical.length === 0) return `(${name} <> ${name})`
    return equality(name, canonical, 'uuid', parameter)
  }
  const kind = numberKindOf(target.type)
  if (kind !== undefined) return written(numberIn(kind, values as readonly number[]), name, parameter)
  if (target.type === 'boolean') return equality(name, values, 'boolean', parameter)
  // The first uses the index; the second holds for a collation that takes different texts for equal.
  const first = values.length === 1 ? parameter(values[0] as Scalar) : parameter(values)
  const right = values.length === 1 ? `${first}::text` : `any (${first}::text[])`
  return `(${name} = ${right} and ${name}::text collate "C" = ${right})`
}

/** The form PostgreSQL prints; any other text is not equal to it in JavaScript. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const typeOf = (type: ColumnType) => (type === 'text' ? 'string' : ((numberKindOf(type) && 'number') ?? type))

function numberKindOf(type: ColumnType): NumberKind | undefined {
  return type === 'integer' || type === 'numeric' || type === 'number' ? type : undefined
}

function written(
  pieces: readonly Piece[],
  column: string,
  parameter: (value: Scalar | readonly Scalar[]) => string,
): string {
  return pieces
    .map((piece) =>
      typeof piece === 'string' ? piece : piece === COLUMN ? column : parameter(piece.parameter),
    )
    .join('')
}

function equality(
  name: string,
  values: readonly Scalar[],
  type: string,
  parameter: (value: Scalar | readonly Scalar[]) => string,
): string {
  if (values.length === 1) return `(${name} = ${parameter(values[0] as Scalar)}::${type})`
  return `(${name} = any (${parameter(values)}::${type}[]))`
}

function invalid(option: string, message: string): TenancyError {
  return new TenancyError('INVALID_OPTION', message, { details: { option } })
}
