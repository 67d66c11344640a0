import { createWorker } from '@org/governance/outbox/worker'
import pg from 'pg'
import {
  AT_ONCE,
  bossContender,
  graphileContender,
  NOBODY,
  outboxContender,
  type QueueContender,
} from '../contenders/queues.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Effort } from '../options.ts'
import { atLeast, atMost, finding, type SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'

const TENANTS = 10_000

/** Emptying a queue, next to job libraries; the same with a snapshot that somebody holds; and who waits behind whom. */
export async function outboxSuite(bench: Bench, effort: Effort): Promise<SuiteResult> {
  const [jobs, rounds] = effort.name === 'full' ? [100_000, 7] : [30_000, 3]
  const databases = await Promise.all([1, 2, 3, 4].map(() => bench.database()))
  const [first, second, third, fourth] = databases.map(({ adminUrl }) => adminUrl)
  const ours = await outboxContender(String(first), 'outbox')
  const held = await outboxContender(String(second), 'outbox, a snapshot held')
  const graphile = await graphileContender(String(third))
  const boss = await bossContender(String(fourth))
  const holder = new pg.Client(String(second))
  await holder.connect()
  await holder.query('begin isolation level repeatable read; select 1 from governance.outbox_head')
  const contenders = [ours, held, graphile, boss]
  const rates = new Map<QueueContender, number[]>()
  for (let round = 0; round <= rounds; round += 1) {
    for (const contender of rotated(contenders, round)) {
      const rate = await rateOf(contender, jobs)
      // The first one warms up.
      if (round > 0) rates.set(contender, [...(rates.get(contender) ?? []), rate])
    }
  }
  const ahead = await handledAhead(ours.pool, effort.name === 'full' ? 500_000 : 100_000)
  await holder.query('commit')
  await holder.end()
  await Promise.all(contenders.map((contender) => contender.close()))
  for (const database of databases) await database.drop()
  const ratio = (a: QueueContender, b: QueueContender) =>
    spreadOf((rates.get(a) ?? []).map((rate, n) => rate / (rates.get(b)?.[n] ?? Number.NaN)))
  const work = `outbox, ${jobs.toLocaleString('en')} events of ${TENANTS.toLocaleString('en')} tenants, taken in turns and completed`
  return {
    suite: 'outbox',
    findings: [
      finding(work, graphile.name, ratio(ours, graphile), atLeast(0.8)),
      finding(work, boss.name, ratio(ours, boss)),
      finding('the same, a snapshot held for the whole run', 'without', ratio(held, ours), atLeast(0.7)),
      {
        work: `a lone event behind ${ahead.backlog.toLocaleString('en')} of another tenant: handled before it`,
        reference: 'a round of the worker (what it takes at once)',
        measured: ahead.before / AT_ONCE,
        target: atMost(2),
      },
    ],
    notes: contenders.map((contender) => {
      const { median } = spreadOf(rates.get(contender) ?? [])
      return `${contender.name}: ${Math.round(median).toLocaleString('en')} a second`
    }),
  }
}

async function rateOf(contender: QueueContender, jobs: number): Promise<number> {
  await contender.fill(jobs, TENANTS)
  const begun = performance.now()
  const handled = await contender.drain(jobs)
  if (handled !== jobs) throw new Error(`${contender.name} handled ${handled} of ${jobs}`)
  return (jobs / (performance.now() - begun)) * 1_000
}

/** How many of a long queue are handled after a lone event was published and before it is. */
async function handledAhead(pool: pg.Pool, backlog: number): Promise<{ backlog: number; before: number }> {
  const publish = (tenant: string, n: number) =>
    pool.query(
      `insert into governance.outbox (tenant, type, payload) select $1, 'bench', '1' from generate_series(1, $2::int)`,
      [tenant, n],
    )
  await publish('hog', backlog)
  let handled = 0
  let published: Promise<unknown> | undefined
  let before = Number.NaN
  let since = 0
  const worker = createWorker({
    control: pool,
    tenants: NOBODY,
    concurrency: AT_ONCE,
    handlers: {
      bench: async ({ tenant }) => {
        handled += 1
        if (tenant === 'lone') before = handled - since - 1
        if (handled === 5 * AT_ONCE) {
          published = publish('lone', 1).then(() => {
            since = handled
          })
          await published
        }
      },
    },
  })
  worker.start()
  while (Number.isNaN(before)) await new Promise((resolve) => setTimeout(resolve, 10))
  await worker.stop()
  await pool.query(`select governance.outbox_forget('hog')`)
  return { backlog, before }
}

const rotated = <T>(all: readonly T[], by: number): T[] => {
  const at = by % all.length
  return [...all.slice(at), ...all.slice(0, at)]
}
