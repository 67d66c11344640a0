import { TenancyError } from '@org/core'

/**
 * A value that was given and is refused. Neither the value nor what the validator says about it is passed on: its
 * messages quote values, and its paths hold keys of records, which are data too.
 *
 * @internal
 */
export function invalidValue(setting: string, expected: string, issues = 1): TenancyError {
  return new TenancyError('VALIDATION_ERROR', `Setting "${setting}" ${expected}.`, {
    details: { setting, issues },
  })
}

/** @internal */
export function conflict(setting: string, reason: 'exists' | 'changed'): TenancyError {
  const what = reason === 'exists' ? 'is set already' : 'was changed or deleted meanwhile'
  return new TenancyError('CONFLICT', `Setting "${setting}" ${what}. Read it again, then decide.`, {
    details: { setting, reason },
  })
}
