import { context, metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { TRACES } from '@org/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { observe } from '../../src/observe/index.ts'
import { openTelemetry, openTelemetryMeter, traceparent } from '../../src/opentelemetry/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld()
const exporter = new InMemorySpanExporter()
const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 3_600_000 })
let tenancy: Tenancy
let stops: (() => void)[] = []

beforeAll(() => {
  tenancy = world.tenancy()
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(
    new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
  )
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
  stops = [
    openTelemetry({ statementText: true, attributes: { 'server.address': 'db' } }),
    observe(openTelemetryMeter()),
  ]
})
beforeEach(() => exporter.reset())
afterAll(async () => {
  for (const stop of stops) stop()
  await reader.shutdown()
})

const tracer = () => trace.getTracer('application')
const named = (name: string): ReadableSpan => {
  const found = exporter.getFinishedSpans().find((span) => span.name === name)
  if (!found) throw new Error(`no span ${name}`)
  return found
}
const parentOf = (span: ReadableSpan) => span.parentSpanContext?.spanId

describe('openTelemetry', () => {
  it('makes a span of a scope below the request’s, and one of each statement below that', async () => {
    await tracer().startActiveSpan('request', async (request) => {
      await tenancy.withTenant('acme', async (db) => {
        await db.query('insert into notes (body) values ($1)', ['canary'])
        await tracer().startActiveSpan('work', async (work) => {
          await db.query(`select 'canary', count(*) from notes`)
          work.end()
        })
      })
      request.end()
    })
    const [request, scope, insert, select, work] = [
      'request',
      'pg-tenant scope',
      'INSERT',
      'SELECT',
      'work',
    ].map(named)
    expect(parentOf(scope as ReadableSpan)).toBe(request?.spanContext().spanId)
    expect(parentOf(insert as ReadableSpan)).toBe(scope?.spanContext().spanId)
    expect(parentOf(select as ReadableSpan)).toBe(work?.spanContext().spanId)
    expect(work?.spanContext().traceId).toBe(request?.spanContext().traceId)
    expect(insert?.kind).toBe(SpanKind.CLIENT)
    expect(insert?.attributes).toEqual({
      'server.address': 'db',
      'db.system.name': 'postgresql',
      'db.operation.name': 'INSERT',
      'db.query.text': 'insert into notes ( body ) values ( ? )',
      'db.response.returned_rows': 1,
      'pg_tenant.tenant': 'acme',
      'pg_tenant.fingerprint': expect.stringMatching(/^[0-9a-f]{16}$/),
    })
    expect(scope?.attributes).toMatchObject({ 'pg_tenant.statements': 2, 'pg_tenant.isolation': 'role' })
    expect(select?.attributes['db.query.text']).toBe('select ? , count ( * ) from notes')
  })

  it('says why something failed, in codes', async () => {
    await codeOf(tenancy.query('acme', `select 'canary'::int4`))
    const span = named('SELECT')
    expect(span.attributes).toMatchObject({
      'error.type': 'VALIDATION_ERROR',
      'db.response.status_code': '22P02',
    })
    expect(span.status).toEqual({ code: SpanStatusCode.ERROR })
    expect(span.events).toEqual([])
  })

  it('goes on in a scope opened by hand, and across processes', async () => {
    const scope = tenancy.open('acme')
    await scope.db.query('select 1')
    await scope.commit()
    expect(parentOf(named('SELECT'))).toBe(named('pg-tenant scope').spanContext().spanId)
    exporter.reset()

    const published = await tracer().startActiveSpan('request', async (span) => {
      const parent = await tenancy.withTenant('acme', async () => traceparent())
      span.end()
      return parent
    })
    expect(published).toBe(
      `00-${named('request').spanContext().traceId}-${named('pg-tenant scope').spanContext().spanId}-01`,
    )
    exporter.reset()
    await TRACES.event.trace(
      () => ({ tenant: 'acme', type: 'user.created', id: 'e', attempt: 1, traceparent: published, lagMs: 1 }),
      async () => void (await tenancy.query('acme', 'select 1')),
    )
    const event = named('process user.created')
    expect(event.kind).toBe(SpanKind.CONSUMER)
    expect(`00-${event.spanContext().traceId}-${parentOf(event)}-01`).toBe(published)
    expect(parentOf(named('pg-tenant scope'))).toBe(event.spanContext().spanId)
  })

  it('measures operations, without tenants', async () => {
    await reader.forceFlush()
    const all =
      measured
        .getMetrics()
        .at(-1)
        ?.scopeMetrics.flatMap(({ metrics }) => metrics) ?? []
    const names = all.map(({ descriptor }) => descriptor.name)
    expect(names).toContain('db.client.operation.duration')
    expect(names).toContain('pg_tenant_scope_duration_seconds')
    expect(JSON.stringify(all)).not.toMatch(/acme|canary/)
  })
})
