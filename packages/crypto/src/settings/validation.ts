import { TenancyError } from '@org/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { invalidValue } from './errors.ts'

type Outcome = { readonly value: unknown } | { readonly issues: number }

/** Runs a schema, also an asynchronous one. One that throws instead of answering has refused the value. */
export async function validate(schema: StandardSchemaV1, value: unknown): Promise<Outcome> {
  try {
    const result = await schema['~standard'].validate(value)
    return result.issues ? { issues: result.issues.length } : { value: result.value }
  } catch {
    return { issues: 1 }
  }
}

/** @throws TenancyError VALIDATION_ERROR when a value about to be stored would not be accepted by its readers */
export async function requireFit(setting: string, schema: StandardSchemaV1, value: unknown): Promise<void> {
  const outcome = await validate(schema, value)
  if ('value' in outcome) return
  throw invalidValue(
    setting,
    'does not accept this value; run its schema on the value to see why',
    outcome.issues,
  )
}

/** @throws TenancyError RESULT_UNREADABLE when a stored value does not fit its schema (any more) */
export async function requireStillFits(
  setting: string,
  schema: StandardSchemaV1,
  value: unknown,
): Promise<unknown> {
  // `undefined` stands for "no JSON": a schema with a default would take it for a missing value.
  const outcome = value === undefined ? { issues: 1 } : await validate(schema, value)
  if ('value' in outcome) return outcome.value
  throw new TenancyError(
    'RESULT_UNREADABLE',
    `The stored value of setting "${setting}" does not fit its schema. Set it anew, widen the schema, or, if another ` +
      'program wrote it as plain text, define it with text(schema).',
    { details: { setting, issues: outcome.issues } },
  )
}

/** What an absent setting reads as: the schema's default, or `undefined`. */
export async function defaultOf(schema: StandardSchemaV1): Promise<unknown> {
  const outcome = await validate(schema, undefined)
  return 'value' in outcome ? outcome.value : undefined
}
