import pg from 'pg'
import { measureRevocations, type Observed } from '../../packages/rbac/test/load/measure.ts'
import { makeSubjects, type Place, READ, storeOf } from '../../packages/rbac/test/load/subjects.ts'
import { interleave, ratio } from '../measure/interleave.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atMost, finding, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'

/** Requests in one slice, so that reading the clock costs none of them anything. */
const TIMES = 1_000
const NAME = {
  map: 'await and Map.get',
  warm: 'evaluatorFor, from memory',
  decided: 'evaluatorFor, asOf and can',
} as const

/** What a request pays for its evaluator when it is remembered, and how late a revocation is seen under load. */
export async function rbacStoreSuite(
  bench: Bench,
  effort: Effort,
): Promise<Pick<SuiteResult, 'findings' | 'notes'>> {
  const place = await placeIn(bench, 'v')
  const pool = new pg.Pool({ connectionString: place.appUrl, max: 4 })
  const warm = await warmEvaluators(place, pool, effort)
  await pool.end()
  await place.close()
  const loaded = await placeIn(bench, 'w')
  const { observed, decisions, seconds } = await measureRevocations(loaded)
  await loaded.close()
  const [here, elsewhere] = [observed.filter(isHere), observed.filter((one) => !isHere(one))]
  return {
    findings: [
      ...warm.findings,
      {
        work: 'revoked in another process, permitted last',
        reference: '1 second after the commit',
        measured: worst(elsewhere) / 1_000,
        target: atMost(1),
      },
    ],
    notes: [
      ...warm.notes,
      `${Math.round(decisions / seconds / 1_000)},000 decisions a second by two processes while ${observed.length / 2} permissions are taken away`,
      `revoked here: last permitted ${worst(here).toFixed(1)} ms after the commit (${here.length} seen)`,
      `revoked elsewhere: p50 ${at(elsewhere, 0.5)}, p99 ${at(elsewhere, 0.99)}, max ${worst(elsewhere).toFixed(0)} ms (${elsewhere.length} seen)`,
    ],
  }
}

async function warmEvaluators(place: Place, pool: pg.Pool, effort: Effort) {
  const { tenancy, subjects } = await makeSubjects(place, pool)
  const store = storeOf(tenancy, pool)
  const [who] = subjects
  if (!who) throw new Error('nobody to ask about')
  const kept = new Map([[`${who.tenant}\0${who.actor.id}`, await store.evaluatorFor(who)]])
  const repeated = (name: string, once: () => Promise<boolean>) => ({
    name,
    run: async () => {
      for (let time = 0; time < TIMES; time++)
        if (!(await once())) throw new Error(`${name} refuses what is granted`)
    },
  })
  const contenders = [
    repeated(NAME.map, async () => kept.get(`${who.tenant}\0${who.actor.id}`) !== undefined),
    repeated(NAME.warm, async () => (await store.evaluatorFor(who)) !== undefined),
    repeated(NAME.decided, async () => (await store.evaluatorFor(who)).asOf(Date.now()).can(READ)),
  ]
  const plan = {
    concurrency: 1,
    sliceMs: effort.loopbackSliceMs,
    rounds: effort.rounds,
    warmUp: effort.warmUp,
  }
  const measured = await interleave(contenders, plan)
  await tenancy.close()
  return {
    findings: [
      finding(NAME.warm, NAME.map, ratio(measured, NAME.warm, NAME.map)),
      finding(NAME.decided, NAME.map, ratio(measured, NAME.decided, NAME.map)),
    ],
    notes: measured.map(
      ({ name, cost }) => `${name}: ${((spreadOf(cost).median * 1e3) / TIMES).toFixed(2)} µs`,
    ),
  }
}

const isHere = ({ server, by }: Observed) => server === by
const worst = (all: readonly Observed[]) => Math.max(...all.map(({ late }) => late))

function at(all: readonly Observed[], share: number): string {
  const sorted = all.map(({ late }) => late).sort((a, b) => a - b)
  return `${Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)}`
}

async function placeIn(bench: Bench, letter: string): Promise<Place & { close(): Promise<void> }> {
  const { applicationUrl, adminUrl, drop } = await bench.database()
  const root = new pg.Pool({ connectionString: adminUrl, max: 3 })
  return {
    root,
    admin: root,
    appRole: bench.role,
    appUrl: applicationUrl,
    rolePrefix: bench.prefix(letter),
    close: async () => {
      await root.end()
      await drop()
    },
  }
}
