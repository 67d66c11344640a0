import { AsyncLocalStorage } from 'node:async_hooks'
import { type Context, context, isSpanContextValid, ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api'

/** A span of ours that is running here, and which of the application's was, when it began. */
interface Inner {
  readonly context: Context
  readonly outside: Span | undefined
}

/** OpenTelemetry's context is entered by calling, which a channel's listener cannot: ours has a place of its own. */
export const inner = new AsyncLocalStorage<Inner>()

export function innerOf(span: Span): Inner {
  return { context: trace.setSpan(here(), span), outside: trace.getSpan(context.active()) }
}

/** The innermost context: the application's, if it began a span inside ours, and else ours. */
export function here(): Context {
  const active = context.active()
  const ours = inner.getStore()
  return ours && trace.getSpan(active) === ours.outside ? ours.context : active
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** What somebody else's span is a parent in (W3C Trace Context). */
export function contextOf(traceparent: string | undefined): Context | undefined {
  const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(traceparent ?? '') ?? []
  const remote = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
  return isSpanContextValid(remote) ? trace.setSpanContext(ROOT_CONTEXT, remote) : undefined
}

/**
 * The current span as a `traceparent` (W3C Trace Context): for events, so that what a handler does belongs to the trace of the
 * request that published them. `undefined` where there is none.
 *
 * @example
 * ```ts
 * import { traceparent } from '@org/pg-tenant/opentelemetry'
 *
 * // For outbox({ traceparent }) of @org/governance.
 * traceparent() // → undefined
 * ```
 */
export function traceparent(): string | undefined {
  const span = trace.getSpanContext(here())
  if (!span || !isSpanContextValid(span)) return undefined
  return `00-${span.traceId}-${span.spanId}-${(span.traceFlags & 1).toString(16).padStart(2, '0')}`
}
