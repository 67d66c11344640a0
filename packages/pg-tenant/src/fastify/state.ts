import type { FastifyReply } from 'fastify'
import type { RequestState } from '../http/request-state.ts'

/** What is known of a request while it lasts. */
export interface FastifyState extends RequestState {
  /** With a scope for each request: ends it before the answer is sent. Returns what is to be answered instead, if anything. */
  settle?: (status: number) => Promise<unknown>
}

/** By reply, so that nothing has to be trusted that hangs on `request`. */
export const states = new WeakMap<FastifyReply, FastifyState>()
