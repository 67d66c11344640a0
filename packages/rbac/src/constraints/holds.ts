import type { Condition, NumberTest, Scalar } from './condition.ts'
import { compareNumeric, Numeric } from './numeric.ts'

/** `undefined`: cannot be told, because a field is missing, null or of another type. */
export type Truth = boolean | undefined

/** Whether a condition holds for a record, in SQL's three-valued logic. Only own fields of the record count. */
export function holds(condition: Condition, resource: object | null | undefined): Truth {
  switch (condition.op) {
    case 'always':
      return true
    case 'never':
      return false
    case 'and':
      return every(condition.of, resource)
    case 'or':
      return some(condition.of, resource)
    case 'not': {
      const truth = holds(condition.of, resource)
      return truth === undefined ? undefined : !truth
    }
    case 'eq':
      return equals(fieldOf(resource, condition.field), condition.value)
    case 'in':
      return isOneOf(fieldOf(resource, condition.field), condition.values)
    case 'prefix': {
      const value = fieldOf(resource, condition.field)
      return typeof value === 'string' ? value.startsWith(condition.value) : undefined
    }
    default:
      return compares(fieldOf(resource, condition.field), condition.op, condition.value)
  }
}

function every(conditions: readonly Condition[], resource: object | null | undefined): Truth {
  let truth: Truth = true
  for (const condition of conditions) {
    const one = holds(condition, resource)
    if (one === false) return false
    if (one === undefined) truth = undefined
  }
  return truth
}

function some(conditions: readonly Condition[], resource: object | null | undefined): Truth {
  let truth: Truth = false
  for (const condition of conditions) {
    const one = holds(condition, resource)
    if (one === true) return true
    if (one === undefined) truth = undefined
  }
  return truth
}

function fieldOf(resource: object | null | undefined, field: string): unknown {
  if (typeof resource !== 'object' || resource === null || !Object.hasOwn(resource, field)) return undefined
  return (resource as Readonly<Record<string, unknown>>)[field]
}

/** `bigint` counts as a number, for int8 columns, and so does what `numeric()` made. */
const kindOf = (value: unknown) =>
  typeof value === 'bigint' || value instanceof Numeric ? 'number' : typeof value

function equals(value: unknown, wanted: Scalar): Truth {
  if (kindOf(value) !== typeof wanted) return undefined
  if (value instanceof Numeric) return compareNumeric(value, wanted as number) === 0
  return typeof value === 'bigint' ? value === asBigInt(wanted) : value === wanted
}

function isOneOf(value: unknown, wanted: readonly Scalar[]): Truth {
  if (kindOf(value) !== typeof wanted[0]) return undefined
  return wanted.some((one) => equals(value, one) === true)
}

function asBigInt(wanted: Scalar): bigint | undefined {
  return Number.isInteger(wanted) ? BigInt(wanted) : undefined
}

function tells(op: NumberTest, order: number): boolean {
  if (order === 0) return op === 'lte' || op === 'gte'
  return order < 0 ? op === 'lt' || op === 'lte' : op === 'gt' || op === 'gte'
}

/** NaN is greater than every number, as in PostgreSQL (manual 8.1.3): `can` and `where` agree. */
function compares(value: unknown, op: NumberTest, bound: number): Truth {
  if (value instanceof Numeric) return tells(op, compareNumeric(value, bound))
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined
  if (Number.isNaN(value)) return op === 'gt' || op === 'gte'
  switch (op) {
    case 'lt':
      return value < bound
    case 'lte':
      return value <= bound
    case 'gt':
      return value > bound
    case 'gte':
      return value >= bound
  }
}
