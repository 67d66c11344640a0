import type { ExpressGuard } from '@org/rbac/express'
import express, { type Express, type RequestHandler, type Response } from 'express'
import type { Endpoint, Page } from './endpoint.ts'

/** The largest body that is read, in bytes. */
const MAX_BODY = 64 * 1024

/** Puts endpoints onto the app: guard first, then the body is read, checked, and answered in the envelope. */
export function mount(app: Express, endpoints: readonly Endpoint[], guard: ExpressGuard): void {
  const json = express.json({ limit: MAX_BODY, strict: true })
  for (const one of endpoints) {
    const { method, access } = one
    const first =
      access === 'open' || access === 'named'
        ? guard.publicRoute()
        : guard.requireAction(access, { onSomeRecords: one.onSomeRecords })
    const body = one.body === undefined ? [] : [json]
    app[method](expressPath(one.path), first, noteRoute(one.path), ...body, handlerOf(one, guard))
  }
}

/** `/v1/users/{id}` as Express writes it. */
function expressPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1')
}

/** For metrics: the pattern, never the path, which has ids. */
function noteRoute(path: string): RequestHandler {
  return (_req, res, next) => {
    res.locals.route = path
    next()
  }
}

function handlerOf(one: Endpoint, guard: ExpressGuard): RequestHandler {
  return async (req, res) => {
    const { params, query, body, tenant, tenancy, actor } = req
    const evaluator = () => guard.evaluatorOf(req)
    const answer = await one.run({ params, query, body, tenant, tenancy, actor, evaluator, request: req })
    send(res, one, answer)
  }
}

function send(res: Response, one: Endpoint, answer: unknown): void {
  const { status = 200 } = one
  // What a tenant was told is nobody else's, and no cache's.
  if (!res.hasHeader('Cache-Control')) res.setHeader('Cache-Control', 'no-store')
  res.status(status)
  if (status === 204 || one.data === undefined) res.end()
  else if (one.text) end(res, 'text/plain', String(answer))
  else end(res, 'application/json', JSON.stringify(bodyOf(one, answer)))
}

function bodyOf(one: Endpoint, answer: unknown): unknown {
  if (one.bare) return answer
  if (!one.list) return { data: answer }
  const { items, nextCursor } = answer as Page<unknown>
  return { data: items, meta: { nextCursor, hasMore: nextCursor !== null } }
}

/** Not `res.send`: what is never stored needs no ETag, which costs a hash, and no 304. */
function end(res: Response, type: string, body: string): void {
  res.setHeader('Content-Type', `${type}; charset=utf-8`)
  res.setHeader('Content-Length', Buffer.byteLength(body))
  res.end(body)
}
