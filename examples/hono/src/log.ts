import { isTenancyError } from '@org/core'
import type { ErrorContext, TenantEnv } from '@org/pg-tenant/hono'
import { createMiddleware } from 'hono/factory'
import { routePath } from 'hono/route'

/** Takes one record. */
export type Log = (record: Readonly<Record<string, unknown>>) => void

export const printJson: Log = (record) =>
  console.log(JSON.stringify({ timestamp: new Date().toISOString(), ...record }))

/** One record for each request. The path is that of the last route run; no query, header or body: nothing anybody sent. */
export const accessLog = (log: Log) =>
  createMiddleware<TenantEnv>(async (c, next) => {
    const began = performance.now()
    await next()
    const { tenant = null, actor = null } = c.var as Partial<TenantEnv['Variables']>
    log({
      level: c.res.status >= 500 ? 'error' : 'info',
      message: 'request',
      requestId: c.res.headers.get('X-Request-Id'),
      tenantId: tenant,
      actor,
      method: c.req.method,
      path: routePath(c),
      status: c.res.status,
      latency_ms: Math.round((performance.now() - began) * 1_000) / 1_000,
    })
  })

/** One record for each error that is our own fault. A coded error is safe to log; of any other only where it arose. */
export const errorLog = (log: Log) => (error: unknown, context: Partial<ErrorContext>) => {
  const at = error instanceof Error ? error.stack?.match(/^ +at .+$/m)?.[0].trim() : undefined
  const coded = isTenancyError(error) && { code: error.code, text: error.message, details: error.details }
  log({ level: 'error', message: 'error', ...context, ...(coded || { code: 'INTERNAL_ERROR', at }) })
}
