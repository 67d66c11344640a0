import { TenancyError } from '@org/core'

/** The error for work given up because the caller's AbortSignal fired. Nothing of it was committed. */
export function aborted(signal: AbortSignal): TenancyError {
  const reason: unknown = signal.reason
  return new TenancyError('ABORTED', 'The caller aborted this; nothing was committed.', {
    details: { reason: reason instanceof Error ? reason.name : typeof reason },
  })
}
