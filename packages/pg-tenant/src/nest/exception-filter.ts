import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Inject } from '@nestjs/common'
import { HttpAdapterHost } from '@nestjs/core'
import { isTenancyError } from '@org/core'
import { answerOf, fromHttpStatus, report } from '../http/answer.ts'
import { removeAnswerHeaders } from '../http/request-state.ts'
import { type NestRequest, type NestResponse, nodeResponseOf } from './request.ts'
import { states } from './state.ts'

/**
 * Answers everything that was thrown: `{ error: { code, message, details?, requestId } }` in the client's language, nothing
 * of the inside, on both of Nest's platforms. `TenancyModule` puts it in place. What is no HTTP request (a message, a
 * GraphQL operation) is left to Nest.
 */
export class TenancyExceptionFilter implements ExceptionFilter {
  readonly #adapter: HttpAdapterHost

  constructor(adapter: HttpAdapterHost) {
    this.#adapter = adapter
  }

  catch(error: unknown, host: ArgumentsHost): void {
    if (host.getType() !== 'http') throw error
    const { httpAdapter } = this.#adapter
    const request = host.switchToHttp().getRequest<NestRequest>()
    const response = host.switchToHttp().getResponse<NestResponse>()
    const state = states.get(request) ?? { requestId: crypto.randomUUID(), onError: undefined }
    const { requestId } = state
    const locale = request.headers['accept-language']
    const answer = answerOf(fromNest(error), {
      requestId,
      locale: typeof locale === 'string' ? locale : undefined,
    })
    report(state.onError, error, { requestId, tenantId: state.resolved?.tenant, status: answer.status })
    state.error = error
    if (httpAdapter.isHeadersSent(response)) {
      // It cannot be taken back: the connection is cut, so that a client never takes half of an answer for the whole.
      nodeResponseOf(response).destroy()
      return
    }
    removeAnswerHeaders(response)
    for (const [name, value] of Object.entries(answer.headers)) httpAdapter.setHeader(response, name, value)
    httpAdapter.reply(response, answer.body, answer.status)
  }
}

/** Nest's own exceptions have a status, as do those of body parsers (http-errors, Fastify); nothing else is believed to. */
function fromNest(error: unknown): unknown {
  if (isTenancyError(error) || typeof error !== 'object' || error === null) return error
  if (error instanceof HttpException) return fromHttpStatus(error.getStatus(), error)
  const { statusCode } = error as { statusCode?: unknown }
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
    ? fromHttpStatus(statusCode, error)
    : error
}

Catch()(TenancyExceptionFilter)
Inject(HttpAdapterHost)(TenancyExceptionFilter, undefined, 0)
