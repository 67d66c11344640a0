import type { IncomingMessage, ServerResponse } from 'node:http'
import { type HeldResponse, holdResponse, TenancyError, toErrorBody } from '@org/core'
import { invalidOption } from '../../input/input.ts'
import type { Idempotency } from '../idempotency.ts'
import type { IdempotentRequest } from '../request.ts'
import { decodeAnswer, encodeAnswer, headerPairs, REFUSED, requireReference } from './answer.ts'
import type { IdempotentRouteOptions } from './options.ts'

/** @internal One request on a server of Node, whatever framework writes its answer. */
export interface NodeRequest {
  readonly idempotent: Idempotency
  readonly maxAnswer: number
  readonly asked: IdempotentRequest
  readonly route: IdempotentRouteOptions
  readonly response: ServerResponse
  /** The id that the handler has named. */
  reference(): string | undefined
  /** Lets the handler run. Called inside the scope, so that what runs behind it runs in the scope's context. */
  start(): void
  /** Answers an error; `begun`: the framework takes the request for answered already. */
  fail(error: unknown, begun: boolean): void
}

/**
 * Holds back all that is written to the answer until the transaction is committed. The framework may write as it likes:
 * `end`, streams, several pieces.
 *
 * @internal
 */
export function serveOnce(request: NodeRequest): void {
  const { idempotent, asked, maxAnswer, response, route } = request
  const held = holdResponse(response, maxAnswer)
  const gone = disconnected(response)
  let begun = false
  const work = async () => {
    begun = true
    request.start()
    await Promise.race([held.ended, gone.promise])
    if (response.statusCode >= 400) throw REFUSED
    const { statusCode: status } = response
    const answer = { status, headers: headerPairs(response.getHeaders()), body: held.body }
    return encodeAnswer(answer, route.secret === true ? requireReference(request.reference()) : undefined)
  }
  idempotent
    .once(asked, work, { awaited: route.awaited })
    .then(
      ({ answer, replayed }) => {
        if (replayed) replay(response, held, answer)
        held.release()
      },
      (error: unknown) => {
        if (error === REFUSED) return held.release()
        held.abandon()
        if (!response.destroyed) request.fail(error, begun)
      },
    )
    .finally(gone.stop)
}

function replay(response: ServerResponse, held: HeldResponse, text: string): void {
  held.reset()
  const { status, headers, body } = decodeAnswer(text)
  response.statusCode = status
  for (const [name, value] of headers) response.setHeader(name, value)
  response.end(body)
}

/** Rejects when the client goes before the answer is there: nobody might ever end it, and the transaction would stay open. */
function disconnected(response: ServerResponse): { promise: Promise<never>; stop: () => void } {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {})
  const onClose = () =>
    reject(new TenancyError('ABORTED', 'The client closed the connection; nothing was committed.'))
  // What stood in front may have taken its time, and there is no second event.
  if (response.destroyed) onClose()
  response.once('close', onClose)
  return { promise, stop: () => response.off('close', onClose) }
}

/** @internal Answers an error where the framework does not any more. */
export function answerError(response: ServerResponse, error: unknown): void {
  const requestId = response.getHeader('x-request-id')
  const { status, body, retryAfter } = toErrorBody(error, typeof requestId === 'string' ? { requestId } : {})
  response.statusCode = status
  response.setHeader('Content-Type', 'application/json; charset=utf-8')
  if (retryAfter !== undefined) response.setHeader('Retry-After', String(retryAfter))
  response.end(JSON.stringify(body))
}

/** @internal What a body parser has made of it. A body that nobody read cannot be compared. */
export function parsedBody(body: unknown, headers: IncomingMessage['headers']): unknown {
  const sent = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  if (body === undefined && sent)
    throw invalidOption('body', 'parsed in front, e.g. by app.use(express.json())')
  return body
}
