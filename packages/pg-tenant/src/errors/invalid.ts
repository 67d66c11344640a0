import { TenancyError } from '@org/core'

/** @internal An option that is not what it must be. */
export function invalid(option: string, expected: string): TenancyError {
  return new TenancyError('INVALID_OPTION', `Option "${option.slice(0, 40)}" must be ${expected}.`, {
    details: { option: option.slice(0, 40) },
  })
}
