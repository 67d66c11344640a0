import { requestIdOf, type Trusted } from '@org/core'
import type { RequestHandler } from 'express'
import type { Logger } from 'pino'

/**
 * For routes without a tenant: gives the request its id and writes its line. Routes with one get both from
 * `tenant(…)` of `@org/pg-tenant/express`.
 */
export function logUntenanted(log: Logger, trusted: Trusted): RequestHandler {
  return (req, res, next) => {
    const began = performance.now()
    const requestId = requestIdOf(req, trusted)
    const { method, path } = req
    res.setHeader('X-Request-Id', requestId)
    res.once('close', () => {
      const status = res.writableFinished ? res.statusCode : 499
      const line = {
        requestId,
        tenantId: null,
        actorType: null,
        actorId: null,
        method,
        path,
        status,
        latency_ms: Math.round((performance.now() - began) * 1_000) / 1_000,
      }
      // Probes come every few seconds; they are worth a line only when they fail.
      log[status >= 500 ? 'error' : status >= 400 ? 'warn' : 'debug'](line, 'request')
    })
    next()
  }
}
