import type { OutboxControl, OutboxGauges } from '@org/governance/outbox'
import type { Worker, WorkerCounts } from '@org/governance/outbox/worker'
import { observe, prometheus } from '@org/pg-tenant/observe'
import type { RequestHandler } from 'express'
import type pg from 'pg'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export type HubMetrics = ReturnType<typeof hubMetrics>

/** What is measured. No label names a tenant: there would be as many series as tenants. */
export function hubMetrics(pools: Readonly<Record<string, pg.Pool>>, queue: Pick<OutboxControl, 'gauges'>) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  measureQueue(registry, queue)
  // Scopes, statements, handlers, deliveries and jobs: what the packages tell of themselves.
  const packages = prometheus()
  const stop = observe(packages)
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
    const over = duration.startTimer({ method: req.method })
    res.once('close', () => {
      const { route = 'none' } = res.locals
      over({ route, status: res.writableFinished ? res.statusCode : 499 })
    })
    next()
  }
  return {
    measure,
    failed: (code: string) => errors.inc({ code }),
    measureWorker: (worker: Pick<Worker, 'counts'>) => measureWorker(registry, worker),
    /** All of it, in Prometheus' text format. */
    text: async () => `${await registry.metrics()}\n${await packages.text()}`,
    stop,
  }
}

/** The queue of events, as the database says it is when it is asked. */
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

/** What a worker did since it began; how long its deliveries took and how they ended, the packages tell. */
function measureWorker(registry: Registry, worker: Pick<Worker, 'counts'>): void {
  new Gauge({
    name: 'worker_events',
    help: 'Events by what this worker did with them since it began, and how many it has in hand',
    labelNames: ['outcome'],
    registers: [registry],
    collect() {
      for (const outcome of OUTCOMES) this.set({ outcome }, worker.counts[outcome])
    },
  })
}

const OUTCOMES = [
  ...(['taken', 'done', 'retried', 'dead', 'held', 'postponed', 'lost', 'handling'] as const),
] satisfies readonly (keyof WorkerCounts)[]
const STATES = ['ready', 'handling', 'waiting', 'dead'] as const satisfies readonly (keyof OutboxGauges)[]
