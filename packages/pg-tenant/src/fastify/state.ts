import type { ResolvedTenant } from '@org/core'
import type { FastifyReply } from 'fastify'
import type { OnError } from '../http/options.ts'

/** What is known of a request while it lasts. */
export interface RequestState {
  readonly requestId: string
  readonly onError: OnError | undefined
  resolved?: ResolvedTenant
  /** With a scope for each request: ends it before the answer is sent. Returns what is to be answered instead, if anything. */
  settle?: (status: number) => Promise<unknown>
  /** What it was answered with, for the access log. */
  error?: unknown
}

/** By reply, so that nothing has to be trusted that hangs on `request`. */
export const states = new WeakMap<FastifyReply, RequestState>()
