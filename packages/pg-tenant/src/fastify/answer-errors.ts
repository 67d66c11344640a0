import { isTenancyError, TenancyError } from '@org/core'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { answerOf, fromHttpStatus, report } from '../http/answer.ts'
import type { OnError } from '../http/options.ts'
import { removeAnswerHeaders } from '../http/request-state.ts'
import { type FastifyState, states } from './state.ts'

/**
 * Answers what was thrown: `{ error: { code, message, details?, requestId } }` in the client's language, nothing of the
 * inside: `app.setErrorHandler(answerErrors())`.
 *
 * @param options.onError told of errors on routes without the `tenant` plugin; with it, its own is told
 * @example
 * ```ts
 * import { TenancyError } from '@org/core'
 * import { answerErrors } from '@org/pg-tenant/fastify'
 * import Fastify from 'fastify'
 *
 * const app = Fastify()
 * app.setErrorHandler(answerErrors())
 * app.get('/', async () => {
 *   throw new TenancyError('TENANT_NOT_FOUND', 'There is no such tenant.')
 * })
 * const { statusCode } = await app.inject('/')
 * statusCode // → 401
 * ```
 */
export function answerErrors({ onError }: { readonly onError?: OnError } = {}) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const state = states.get(reply) ?? { requestId: crypto.randomUUID(), onError }
    reply.send(prepareAnswer(error, request, reply, state))
  }
}

/** Sets status and headers; returns the body. What the failed handler had prepared (a cookie, a location) goes. */
export function prepareAnswer(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  state: FastifyState,
): string {
  const { requestId, resolved, onError } = state
  const locale = request.headers['accept-language']
  const { status, headers, body } = answerOf(fromFastify(error), { requestId, locale })
  report(onError, error, { requestId, tenantId: resolved?.tenant, status })
  state.error = error
  removeAnswerHeaders(reply)
  reply.code(status).headers(headers)
  return JSON.stringify(body)
}

/**
 * What Fastify and its plugins refuse has a status. Of a body that its schema refuses, the place is told, which is made of
 * names, never the value.
 */
function fromFastify(error: unknown): unknown {
  if (isTenancyError(error) || typeof error !== 'object' || error === null) return error
  const { statusCode, validation, validationContext } = error as Partial<FastifyError>
  if (statusCode === undefined || statusCode < 400 || statusCode > 499) return error
  if (validation === undefined) return fromHttpStatus(statusCode, error)
  const [first] = validation
  const field = `${validationContext ?? 'body'}${first?.instancePath ?? ''}`
  return new TenancyError('VALIDATION_ERROR', 'The request does not have the form it must have.', {
    details: { field: field.slice(0, 100), ...(first?.keyword !== undefined && { rule: first.keyword }) },
    cause: error,
  })
}
