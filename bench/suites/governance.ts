import { installAudit } from '@org/governance/audit'
import { IDEMPOTENCY_LEAN_MIGRATION, IDEMPOTENCY_MIGRATION } from '@org/governance/idempotency'
import { installUsage } from '@org/governance/usage'
import { createTenancy } from '@org/pg-tenant'
import { startWireProxyInWorker } from '@org/pg-tenant/testing'
import pg from 'pg'
import {
  DECISIONS,
  FLOOR,
  FLOOR_MIGRATION,
  GOVERNED,
  governedContenders,
  LIMIT,
  limitContenders,
} from '../contenders/governance.ts'
import { idempotentRoutes, ROUTES } from '../contenders/idempotent-routes.ts'
import { costOf, interleave, ratio } from '../measure/interleave.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atLeast, atMost, type Count, type Finding, finding, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'

const WRITERS = 16
const TIMES = 25
const NOTES = 'create table notes (id bigint generated always as identity primary key, body text not null)'
/** What a decision may take, in microseconds. */
const DECISION_US = 0.5

/** What is left of what a target leaves no room for: measured, each part by itself. */
const BECAUSE = {
  audit:
    'executing a bare row takes the server 7.9 µs, an entry 22: its partition 0.9, the key 1.5, the order it is sealed in 1.6, what lists go by (entity, actor) 6.1, the policy that says whose it is and how large 4.0 (one backend, 2026-11-30); each is a guarantee, and the bare row alone is below the target',
  metered:
    'a bare row alone, without a key that a request is counted by once, and without a policy, is below the target',
  once: 'a bare claim and its answer by a key alone are above the target; beyond them are how long the claim waits for another, and until when it is kept',
  route:
    'the claim and the answer are two statements of the transaction; answers kept in memory, lost with the process, are above the target too',
} as const

/** What is written beside a tenant's own rows, and what a decision costs. */
export async function governanceSuite(bench: Bench, effort: Effort): Promise<SuiteResult> {
  const { applicationUrl, adminUrl, drop } = await bench.database()
  const pool = new pg.Pool({ connectionString: applicationUrl, max: WRITERS })
  const adminPool = new pg.Pool({ connectionString: adminUrl, max: 1 })
  const prefix = bench.prefix('g')
  const migrations = [
    { id: '0001_notes', sql: NOTES },
    FLOOR_MIGRATION,
    IDEMPOTENCY_MIGRATION,
    IDEMPOTENCY_LEAN_MIGRATION,
  ]
  const tenancy = createTenancy({ pool, adminPool, migrations, schemaPrefix: prefix, rolePrefix: prefix })
  await tenancy.provision('acme')
  for (const install of [installAudit, installUsage]) await install(adminPool, { rolePrefix: prefix })
  await adminPool.query(FLOOR)
  const { rounds, warmUp, loopbackSliceMs } = effort
  const writers = {
    concurrency: WRITERS,
    rounds: rounds * 2,
    warmUp: warmUp * 2,
    sliceMs: loopbackSliceMs * 2,
  }
  const governed = await interleave(governedContenders(tenancy), writers)
  const alone = await interleave(governedContenders(tenancy), { ...writers, concurrency: 1 })
  const routes = await idempotentRoutes(tenancy)
  const served = await interleave(routes.contenders, { ...writers, concurrency: 1 })
  await routes.close()
  const limits = await interleave(limitContenders(), { ...writers, concurrency: 1, sliceMs: loopbackSliceMs })
  const counts = await tripsOf(applicationUrl, prefix)
  await Promise.all([pool.end(), adminPool.end()])
  await drop()
  // Throughput over throughput is cost over cost the other way round.
  const rate = (name: string) => ratio(governed, GOVERNED.plain, name)
  const commits = (name: string, because: string): Finding =>
    finding(`${name}, ${WRITERS} writers`, GOVERNED.plain, rate(name), atLeast(0.85), undefined, because)
  /** What no way of writing beside is faster than. */
  const least = (name: string): Finding => finding(`${name}, ${WRITERS} writers`, GOVERNED.plain, rate(name))
  const micros = (spreadOf(costOf(limits, LIMIT.ours)).median * 1_000) / DECISIONS
  return {
    suite: 'governance',
    counts,
    findings: [
      commits(GOVERNED.audit, BECAUSE.audit),
      least(GOVERNED.bareEntry),
      commits(GOVERNED.metered, BECAUSE.metered),
      least(GOVERNED.bareUse),
      finding(
        `${GOVERNED.once}, alone`,
        GOVERNED.plain,
        ratio(alone, GOVERNED.once, GOVERNED.plain),
        atMost(1.15),
        undefined,
        BECAUSE.once,
      ),
      finding(`${GOVERNED.bareKey}, alone`, GOVERNED.plain, ratio(alone, GOVERNED.bareKey, GOVERNED.plain)),
      finding(
        ROUTES.ours,
        ROUTES.plain,
        ratio(served, ROUTES.ours, ROUTES.plain),
        atMost(1.15),
        undefined,
        BECAUSE.route,
      ),
      finding(ROUTES.memory, ROUTES.plain, ratio(served, ROUTES.memory, ROUTES.plain)),
      finding(
        LIMIT.ours,
        LIMIT.flexible,
        ratio(limits, LIMIT.ours, LIMIT.flexible),
        undefined,
        `${micros.toFixed(2)} µs (aim: ${DECISION_US})`,
      ),
      finding(LIMIT.known, LIMIT.flexible, ratio(limits, LIMIT.known, LIMIT.flexible)),
    ],
  }
}

/** Round trips of each over a proxy that counts them: what is written beside goes along with what is there anyway. */
async function tripsOf(url: string, prefix: string): Promise<Count[]> {
  const proxy = await startWireProxyInWorker({ target: url })
  const pool = new pg.Pool({ connectionString: proxy.url, max: 1 })
  const tenancy = createTenancy({ pool, schemaPrefix: prefix, rolePrefix: prefix })
  const counts: Count[] = []
  for (const { name, run } of governedContenders(tenancy)) {
    await run()
    await proxy.reset()
    for (let time = 0; time < TIMES; time++) await run()
    counts.push({ work: name, expected: 2, trips: (await proxy.roundTrips()) / TIMES })
  }
  await pool.end()
  await proxy.close()
  return counts
}
