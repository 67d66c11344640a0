import { requireKnownOptions } from '@org/core'
import { invalidOption } from '../input/input.ts'

/** Where tables live that tenants share, unless configured. */
const DEFAULT_CONTROL_SCHEMA = 'governance'

/** @internal @throws TenancyError INVALID_OPTION */
export function parseControlSchema(name: unknown = DEFAULT_CONTROL_SCHEMA): string {
  if (typeof name === 'string' && /^[a-z_][a-z0-9_]{0,62}$/.test(name) && !name.startsWith('pg_')) return name
  throw invalidOption(
    'controlSchema',
    'the name of a schema: 1 to 63 of a-z, 0-9 and "_", beginning neither with a digit nor "pg_"',
  )
}

/** Of a function that takes nothing else. @internal @throws TenancyError INVALID_OPTION */
export function onlyControlSchema(options: { readonly controlSchema?: string | undefined }): string {
  requireKnownOptions(options, { controlSchema: true })
  return parseControlSchema(options.controlSchema)
}
