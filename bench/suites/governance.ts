import { installAudit } from '@org/governance/audit'
import { IDEMPOTENCY_MIGRATION } from '@org/governance/idempotency'
import { installUsage } from '@org/governance/usage'
import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'
import { DECISIONS, GOVERNED, governedContenders, LIMIT, limitContenders } from '../contenders/governance.ts'
import { costOf, interleave, ratio } from '../measure/interleave.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atLeast, atMost, type Finding, finding, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'

const WRITERS = 16
const NOTES = 'create table notes (id bigint generated always as identity primary key, body text not null)'
/** What a decision may take, in microseconds. */
const DECISION_US = 0.5

/** What is written beside a tenant's own rows, and what a decision costs. */
export async function governanceSuite(bench: Bench, effort: Effort): Promise<SuiteResult> {
  const { applicationUrl, adminUrl, drop } = await bench.database()
  const pool = new pg.Pool({ connectionString: applicationUrl, max: WRITERS })
  const adminPool = new pg.Pool({ connectionString: adminUrl, max: 1 })
  const prefix = bench.prefix('g')
  const migrations = [{ id: '0001_notes', sql: NOTES }, IDEMPOTENCY_MIGRATION]
  const tenancy = createTenancy({ pool, adminPool, migrations, schemaPrefix: prefix, rolePrefix: prefix })
  await tenancy.provision('acme')
  for (const install of [installAudit, installUsage]) await install(adminPool, { rolePrefix: prefix })
  const { rounds, warmUp, loopbackSliceMs } = effort
  const writers = {
    concurrency: WRITERS,
    rounds: rounds * 2,
    warmUp: warmUp * 2,
    sliceMs: loopbackSliceMs * 2,
  }
  const governed = await interleave(governedContenders(tenancy), writers)
  const alone = await interleave(governedContenders(tenancy), { ...writers, concurrency: 1 })
  const limits = await interleave(limitContenders(), { ...writers, concurrency: 1, sliceMs: loopbackSliceMs })
  await Promise.all([pool.end(), adminPool.end()])
  await drop()
  // Throughput over throughput is cost over cost the other way round.
  const rate = (name: string) => ratio(governed, GOVERNED.plain, name)
  const commits = (name: string): Finding =>
    finding(`${name}, ${WRITERS} writers`, GOVERNED.plain, rate(name), atLeast(0.85))
  const micros = (spreadOf(costOf(limits, LIMIT.ours)).median * 1_000) / DECISIONS
  return {
    suite: 'governance',
    findings: [
      commits(GOVERNED.audit),
      commits(GOVERNED.metered),
      finding(
        `${GOVERNED.once}, alone`,
        GOVERNED.plain,
        ratio(alone, GOVERNED.once, GOVERNED.plain),
        atMost(1.15),
      ),
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
