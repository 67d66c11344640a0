import { type ErrorCode, isTenancyError, type ResolvedTenant } from '@org/core'

/** One line of the access log. The path has no query: that is where secrets get written. */
export interface AccessLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly message: 'request'
  /** ISO 8601, when the request ended */
  readonly timestamp: string
  readonly requestId: string
  readonly tenantId: string | null
  readonly actorType: 'user' | 'service' | 'anonymous' | null
  readonly actorId: string | null
  readonly method: string
  readonly path: string
  /** 499 when the client went away before it had its answer */
  readonly status: number
  /** milliseconds */
  readonly latency_ms: number
  /** The code itself, which a client may not have been told. */
  readonly error?: { readonly code: ErrorCode }
}

export interface AccessFacts {
  readonly requestId: string
  readonly resolved: ResolvedTenant | undefined
  readonly method: string
  /** as sent; the query is cut off here */
  readonly url: string
  readonly status: number
  /** `performance.now()` when it began */
  readonly began: number
  readonly error: unknown
}

/** Tells `onAccess`; a log that throws fails no request. */
export function logAccess(onAccess: ((line: AccessLine) => void) | undefined, facts: AccessFacts): void {
  if (onAccess === undefined) return
  const { resolved, status, error } = facts
  const gone = status === 499 ? 'ABORTED' : undefined
  const code = error === undefined ? gone : isTenancyError(error) ? error.code : 'INTERNAL_ERROR'
  try {
    onAccess({
      level: status >= 500 ? 'error' : status >= 400 ? 'warn' : 'info',
      message: 'request',
      timestamp: new Date().toISOString(),
      requestId: facts.requestId,
      tenantId: resolved?.tenant ?? null,
      actorType: resolved?.actor.type ?? null,
      actorId: resolved?.actor.id ?? null,
      method: facts.method,
      path: facts.url
        .replace(/^https?:\/\/[^/?#]*/i, '')
        .replace(/[?#].*$/s, '')
        .slice(0, 2_048),
      status,
      latency_ms: Math.round((performance.now() - facts.began) * 1_000) / 1_000,
      ...(code !== undefined && status >= 400 && { error: { code } }),
    })
  } catch {
    // Nothing to tell it to.
  }
}
