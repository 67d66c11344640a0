import { TenancyError, type TenantKey } from '@org/core'
import { limit } from '@org/governance/rate-limit/express'
import type { ExpressGuard } from '@org/rbac/express'
import express, { type Express, type Request, type RequestHandler, type Response } from 'express'
import { deedOf } from '../hub/changes.ts'
import type { Hub } from '../hub/open-hub.ts'
import type { Endpoint, Page } from './endpoint.ts'

/** The largest body that is read, in bytes. */
const MAX_BODY = 64 * 1024

/** What routes need beside their handlers. */
export type MountedHub = Pick<
  Hub,
  'limiter' | 'calls' | 'maintenance' | 'onceInTenant' | 'onceInControl' | 'changes'
>

/**
 * Puts endpoints onto the app: how many there may be, the guard, then the body is read, checked, done (once, where the request
 * has an `Idempotency-Key`) and answered in the envelope.
 */
export function mount(
  app: Express,
  endpoints: readonly Endpoint[],
  guard: ExpressGuard,
  hub: MountedHub,
): void {
  const json = named(express.json({ limit: MAX_BODY, strict: true }))
  for (const one of endpoints) {
    const { method, access } = one
    const first = isProtected(one)
      ? guard.requireAction(access, { onSomeRecords: one.onSomeRecords })
      : guard.publicRoute()
    const body = one.body === undefined ? [] : [json]
    app[method](
      expressPath(one.path),
      first,
      noteRoute(one.path),
      ...limits(one, hub),
      ...body,
      ...once(one, hub),
      handlerOf(one, guard, hub),
    )
  }
}

/** How what is at `path` may be asked; nothing where nothing is. */
export function methodsOf(endpoints: readonly Endpoint[], path: string): string[] {
  const asked = path.replace(/\/$/, '').split('/')
  const there = endpoints.filter(({ path }) => {
    const parts = path.split('/')
    return parts.length === asked.length && parts.every((part, i) => part[0] === '{' || part === asked[i])
  })
  return there.flatMap(({ method }) => (method === 'get' ? ['GET', 'HEAD'] : method.toUpperCase()))
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

/** What cannot be read is said of the body, and why; nothing of what was sent. */
function named(read: RequestHandler): RequestHandler {
  return (req, res, next) => {
    read(req, res, (error?: unknown) => {
      const { status, type } = (error ?? {}) as { status?: unknown; type?: unknown }
      if (typeof status !== 'number' || status >= 500) return next(error)
      const reason = type === 'entity.too.large' ? 'too_large' : 'malformed'
      next(
        new TenancyError('VALIDATION_ERROR', `The body is not JSON of at most ${MAX_BODY} bytes.`, {
          details: { field: 'body', reason },
          cause: error,
        }),
      )
    })
  }
}

function isProtected(
  one: Endpoint,
): one is Endpoint & { access: Exclude<Endpoint['access'], 'named' | 'open'> } {
  return one.access !== 'open' && one.access !== 'named'
}

/** Operators work in the control schemas. */
function isOperators({ access, records }: Endpoint): boolean {
  return /^(platform|catalog)\./.test(records ?? access)
}

/** By who was resolved: so many a minute, so many a month, and no changes while the tenant is under maintenance. */
function limits(one: Endpoint, { limiter, calls, maintenance }: MountedHub): RequestHandler[] {
  if (!isProtected(one)) return []
  const changes = one.method !== 'get'
  return [
    limit(limiter, changes ? 'write' : 'read'),
    async (req, _res, next) => {
      if (changes) await maintenance.refuse(req.tenant)
      await calls.count(req.tenant)
      next()
    },
  ]
}

function once(one: Endpoint, { onceInTenant, onceInControl }: MountedHub): RequestHandler[] {
  if (!one.creates) return []
  const { idempotent } = isOperators(one) ? onceInControl : onceInTenant
  const handler = idempotent(`${one.method} ${one.path}`, { secret: one.creates === 'secret' })
  return [
    (req, res, next) => {
      if (req.get('idempotency-key') === undefined) return next()
      // What nobody read (another type, or where none belongs) cannot be compared with the next time.
      if (hasBody(req) && req.body === undefined) return next(unread())
      handler(req, res, next)
    },
  ]
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function unread(): TenancyError {
  return new TenancyError('VALIDATION_ERROR', 'The body is not JSON, or this route takes none.', {
    details: { field: 'body' },
  })
}

function handlerOf(one: Endpoint, guard: ExpressGuard, hub: MountedHub): RequestHandler {
  const action = one.records ?? one.access
  const idempotency = isOperators(one) ? hub.onceInControl : hub.onceInTenant
  return async (req, res) => {
    const { params, query, tenant, tenancy, actor } = req
    // Who sends nothing has left every field out.
    const body = hasBody(req) ? req.body : {}
    const deed = () => deedOf(req, actor, action)
    const answer = await one.run({
      ...{ params, query, body, tenant, tenancy, actor },
      evaluator: () => guard.evaluatorOf(req),
      change: (work) => hub.changes.inTenant(deed(), tenancy, work),
      operate: (about: TenantKey | undefined, work) => hub.changes.byOperator(deed(), about, work),
      announce: (about, what) => hub.changes.announce(deed(), about, what),
      reference: (id) => idempotency.reference(req, id),
      request: req,
    })
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
