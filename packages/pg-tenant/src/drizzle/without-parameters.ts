import { isTenancyError, TenancyError } from '@org/core'

/**
 * Drizzle wraps what a driver throws in an error whose message, `query` and `params` hold the statement with its
 * parameters. This throws what the handle threw, and nothing of the wrapping.
 *
 * The wrapping is known by its shape: drizzle-orm exports its class under another path in 0.44.0.
 */
export function withoutParameters<T>(run: () => Promise<T>): Promise<T> {
  return answered(async () => {
    try {
      return await run()
    } catch (error) {
      throw unwrap(error)
    }
  })
}

/** Runs what a scope answers for: as with the handle's own promises, one that nobody awaits does not end the process. */
export function answered<T>(run: () => Promise<T>): Promise<T> {
  const promise = run()
  promise.catch(() => {})
  return promise
}

function unwrap(error: unknown): unknown {
  if (!(error instanceof Error) || !('params' in error)) return error
  if (isTenancyError(error.cause)) return error.cause
  return new TenancyError('INTERNAL_ERROR', 'Drizzle refused the statement for a reason of its own.')
}
