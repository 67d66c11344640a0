/** What a constraint can compare a field with. Numbers are finite and within ±(2^53 - 1). */
export type Scalar = string | number | boolean

export type NumberTest = 'lt' | 'lte' | 'gt' | 'gte'

/**
 * When an action is permitted on a record: what constraints come down to, free of any database. Compiled to SQL by
 * `conditionToSql`; for another target write a {@link ConditionVisitor}.
 *
 * Three-valued, as SQL is: a test of a field that is missing, null or of another type is neither true nor false, and
 * neither is its `not`. Only `true` permits.
 */
export type Condition =
  | { readonly op: 'always' }
  | { readonly op: 'never' }
  | { readonly op: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly op: 'not'; readonly of: Condition }
  | { readonly op: 'eq'; readonly field: string; readonly value: Scalar }
  | { readonly op: 'in'; readonly field: string; readonly values: readonly Scalar[] }
  | { readonly op: NumberTest; readonly field: string; readonly value: number }
  | { readonly op: 'prefix'; readonly field: string; readonly value: string }

export const ALWAYS: Condition = { op: 'always' }
export const NEVER: Condition = { op: 'never' }

/** All of `conditions`; one alone stands for itself. */
export function allOf(conditions: readonly Condition[]): Condition {
  return conditions.length === 1 ? (conditions[0] as Condition) : { op: 'and', of: conditions }
}

/** Any of `conditions`; one alone stands for itself, none is never. */
export function anyOf(conditions: readonly Condition[]): Condition {
  if (conditions.length === 0) return NEVER
  return conditions.length === 1 ? (conditions[0] as Condition) : { op: 'or', of: conditions }
}

/** Builds something else from a condition, from the leaves up. */
export interface ConditionVisitor<T> {
  constant(holds: boolean): T
  and(of: readonly T[]): T
  or(of: readonly T[]): T
  not(of: T): T
  /** `values` has one element for `eq`, all of one type. */
  in(field: string, values: readonly Scalar[]): T
  number(op: NumberTest, field: string, value: number): T
  prefix(field: string, value: string): T
}

/**
 *
 * @example
 * ```ts
 * import { type Condition, visitCondition } from '@org/rbac'
 *
 * const condition: Condition = { op: 'in', field: 'status', values: ['open', 'new'] }
 * const words = visitCondition<string>(condition, {
 *   constant: String,
 *   and: (of) => of.join(' and '),
 *   or: (of) => of.join(' or '),
 *   not: (of) => `not ${of}`,
 *   in: (field, values) => `${field} is ${values.join(' or ')}`,
 *   number: (op, field, value) => `${field} ${op} ${value}`,
 *   prefix: (field, value) => `${field} begins with ${value}`,
 * }) // for another target than SQL
 * words // → 'status is open or new'
 * ```
 */
export function visitCondition<T>(condition: Condition, visitor: ConditionVisitor<T>): T {
  switch (condition.op) {
    case 'always':
      return visitor.constant(true)
    case 'never':
      return visitor.constant(false)
    case 'and':
      return visitor.and(condition.of.map((one) => visitCondition(one, visitor)))
    case 'or':
      return visitor.or(condition.of.map((one) => visitCondition(one, visitor)))
    case 'not':
      return visitor.not(visitCondition(condition.of, visitor))
    case 'eq':
      return visitor.in(condition.field, [condition.value])
    case 'in':
      return visitor.in(condition.field, condition.values)
    case 'prefix':
      return visitor.prefix(condition.field, condition.value)
    default:
      return visitor.number(condition.op, condition.field, condition.value)
  }
}
