import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'
import { SCOPED } from '../contenders/statement.ts'
import { type Contender, interleave, type Measured, ratio } from '../measure/interleave.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atMost, finding, type SuiteResult } from '../report/result.ts'
import { type ManyTenants, manyKey } from './many-tenants.ts'

/** Tenants that are in use at the same time, among all there are. */
const BUSY = 100

/** What the role switch in the opening costs while the application's role is a member of thousands of roles. */
export async function rolesSuite(tenants: ManyTenants, effort: Effort): Promise<SuiteResult> {
  const pools: pg.Pool[] = []
  const contenders: Contender[] = (['schema', 'role'] as const).flatMap((isolation) =>
    ([1, BUSY] as const).map((busy) => {
      const pool = new pg.Pool({ connectionString: tenants.url, max: 1 })
      pools.push(pool)
      const { prefix } = tenants
      const tenancy = createTenancy({ pool, isolation, schemaPrefix: prefix, rolePrefix: prefix })
      const key = () => manyKey(1 + Math.floor(Math.random() * busy))
      return { name: nameOf(isolation, busy), run: () => tenancy.query(key(), SCOPED, [1]) }
    }),
  )
  const plan = {
    concurrency: 1,
    sliceMs: effort.loopbackSliceMs,
    rounds: effort.rounds * 3,
    warmUp: effort.warmUp,
  }
  const measured = await interleave(contenders, plan)
  await Promise.all(pools.map((pool) => pool.end()))
  return { suite: 'roles', findings: [1, BUSY].map((busy) => compared(measured, busy, tenants.count)) }
}

const nameOf = (isolation: 'role' | 'schema', busy: number) => `level ${isolation}, ${busy} in turn`

function compared(measured: readonly Measured[], busy: number, count: number) {
  const [withRole, without] = [nameOf('role', busy), nameOf('schema', busy)]
  const ms = (name: string) =>
    spreadOf(measured.find((one) => one.name === name)?.cost ?? []).median.toFixed(3)
  return finding(
    `tenancy.query with role switch, ${count.toLocaleString('en')} roles, ${busy === 1 ? 'one tenant' : `${busy} tenants in turn`}, loopback`,
    'the same without a role',
    ratio(measured, withRole, without),
    atMost(1.25),
    `${ms(withRole)} ms, without ${ms(without)} ms`,
  )
}
