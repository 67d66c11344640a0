import { TenancyError } from './tenancy-error.ts'

/** Names come from callers too; longer ones are nobody's. */
const shown = (name: string): string => name.slice(0, 40)

/**
 * The error for an option that is not what it must be: the program is mistaken, whoever calls it is not.
 *
 * @param expected what stands behind "must be"; never the value
 * @example
 * ```ts
 * import { invalidOption } from '@org/core'
 *
 * invalidOption('max', 'a whole number from 1').message // → 'Option "max" must be a whole number from 1.'
 * ```
 */
export function invalidOption(option: string, expected: string): TenancyError {
  return new TenancyError('INVALID_OPTION', `Option "${shown(option)}" must be ${expected}.`, {
    details: { option: shown(option) },
  })
}

/**
 * The error for a field of a request that is not what it must be.
 *
 * @param expected what stands behind "must be"; never the value
 * @example
 * ```ts
 * import { invalidField } from '@org/core'
 *
 * invalidField('email', 'an address').code // → 'VALIDATION_ERROR'
 * ```
 */
export function invalidField(field: string, expected: string): TenancyError {
  return new TenancyError('VALIDATION_ERROR', `"${shown(field)}" must be ${expected}.`, {
    details: { field: shown(field) },
  })
}
