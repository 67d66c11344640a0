import type { ResolvedTenant } from '@org/core'
import type { OnError } from '../http/options.ts'

/** What is known of a request while it lasts. */
export interface RequestState {
  readonly requestId: string
  readonly onError: OnError | undefined
  resolved?: ResolvedTenant
  /** What it was answered with, for the access log. */
  error?: unknown
}

/** By request, so that nothing has to be trusted that hangs on it. */
export const states = new WeakMap<object, RequestState>()
