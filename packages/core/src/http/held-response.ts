import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { TenancyError } from '../tenancy-error.ts'

/** An answer that is kept back until the transaction behind it is committed. */
export interface HeldResponse {
  /** Resolves when the handler has ended its answer; rejects when that is longer than what may be held. */
  readonly ended: Promise<void>
  /** Whether an answer is complete: what is written behind it is ignored. */
  readonly complete: boolean
  /** What was written so far. */
  readonly body: Buffer
  /** Forgets the answer, headers and status included; the next one is held as well. */
  reset(): void
  /** Sends the answer. */
  release(): void
  /** Forgets the answer and holds back nothing more: whoever writes now answers. */
  abandon(): void
}

/** Node's methods have several signatures; these are the positions that matter. */
type Chunk = string | Uint8Array | undefined | null | (() => void)

/**
 * Keeps back everything that is written to `res`. `res.headersSent` stays false meanwhile.
 *
 * @param limit bytes
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { holdResponse } from '@org/core'
 *
 * const server = createServer(async (_req, res) => {
 *   const held = holdResponse(res, 65_536)
 *   res.end('saved')
 *   await held.ended
 *   // … commit here: until release() the client has seen nothing
 *   held.release()
 * }).listen(0)
 * const { port } = server.address() as { port: number }
 * await (await fetch(`http://localhost:${port}`)).text() // → 'saved'
 * server.close()
 * ```
 */
export function holdResponse(res: ServerResponse, limit: number): HeldResponse {
  const { write, end, writeHead, flushHeaders } = res
  const before = { headers: res.getHeaders(), status: res.statusCode, message: res.statusMessage }
  const ended = Promise.withResolvers<void>()
  ended.promise.catch(() => {})
  let chunks: Buffer[] = []
  let [size, over, complete] = [0, false, false]

  const keep = (chunk: Chunk, encoding: unknown): void => {
    if (over || chunk === undefined || chunk === null || typeof chunk === 'function') return
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encodingOf(encoding)) : Buffer.from(chunk)
    size += bytes.length
    if (size <= limit) {
      chunks.push(bytes)
      return
    }
    over = true
    ended.reject(tooLong(limit))
  }
  Object.assign(res, {
    write: (chunk: Chunk, encoding?: unknown, callback?: unknown) => {
      keep(chunk, encoding)
      callLater(encoding, callback)
      return true
    },
    end: (chunk?: Chunk, encoding?: unknown, callback?: unknown) => {
      keep(chunk, encoding)
      callLater(chunk, encoding, callback)
      over = true
      complete = true
      ended.resolve()
      return res
    },
    writeHead: (status: number, ...rest: unknown[]) => {
      res.statusCode = status
      if (typeof rest[0] === 'string') res.statusMessage = rest.shift() as string
      setHeaders(res, rest[0] as OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined)
      return res
    },
    flushHeaders: () => {},
  })
  return {
    ended: ended.promise,
    get complete() {
      return complete
    },
    get body() {
      return Buffer.concat(chunks)
    },
    reset() {
      chunks = []
      size = 0
      over = false
      complete = false
      for (const name of res.getHeaderNames()) res.removeHeader(name)
      setHeaders(res, before.headers)
      res.statusCode = before.status
      res.statusMessage = before.message
    },
    abandon() {
      this.reset()
      Object.assign(res, { write, end, writeHead, flushHeaders })
    },
    release() {
      Object.assign(res, { write, end, writeHead, flushHeaders })
      if (size === 0) res.end()
      else res.end(Buffer.concat(chunks))
    },
  }
}

/** `{ name: value }`, or name and value in turn (`http.ServerResponse.writeHead`). */
function setHeaders(res: ServerResponse, headers: OutgoingHttpHeaders | OutgoingHttpHeader[] = {}): void {
  const pairs = Array.isArray(headers)
    ? headers.flatMap((name, at) => (at % 2 === 0 ? [[String(name), headers[at + 1]] as const] : []))
    : Object.entries(headers)
  for (const [name, value] of pairs) if (value !== undefined) res.setHeader(name, value)
}

function encodingOf(value: unknown): BufferEncoding {
  return typeof value === 'string' && Buffer.isEncoding(value) ? value : 'utf8'
}

function callLater(...candidates: unknown[]): void {
  const callback = candidates.find((one) => typeof one === 'function') as (() => void) | undefined
  if (callback) process.nextTick(callback)
}

function tooLong(limit: number): TenancyError {
  return new TenancyError(
    'INTERNAL_ERROR',
    `With scope: 'request' an answer is held until COMMIT and has at most ${limit} bytes; nothing was committed. Use ` +
      "scope: 'call' where you stream or send much, and no idempotency there.",
    { details: { limit } },
  )
}
