import { TenancyError } from '@org/core'
import { isField } from '../catalog/keys.ts'
import { allOf, type Condition, type NumberTest, type Scalar } from './condition.ts'

/** The field that says whose a record is; `{ own: true }` compares it with the actor's id. */
export const OWNER_FIELD = 'ownerId'

/** What a field must be: a value, one of several values, or tests that must all hold. */
export type FieldConstraint =
  | Scalar
  | readonly Scalar[]
  | {
      readonly eq?: Scalar
      readonly in?: readonly Scalar[]
      readonly lt?: number
      readonly lte?: number
      readonly gt?: number
      readonly gte?: number
      readonly prefix?: string
    }

/** A constraint: all of its fields must hold. `own` is not a field; see {@link OWNER_FIELD}. */
export type Constraints = { readonly [field: string]: FieldConstraint } & { readonly own?: true }

/** Why a constraint cannot be read. */
export type ConstraintProblem =
  | 'empty'
  | 'field'
  | 'not_an_object'
  | 'operator'
  | 'own'
  | 'too_large'
  | 'value'

const MAX_FIELDS = 32
const MAX_VALUES = 1_000
const MAX_TEXT = 1_000

type Read = Condition | ConstraintProblem

/**
 * Reads a constraint, or says why not. It never guesses: what cannot be read grants nothing and, on a deny, denies
 * everything.
 */
export function readConstraints(value: unknown, actorId: string): Read {
  if (!isObject(value)) return 'not_an_object'
  const fields = Object.keys(value)
  if (fields.length === 0) return 'empty'
  if (fields.length > MAX_FIELDS) return 'too_large'
  const conditions: Condition[] = []
  for (const field of fields) {
    const read = field === 'own' ? readOwn(value.own, actorId) : readField(field, value[field])
    if (typeof read === 'string') return read
    conditions.push(read)
  }
  return allOf(conditions)
}

/**
 * Checks a constraint before it is stored.
 *
 * @throws TenancyError VALIDATION_ERROR; `details.reason` is a {@link ConstraintProblem}
 * @example
 * ```ts
 * import { parseConstraints } from '@org/rbac'
 *
 * parseConstraints({ status: ['open', 'new'], amount: { lt: 100 } }) // → { status: ['open', 'new'], amount: { lt: 100 } }
 * parseConstraints({ status: [] }) // → throws VALIDATION_ERROR
 * ```
 */
export function parseConstraints(value: unknown): Constraints {
  const read = readConstraints(value, 'actor')
  if (typeof read !== 'string') return value as Constraints
  throw new TenancyError(
    'VALIDATION_ERROR',
    'A constraint is an object of fields; each is a value, a list of values of one type, or tests ' +
      '(eq, in, lt, lte, gt, gte, prefix); or { own: true }. For no constraint leave it out.',
    { details: { field: 'constraints', reason: read } },
  )
}

function readOwn(value: unknown, actorId: string): Read {
  return value === true ? { op: 'eq', field: OWNER_FIELD, value: actorId } : 'own'
}

function readField(field: string, value: unknown): Read {
  if (!isField(field)) return 'field'
  if (isScalar(value)) return { op: 'eq', field, value }
  if (Array.isArray(value)) return readIn(field, value)
  if (!isObject(value)) return 'value'
  const tests = Object.keys(value)
  if (tests.length === 0) return 'empty'
  const conditions: Condition[] = []
  for (const test of tests) {
    const read = readTest(field, test, value[test])
    if (typeof read === 'string') return read
    conditions.push(read)
  }
  return allOf(conditions)
}

function readTest(field: string, test: string, value: unknown): Read {
  switch (test) {
    case 'eq':
      return isScalar(value) ? { op: 'eq', field, value } : 'value'
    case 'in':
      return Array.isArray(value) ? readIn(field, value) : 'value'
    case 'prefix':
      return isScalar(value) && typeof value === 'string' && value !== ''
        ? { op: 'prefix', field, value }
        : 'value'
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return isScalar(value) && typeof value === 'number'
        ? { op: test satisfies NumberTest, field, value }
        : 'value'
    default:
      return 'operator'
  }
}

function readIn(field: string, values: readonly unknown[]): Read {
  if (values.length === 0) return 'empty'
  if (values.length > MAX_VALUES) return 'too_large'
  const scalars = values.filter(isScalar)
  const oneType = scalars.every((value) => typeof value === typeof scalars[0])
  return scalars.length === values.length && oneType ? { op: 'in', field, values: scalars } : 'value'
}

/** A text PostgreSQL can hold, a number both sides hold exactly, or a boolean. */
function isScalar(value: unknown): value is Scalar {
  if (typeof value === 'string')
    return value.length <= MAX_TEXT && !value.includes('\0') && value.isWellFormed()
  if (typeof value === 'number') return Math.abs(value) <= Number.MAX_SAFE_INTEGER
  return typeof value === 'boolean'
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
