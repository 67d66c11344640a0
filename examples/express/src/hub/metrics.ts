import type { OutboxControl, OutboxGauges } from '@org/governance/outbox'
import type { RequestHandler } from 'express'
import type pg from 'pg'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export type HubMetrics = ReturnType<typeof hubMetrics>

/** What is measured. No label names a tenant: there would be as many series as tenants. */
export function hubMetrics(pools: Readonly<Record<string, pg.Pool>>, queue: Pick<OutboxControl, 'gauges'>) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  measureQueue(registry, queue)
  const duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'How long requests took, by route pattern',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  })
  const errors = new Counter({
    name: 'http_errors_total',
    help: 'Answers of 500 and above, by the code that clients are not told',
    labelNames: ['code'],
    registers: [registry],
  })
  new Gauge({
    name: 'pg_pool_connections',
    help: 'Connections of the pools',
    labelNames: ['pool', 'state'],
    registers: [registry],
    collect() {
      for (const [pool, { totalCount, idleCount, waitingCount }] of Object.entries(pools)) {
        this.set({ pool, state: 'busy' }, totalCount - idleCount)
        this.set({ pool, state: 'idle' }, idleCount)
        this.set({ pool, state: 'waiting' }, waitingCount)
      }
    },
  })

  const measure: RequestHandler = (req, res, next) => {
    const stop = duration.startTimer({ method: req.method })
    res.once('close', () => {
      const { route = 'none' } = res.locals
      stop({ route, status: res.writableFinished ? res.statusCode : 499 })
    })
    next()
  }
  return { registry, measure, failed: (code: string) => errors.inc({ code }) }
}

/** The queue of events, as the database says it is when it is asked. Deliveries are counted by whoever makes them: the worker. */
function measureQueue(registry: Registry, queue: Pick<OutboxControl, 'gauges'>): void {
  new Gauge({
    name: 'outbox_events',
    help: 'Events of all tenants: ready, in the hands of workers, of tenants not in service, dead letters',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      const counts = await queue.gauges().catch(() => undefined)
      for (const state of STATES) this.set({ state }, counts?.[state] ?? Number.NaN)
      lag.set(counts?.lag ?? Number.NaN)
      stuck.set(counts?.stuck ?? Number.NaN)
    },
  })
  const lag = new Gauge({
    name: 'outbox_lag_seconds',
    help: 'Since the oldest event that is ready was published',
    registers: [registry],
  })
  const stuck = new Gauge({
    name: 'outbox_stuck_leases',
    help: 'Leases that ran out and nobody took back: no worker is running',
    registers: [registry],
  })
}

const STATES = ['ready', 'handling', 'waiting', 'dead'] as const satisfies readonly (keyof OutboxGauges)[]
