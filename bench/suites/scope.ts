import { setTimeout } from 'node:timers/promises'
import { startWireProxyInWorker, type WireProxyInWorker } from '@org/pg-tenant/testing'
import { NAME, scopeContenders } from '../contenders/scope.ts'
import { costOf, interleave, type Measured, type Plan, ratio } from '../measure/interleave.ts'
import { type Spread, spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atLeast, atMost, type Finding, finding, type Scenario, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'
import { provisionTenants, type Tenants } from './tenants.ts'

/** Twice what drizzle-multitenant keeps pools for. */
const TENANTS = 100
const AT_ONCE = [1, 20] as const
const ROUND_TRIP_MS = 1
const CLOSING_MS = 10_000

/** What a scope costs: loopback and a link of 1 ms, alone and 20 at once. */
export async function scopeSuite(bench: Bench, effort: Effort): Promise<SuiteResult> {
  const tenants = await provisionTenants(bench, TENANTS)
  const proxy = await startWireProxyInWorker({ target: tenants.url, roundTripMs: ROUND_TRIP_MS })
  const scenarios: Scenario[] = []
  const findings: Finding[] = []
  for (const atOnce of AT_ONCE) {
    const plan = { concurrency: atOnce, rounds: effort.rounds, warmUp: effort.warmUp }
    const near = await measure(tenants, { ...plan, sliceMs: effort.loopbackSliceMs })
    const far = await measure({ ...tenants, url: proxy.url }, { ...plan, sliceMs: effort.linkSliceMs })
    scenarios.push(scenario('loopback', near, atOnce), scenario('1 ms link', far, atOnce))
    if (atOnce === 1) findings.push(...ofLink(far))
    else findings.push(...ofThroughput(near))
  }
  await emptied(proxy)
  await proxy.close()
  await tenants.drop()
  return { suite: 'scope', scenarios, findings }
}

async function measure(tenants: Tenants, plan: Plan): Promise<Measured[]> {
  const { contenders, close } = scopeContenders(tenants, plan.concurrency)
  const measured = await interleave(contenders, plan)
  await close()
  return measured
}

/** A worker that ends while hundreds of sockets are still closing was seen to hang; they take a moment after `end`. */
async function emptied(proxy: WireProxyInWorker): Promise<void> {
  const deadline = performance.now() + CLOSING_MS
  while ((await proxy.connections()) > 0 && performance.now() < deadline) await setTimeout(20)
}

function scenario(link: string, measured: readonly Measured[], atOnce: number): Scenario {
  const throughput = atOnce > 1
  return {
    id: `${link.replaceAll(' ', '-')}-${atOnce}`,
    title: `${link}, ${throughput ? `${atOnce} at once` : 'one after the other'}`,
    reference: NAME.limit,
    unit: throughput ? 'per second' : 'ms',
    lines: measured.map(({ name, cost, failures }) => {
      const { median } = spreadOf(cost)
      return {
        name,
        ratio: throughput ? rate(measured, name, NAME.limit) : ratio(measured, name, NAME.limit),
        absolute: throughput ? 1_000 / median : median,
        ...(failures > 0 && { failures }),
      }
    }),
  }
}

/** Throughput over throughput is cost over cost the other way round. */
function rate(measured: readonly Measured[], name: string, reference: string): Spread {
  costOf(measured, name)
  return ratio(measured, reference, name)
}

function ofLink(far: readonly Measured[]): Finding[] {
  const over = (name: string, reference: string) => ratio(far, name, reference)
  const link = '1 ms link'
  return [
    finding(`tenancy.query, one tenant, ${link}`, 'limit', over(NAME.queryOne, NAME.limit), atMost(1.05)),
    finding(`tenancy.query, many tenants, ${link}`, 'limit', over(NAME.queryMany, NAME.limit), atMost(1.05)),
    finding(
      `withTenant, one statement, ${link}`,
      'obvious helper',
      over(NAME.scope, NAME.obvious),
      atMost(0.55),
    ),
    finding(`drizzle over withTenant, ${link}`, 'drizzle alone', over(NAME.drizzleOurs, NAME.drizzleAlone)),
    finding(
      `tenancy.query, many tenants, ${link}`,
      'drizzle-multitenant, 100 tenants',
      over(NAME.queryMany, NAME.poolsMany),
    ),
  ]
}

function ofThroughput(near: readonly Measured[]): Finding[] {
  const over = (name: string, reference: string) => rate(near, name, reference)
  const where = '20 at once, loopback: throughput'
  return [
    finding(`tenancy.query, one tenant, ${where}`, 'limit', over(NAME.queryOne, NAME.limit), atLeast(0.7)),
    finding(`tenancy.query, many tenants, ${where}`, 'limit', over(NAME.queryMany, NAME.limit), atLeast(0.7)),
    finding(
      `tenancy.query, one tenant, ${where}`,
      'obvious helper',
      over(NAME.queryOne, NAME.obvious),
      atLeast(2.5),
    ),
    finding(
      `tenancy.query, many tenants, ${where}`,
      'obvious helper',
      over(NAME.queryMany, NAME.obvious),
      atLeast(2.5),
    ),
    finding(`floor (no checks at all), ${where}`, 'limit', over(NAME.floor, NAME.limit)),
    finding(`tenancy.query, one tenant, ${where}`, 'floor', over(NAME.queryOne, NAME.floor)),
    finding(`drizzle over withTenant, ${where}`, 'drizzle alone', over(NAME.drizzleOurs, NAME.drizzleAlone)),
  ]
}
