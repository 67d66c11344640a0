import { integerOption, invalidOption, TRACES, type TraceMessage } from '@org/core'
import { bounded, type Labels, type Meter } from './meter.ts'

/** Options of {@link observe}. */
export interface MetricsOptions {
  /**
   * A label `tenant` at scopes, events and deliveries: for the first so many tenants of this process, `other` for the rest; 1 to
   * 1,000 (default: no such label, because series multiply by it).
   */
  readonly tenants?: number | undefined
}

/** Event types are what publishers say, and tenants' SQL may publish. */
const MAX_TYPES = 100
const SECONDS = 1 / 1_000

/**
 * Counts and times what this process does: scopes, statements, administrators' operations, events, deliveries, jobs. Series
 * do not grow with tenants, statements or time.
 *
 * @returns what ends it
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { observe, prometheus } from '@org/pg-tenant/observe'
 *
 * const meter = prometheus()
 * const stop = observe(meter)
 * await tenancy.query('acme', 'select 1')
 * ;(await meter.text()).includes('tenancy_') // → true
 * stop()
 * ```
 */
export function observe(meter: Meter, { tenants }: MetricsOptions = {}): () => void {
  if (typeof meter?.histogram !== 'function')
    throw invalidOption('meter', 'a Meter: prometheus(), for instance')
  if (tenants !== undefined) integerOption('tenants', tenants, 1, 1_000)
  const tenant = bounded(tenants ?? 0)
  const whose = (message: { tenant: string }): Labels =>
    tenants === undefined ? {} : { tenant: tenant(message.tenant) }
  const typeOf = bounded(MAX_TYPES)
  const times = (name: string, what: string) => {
    const record = meter.histogram(`${name}_duration_seconds`, `How long ${what} take, by outcome.`)
    return (message: TraceMessage, labels: Labels) =>
      record((message.ms ?? 0) * SECONDS, { ...labels, outcome: labels.outcome ?? message.code ?? 'ok' })
  }
  const scopes = times('pg_tenant_scope', 'scopes')
  const waits = meter.histogram('pg_tenant_connection_wait_seconds', 'How long scopes wait for a connection.')
  const statements = times('pg_tenant_statement', 'statements')
  const operations = times('pg_tenant_operation', "administrators' operations")
  const events = times('pg_tenant_event', 'handlers of events')
  const lags = meter.histogram('pg_tenant_event_lag_seconds', 'How old events are when they are handled.')
  const deliveries = times('pg_tenant_delivery', 'deliveries of webhooks')
  const jobs = times('pg_tenant_job', 'jobs')
  const stops = [
    TRACES.scope.listen({
      over: (message) => {
        scopes(message, { kind: message.kind, ...whose(message) })
        if (message.waitMs !== undefined) waits(message.waitMs * SECONDS, {})
      },
    }),
    TRACES.statement.listen({ over: (message) => statements(message, { operation: message.operation }) }),
    TRACES.operation.listen({ over: (message) => operations(message, { operation: message.operation }) }),
    TRACES.event.listen({
      over: (message) => {
        events(message, { type: typeOf(message.type), ...whose(message) })
        lags(message.lagMs * SECONDS, {})
      },
    }),
    TRACES.delivery.listen({
      over: (message) =>
        deliveries(message, {
          status: statusClass(message.status),
          // Which number it was multiplies series: receivers may answer with any.
          ...(message.code?.startsWith('HTTP_') && { outcome: 'HTTP' }),
          ...whose(message),
        }),
    }),
    TRACES.job.listen({ over: (message) => jobs(message, { job: message.job }) }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

/** `2xx` */
const statusClass = (status: number | undefined) =>
  status === undefined || !(status >= 100 && status < 600) ? 'none' : `${Math.floor(status / 100)}xx`
