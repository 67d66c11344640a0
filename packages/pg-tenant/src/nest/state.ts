import type { RequestState } from '../http/request-state.ts'

/** By request, so that nothing has to be trusted that hangs on it. */
export const states = new WeakMap<object, RequestState>()
