import { TRACES } from '@org/core'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { observe, prometheus } from '../../src/observe/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld()
let tenancy: Tenancy
let stop = () => {}

beforeAll(() => {
  tenancy = world.tenancy()
})
afterEach(() => stop())

const scopeOf = (tenant: string) =>
  TRACES.scope.trace(
    () => ({ kind: 'query', tenant, level: 'role', readOnly: true, statements: 0, attempts: 1 }),
    async () => {},
  )
const eventOf = (type: string) =>
  TRACES.event.trace(
    () => ({ tenant: 'acme', type, id: type, attempt: 1, traceparent: undefined, lagMs: 5 }),
    async () => {},
  )

describe('metrics', () => {
  it('are what Prometheus reads', async () => {
    const meter = prometheus()
    stop = observe(meter)
    const count = meter.counter('made_total', 'Things "made"\n')
    count(2, { kind: 'a"b\\\n' })
    meter.gauge('queue_events', 'By state', async () => ({ ready: 3, dead: 0 }))
    meter.gauge('unknown', 'Cannot be asked', async () => {
      throw new Error('canary')
    })
    await tenancy.query('acme', 'select $1::text', ['canary'])
    await codeOf(tenancy.query('acme', 'select canary'))
    const text = await meter.text()
    expect(text).toContain('# TYPE pg_tenant_scope_duration_seconds histogram\n')
    expect(text).toContain('pg_tenant_scope_duration_seconds_count{kind="query",outcome="ok"} 1\n')
    expect(text).toContain(
      'pg_tenant_statement_duration_seconds_bucket{operation="SELECT",outcome="ok",le="+Inf"} 1\n',
    )
    expect(text).toContain('pg_tenant_connection_wait_seconds_count 2\n')
    expect(text).toContain('queue_events{state="ready"} 3\nqueue_events{state="dead"} 0\n')
    expect(text).toContain('# HELP made_total Things "made"\\n\n')
    expect(text).toContain('made_total{kind="a\\"b\\\\\\n"} 2\n')
    expect(text).not.toMatch(/canary|acme|unknown/)
    // Every line is one of the format's.
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(
        /^(?:# (?:HELP|TYPE) \w+ .*|\w+(?:\{(?:\w+="(?:[^"\\]|\\["\\n])*",?)+\})? [\d.e+-]+)$/,
      )
    }
  })

  it('do not grow with tenants, nor with what publishers call their events', async () => {
    const meter = prometheus()
    stop = observe(meter)
    const lines = async () => (await meter.text()).split('\n').length
    for (let n = 0; n < 150; n++) await eventOf(`type_${n}`)
    await scopeOf('t0')
    const before = await lines()
    for (let n = 0; n < 10_000; n++) await scopeOf(`t${n}`)
    for (let n = 0; n < 1_000; n++) await eventOf(`more_${n}`)
    expect(await lines()).toBe(before)
  })

  it('name tenants when asked, and no more than that', async () => {
    const meter = prometheus()
    stop = observe(meter, { tenants: 2 })
    for (const tenant of ['a', 'b', 'c', 'd', 'a']) await scopeOf(tenant)
    const counts = [
      ...(await meter.text()).matchAll(/scope_duration_seconds_count\{.*tenant="(\w+)".*\} (\d)/g),
    ]
    expect(counts.map(([, tenant, n]) => [tenant, n])).toEqual([
      ['a', '2'],
      ['b', '1'],
      ['other', '2'],
    ])
    expect(() => observe(meter, { tenants: 0 })).toThrow(/tenants/)
    expect(() => meter.counter('Bad Name', '')).toThrow(/name/)
  })
})
