import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Request, RequestHandler } from 'express'

/**
 * A span for each request, after the semantic conventions for HTTP servers: what it does in the database, and what its events
 * do later, stands below it. By the pattern of its route; nothing of what was sent. Nobody traces: it costs a call.
 */
export const traced: RequestHandler = (req, res, next) => {
  const parent = fromGateway(req) ? propagation.extract(ROOT_CONTEXT, req.headers) : ROOT_CONTEXT
  const attributes = { 'http.request.method': req.method }
  const span = trace.getTracer('hub').startSpan(req.method, { kind: SpanKind.SERVER, attributes }, parent)
  res.once('close', () => {
    const { route } = res.locals
    if (typeof route === 'string') span.updateName(`${req.method} ${route}`).setAttribute('http.route', route)
    if (typeof req.tenant === 'string') span.setAttribute('pg_tenant.tenant', req.tenant)
    span.setAttribute('http.response.status_code', res.statusCode)
    if (res.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  })
  context.with(trace.setSpan(parent, span), next)
}

/** A stranger's `traceparent` says what is sampled, and puts spans where nobody looks for them. */
function fromGateway({ app, socket }: Request): boolean {
  const trusts: unknown = app.get('trust proxy fn')
  return typeof trusts === 'function' && trusts(socket.remoteAddress ?? '', 0) === true
}
