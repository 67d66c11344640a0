import { TenancyError } from '@org/core'
import type { z } from 'zod'

/**
 * What was sent, as the schema reads it.
 *
 * @throws TenancyError VALIDATION_ERROR; `details.field` says where (`body.adminUser.email`), never what was sent
 */
export function parsed(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined
  const { success, data, error } = schema.safeParse(value)
  if (success) return data
  const [issue] = error.issues
  throw new TenancyError('VALIDATION_ERROR', 'What was sent does not fit the schema of this route.', {
    details: { field: fieldOf(where, issue), reason: issue?.code ?? 'invalid', ...expectedBy(issue) },
  })
}

/** What would have fitted, as the reference says it too: of the schema alone, never of what was sent. */
function expectedBy(issue: z.core.$ZodIssue | undefined): { readonly expected?: string } {
  switch (issue?.code) {
    case 'invalid_type':
      return { expected: issue.expected }
    case 'invalid_format':
      return { expected: issue.format === 'regex' ? String(issue.pattern) : issue.format }
    case 'invalid_value':
      return { expected: issue.values.map(String).join(', ') }
    case 'too_small':
      return { expected: `at least ${issue.minimum}` }
    case 'too_big':
      return { expected: `at most ${issue.maximum}` }
    default:
      return {}
  }
}

/** An unknown field is named by itself: its name is all that is wrong with it. It may be anything, so it is cut. */
function fieldOf(where: string, issue: z.core.$ZodIssue | undefined): string {
  const extra = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  const path = [...(issue?.path ?? []), ...extra].map((part) =>
    String(part)
      .replace(/[^\w-]/g, '?')
      .slice(0, 60),
  )
  return [where, ...path].join('.')
}
