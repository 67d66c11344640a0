import type { ServerResponse } from 'node:http'
import type { IncomingRequest, ResolvedTenant } from '@org/core'
import { logAccess } from './access-line.ts'
import type { OnError, TenantOptions } from './options.ts'

/** What is known of a request while it lasts. */
export interface RequestState {
  readonly requestId: string
  readonly onError: OnError | undefined
  resolved?: ResolvedTenant
  /** What it was answered with, for the access log. */
  error?: unknown
}

/** A request of Node's, with the URL as it was sent. */
export type NodeRequest = IncomingRequest & { readonly method: string; readonly url: string }

/** Writes the access log when the connection closes: 499 where that is before the answer was sent. */
export function logOnClose(
  response: ServerResponse,
  { method, url }: NodeRequest,
  state: RequestState,
  onAccess: TenantOptions['onAccess'],
): void {
  const began = performance.now()
  onceClosed(response, () => {
    const status = response.writableFinished ? response.statusCode : 499
    const { requestId, resolved, error } = state
    logAccess(onAccess, { requestId, resolved, method, url, status, began, error })
  })
}

/** Also of one that has closed already, as long ago as whose request it is was asked: it tells nobody once more. */
export function onceClosed(response: ServerResponse, told: () => void): void {
  // guard: g: a client that has gone before anybody listened has gone
  if (response.closed) {
    told()
    return
  }
  response.once('close', told)
}

/** Fires when the connection closes before the answer was sent. */
export function abortOnClose(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  onceClosed(response, () => {
    if (!response.writableFinished) controller.abort()
  })
  return controller.signal
}

/** Headers that describe an answer that is not given after all. Others, such as those of CORS, stay. */
const OF_HANDLER =
  'set-cookie location etag last-modified content-length content-encoding content-disposition'.split(' ')

/** Removes the headers that a handler had set before it failed. */
export function removeAnswerHeaders(response: { removeHeader(name: string): unknown }): void {
  for (const name of OF_HANDLER) response.removeHeader(name)
}
