import { zValidator } from '@hono/zod-validator'
import { TenancyError } from '@org/core'
import type { ValidationTargets } from 'hono'
import { z } from 'zod'

/** A whole number that JavaScript holds exactly; zod refuses any above 2^53. */
const id = z.coerce.number().int().positive()
/** PostgreSQL's text cannot hold U+0000, and UTF-8 no half of a surrogate pair. */
const text = z
  .string()
  .min(1)
  .max(2_000)
  .regex(/^[^\p{Cs}\0]*$/u)

export const OneNote = z.object({ id })
export const Page = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: id.optional(),
})
export const NewNote = z.strictObject({ body: text, published: z.boolean().default(false) })
export const NewValue = z.strictObject({ value: z.string() })

/** Refuses what does not fit: VALIDATION_ERROR with the field's name, never its value. */
export const valid = <S extends z.ZodType, T extends keyof ValidationTargets>(target: T, schema: S) =>
  zValidator(target, schema, (result) => {
    if (!result.success) invalid(String(result.error.issues[0]?.path[0] ?? target))
  })

export function invalid(field: string): never {
  throw new TenancyError('VALIDATION_ERROR', `The request's ${field} is not valid.`, { details: { field } })
}

export function notFound(): never {
  throw new TenancyError('NOT_FOUND', 'There is nothing of that name here.')
}
