import { isTenancyError, type TenancyError } from '@org/core'

/** The coded error that `fn` throws; fails when it throws none. */
export function thrown(fn: () => unknown): TenancyError {
  try {
    fn()
  } catch (error) {
    if (isTenancyError(error)) return error
    throw error
  }
  throw new Error('expected a coded error')
}
