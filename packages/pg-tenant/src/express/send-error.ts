import type { HeldResponse } from '@org/core'
import type { Request, Response } from 'express'
import { answerOf, report } from '../http/answer.ts'
import type { RequestState } from '../http/request-state.ts'

/** What is known of a request while it lasts. */
export interface ExpressState extends RequestState {
  /** With a scope for each request: the answer, kept back. */
  held?: HeldResponse
}

/** By response, so that nothing has to be trusted that hangs on `req`. */
export const states = new WeakMap<Response, ExpressState>()

/**
 * Answers an error. An answer that is complete stays: what it says was or will be committed, so nobody is told that it
 * failed. One that has only begun cannot be taken back: the connection is cut, so that a client never takes half of an
 * answer for the whole.
 */
export function sendError(req: Request, res: Response, error: unknown, state: ExpressState): void {
  const { requestId, resolved, held } = state
  const { status, headers, body } = answerOf(error, { requestId, locale: req.get('accept-language') })
  report(state.onError, error, { requestId, tenantId: resolved?.tenant, status })
  if (res.writableEnded || held?.complete) return
  state.error = error
  if (res.headersSent) {
    res.destroy()
    return
  }
  held?.reset()
  const { Vary: vary, ...own } = headers
  if (vary !== undefined) res.vary(vary)
  res.status(status).set(own).end(JSON.stringify(body))
}
