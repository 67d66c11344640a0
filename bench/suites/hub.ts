import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { Contender, Usage } from '../../examples/express/bench/job.ts'
import { type LoadServer, prepareTenants, startServer } from '../contenders/load.ts'
import {
  interleave,
  type Measured,
  type Plan,
  processorOf,
  processorRatio,
  ratio,
} from '../measure/interleave.ts'
import { processorClock } from '../measure/processor.ts'
import { quantile, spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atLeast, atMost, type Finding, finding, type Scenario, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'

const NAME: Readonly<Record<Contender, string>> = {
  plain: 'without tenancy: pool.query, one schema',
  schemas: 'without tenancy: pool.query, every tenant its own schema',
  scoped: 'with tenancy: tenancy.query, every tenant its own',
  unscoped: 'the hub without scopes: pool.query, every tenant its own schema',
  hub: 'the hub: + denylist and permissions of every tenant',
}
const WHO = ['plain', 'schemas', 'scoped', 'unscoped', 'hub'] as const
/** The hub's list route without tenancy; beside it a bare one, which has nothing to look up. */
const SAME = 'its list route without tenancy: the same app and checks, pool.query, as many schemas'
const MAX_TENANTS = 1_000
/** Requests in flight. */
const AT_ONCE = 20
/** Long enough for a few hundred requests. */
const SLICE_MS = 300
/**
 * Requests of each tenant before any counts: each of the ten connections has then seen most tenants. The contenders take
 * turns tenant by tenant, so that no pool lies idle until it closes its connections (pg: 10 s).
 */
const WARM_UP = 20
const MB = 2 ** 20
/** Processor time of each side by `processorClock` and the process's own, contenders in turn, 100 tenants, 2026-11-30. */
const SCOPED =
  'PostgreSQL is on a processor 1.38 ms for a scoped request and 0.91 for an unscoped one, the API’s process 3.06 and 2.61; with who asks they share two cores, so that this is the sum of the one over the sum of the other. There is no second trip and no look-up in it: it is what one scope takes (see tenancy.query above)'

/** `GET /v1/users` over HTTP for 1,000 tenants in turn, next to the same API without tenancy. */
export async function hubSuite(bench: Bench, effort: Effort): Promise<SuiteResult> {
  const tenants = Math.min(effort.tenants, MAX_TENANTS)
  const { applicationUrl, adminUrl, drop } = await bench.database()
  const environment = environmentOf(applicationUrl, adminUrl, bench.prefix('h'))
  const { tokens, took } = await prepareTenants(environment, tenants)
  const servers: LoadServer[] = []
  // Sockets for all tenants at the same moment, at the end.
  for (const who of WHO) servers.push(await startServer(who, environment, shuffled(tokens), tenants))
  try {
    const seen = tenants * WARM_UP
    const processor = await processorClock(
      adminUrl,
      servers.map(({ pid }) => pid),
    )
    const { rounds, warmUp } = effort
    const plan = { concurrency: AT_ONCE, sliceMs: SLICE_MS, rounds, warmUp, processor }
    for (let time = 0; time < WARM_UP; time++)
      for (const { request } of servers) await repeat(request, tenants)
    const before = await Promise.all(servers.map(({ usage }) => usage()))
    const measured = await interleave(
      servers.map(({ who, request }) => ({ name: NAME[who], run: request })),
      plan,
    )
    const answered = servers.map(({ latencies }) => latencies.length - seen)
    const lasting = servers.map(({ latencies }) => steady(latencies.slice(seen), plan))
    const after = await Promise.all(servers.map(({ usage }) => usage()))
    const bursts = await burstEach(servers, tenants)
    return {
      suite: 'hub',
      scenarios: [scenario(measured, tenants)],
      findings: findingsOf(measured, lasting, took),
      notes: [
        `${tenants.toLocaleString('en')} tenants provisioned in ${(sum(took) / 1_000).toFixed(1)} s, one after the other: median ${at(took, 0.5)}, P95 ${at(took, 0.95)}`,
        ...servers.map(
          ({ who }, n) => `${NAME[who]}: ${latency(lasting[n])}; ${spent(before[n], after[n], answered[n])}`,
        ),
        ...servers.map(
          ({ who }, n) =>
            `${NAME[who]}: all ${tenants.toLocaleString('en')} tenants at the same moment: ${bursts[n]?.ms.toFixed(0)} ms until the last answer, ${bursts[n]?.refused} refused`,
        ),
      ],
    }
  } finally {
    await Promise.all(servers.map(({ stop }) => stop()))
    await drop()
  }
}

function environmentOf(applicationUrl: string, adminUrl: string, rolePrefix: string): NodeJS.ProcessEnv {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    DATABASE_URL: applicationUrl,
    ADMIN_DATABASE_URL: adminUrl,
    ROLE_PREFIX: rolePrefix,
    TOKEN_SIGNING_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    API_KEY_PEPPER: randomBytes(32).toString('hex'),
    SETTINGS_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
    // All of it comes from one address.
    RATE_LIMIT_ADDRESS: '1000000',
    RATE_LIMIT_READ: '1000000',
  }
}

/** {@link AT_ONCE} at a time. */
async function repeat(request: () => Promise<void>, times: number): Promise<void> {
  let left = times
  const lane = async () => {
    while (left-- > 0) await request()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
}

/** What the warm-up rounds answered is left out, by their share. */
function steady(latencies: readonly number[], { rounds, warmUp }: Plan): number[] {
  return latencies.slice(Math.ceil((latencies.length * warmUp) / (rounds + warmUp)))
}

/** What took how long, and how many were refused: a pool may be exhausted on a busy machine. */
interface Burst {
  readonly ms: number
  readonly refused: number
}

async function burstEach(servers: readonly LoadServer[], tenants: number): Promise<Burst[]> {
  const took: Burst[] = []
  for (const { request } of servers) {
    // Twice: the first opens the sockets.
    for (let time = 0; time < 2; time++) {
      const began = performance.now()
      const answers = await Promise.allSettled(Array.from({ length: tenants }, request))
      const refused = answers.filter(({ status }) => status === 'rejected').length
      if (time === 1) took.push({ ms: performance.now() - began, refused })
    }
  }
  return took
}

function scenario(measured: readonly Measured[], tenants: number): Scenario {
  return {
    id: 'hub-tenants',
    title: `GET /v1/users, ${tenants.toLocaleString('en')} tenants in turn, ${AT_ONCE} at once`,
    reference: NAME.plain,
    unit: 'per second',
    lines: measured.map(({ name, cost }) => ({
      name,
      // Throughput over throughput is cost over cost the other way round.
      ratio: ratio(measured, NAME.plain, name),
      absolute: 1_000 / spreadOf(cost).median,
      ...processorOf(measured, name, NAME.plain),
      kind: name === NAME.scoped || name === NAME.hub ? 'ours' : 'limit',
    })),
  }
}

function findingsOf(
  measured: readonly Measured[],
  [, , scoped = [], , hub = []]: readonly number[][],
  took: readonly number[],
): Finding[] {
  const throughput = (who: Contender, of: Contender) => ratio(measured, NAME[of], NAME[who])
  const spent = processorRatio(measured, NAME.hub, NAME.unscoped)
  return [
    finding(
      'API with tenancy, 1,000 tenants: throughput',
      'the same without tenancy, as many schemas',
      throughput('scoped', 'schemas'),
      atLeast(0.9),
      undefined,
      SCOPED,
    ),
    finding(
      'API with tenancy, 1,000 tenants: throughput',
      'the same without tenancy, one schema',
      throughput('scoped', 'plain'),
    ),
    finding(
      'API without tenancy, 1,000 schemas: throughput',
      'the same, one schema',
      throughput('schemas', 'plain'),
    ),
    finding('the whole hub, 1,000 tenants: throughput', SAME, throughput('hub', 'unscoped'), atLeast(0.6)),
    ...(spent
      ? [finding('the whole hub, 1,000 tenants: processor time of process and server', SAME, spent)]
      : []),
    finding(
      'the whole hub, 1,000 tenants: throughput',
      'a list route without tenancy, denylist, permissions, limits: one schema',
      throughput('hub', 'plain'),
    ),
    {
      work: 'P95 of a scoped request',
      reference: '50 ms',
      measured: quantile(scoped, 0.95) / 50,
      target: atMost(1),
    },
    {
      work: 'P95 of a request to the hub',
      reference: '50 ms',
      measured: quantile(hub, 0.95) / 50,
      target: atMost(1),
    },
    {
      work: 'provisioning a tenant of the hub, P95',
      reference: '5 s',
      measured: quantile(took, 0.95) / 5_000,
      target: atMost(1),
    },
  ]
}

function latency(latencies: readonly number[] = []): string {
  return `P50 ${at(latencies, 0.5)}, P95 ${at(latencies, 0.95)}, P99 ${at(latencies, 0.99)}`
}

function spent(before: Usage | undefined, after: Usage | undefined, requests = 0): string {
  if (!before || !after) return ''
  const mb = (bytes: number) => (bytes / MB).toFixed(0)
  const cpu = ((after.cpu - before.cpu) / requests).toFixed(2)
  return `${cpu} ms of the process's CPU each; heap ${mb(before.heap)} MB before, ${mb(after.heap)} MB after; rss ${mb(after.rss)} MB`
}

const at = (values: readonly number[], share: number) => `${quantile(values, share).toFixed(1)} ms`
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

/** So that neighbours in the database are not neighbours in time. */
function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value)
}
