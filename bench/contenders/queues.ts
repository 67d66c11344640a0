import { installOutbox } from '@org/governance/outbox'
import { createWorker } from '@org/governance/outbox/worker'
import { Logger, run, runMigrations } from 'graphile-worker'
import pg from 'pg'
import { PgBoss } from 'pg-boss'

/** One queue: filled by set, out of the clock; emptied on it by handlers that do nothing. */
export interface QueueContender {
  readonly name: string
  fill(jobs: number, tenants: number): Promise<void>
  /** @returns how many were handled */
  drain(jobs: number): Promise<number>
  close(): Promise<void>
}

/** Handled at once, and fetched at once where that can be said. */
export const AT_ONCE = 500

/** The n-th job is of tenant n mod tenants, but half of all are of the first. */
const TENANT = (jobs: string, tenants: string) =>
  `case when n <= ${jobs} / 2 then 't0' else 't' || n % ${tenants} end`

/** A tenancy that opens no scope: the handlers ask for none. */
export const NOBODY = {
  withTenant: async <T>(): Promise<T> => {
    throw new Error('no scopes here')
  },
}

/** The outbox, with the scopes of nobody: what is measured is the queue. */
export async function outboxContender(
  url: string,
  name: string,
): Promise<QueueContender & { pool: pg.Pool }> {
  const pool = new pg.Pool({ connectionString: url, max: 6 })
  await installOutbox(pool)
  return {
    name,
    pool,
    fill: async (jobs, tenants) => {
      await pool.query(
        `insert into governance.outbox (tenant, type, payload)
         select ${TENANT('$1::int', '$2::int')}, 'bench', jsonb_build_object('n', n) from generate_series(1, $1::int) n`,
        [jobs, tenants],
      )
    },
    drain: async () => {
      const worker = createWorker({
        control: pool,
        tenants: NOBODY,
        concurrency: AT_ONCE,
        handlers: { bench: async () => {} },
      })
      return (await worker.drain()).done
    },
    close: () => pool.end(),
  }
}

export async function graphileContender(url: string): Promise<QueueContender> {
  const pgPool = new pg.Pool({ connectionString: url, max: 6 })
  pgPool.on('error', () => {})
  pgPool.on('connect', (client) => client.on('error', () => {}))
  const logger = new Logger(() => () => {})
  await runMigrations({ pgPool, logger })
  return {
    name: `graphile-worker, localQueue ${AT_ONCE}`,
    fill: async (jobs, tenants) => {
      await pgPool.query(
        `select count(*) from graphile_worker.add_jobs((
           select array_agg(('bench', json_build_object('n', n, 'tenant', ${TENANT('$1::int', '$2::int')}), null, null, null,
             null, null, null)::graphile_worker.job_spec)
           from generate_series(1, $1::int) n), true)`,
        [jobs, tenants],
      )
    },
    drain: async (jobs) => {
      let handled = 0
      let all = () => {}
      const done = new Promise<void>((resolve) => (all = resolve))
      const runner = await run({
        pgPool,
        logger,
        noHandleSignals: true,
        taskList: {
          bench: async () => {
            handled += 1
            if (handled === jobs) all()
          },
        },
        preset: {
          worker: {
            concurrentJobs: AT_ONCE,
            localQueue: { size: AT_ONCE },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
      })
      await done
      await runner.stop()
      return handled
    },
    close: () => pgPool.end(),
  }
}

export async function bossContender(url: string): Promise<QueueContender> {
  const boss = new PgBoss({ connectionString: url, max: 6 })
  boss.on('error', () => {})
  await boss.start()
  await boss.createQueue('bench')
  return {
    name: `pg-boss, fetch and complete ${AT_ONCE} at once`,
    fill: async (jobs, tenants) => {
      for (let at = 0; at < jobs; at += 5_000) {
        const size = Math.min(5_000, jobs - at)
        await boss.insert(
          'bench',
          Array.from({ length: size }, (_, n) => ({ data: { n, tenant: `t${n % tenants}` } })),
        )
      }
    },
    drain: async () => {
      let handled = 0
      for (;;) {
        const jobs = await boss.fetch('bench', { batchSize: AT_ONCE })
        if (jobs.length === 0) return handled
        handled += jobs.length
        await boss.complete(
          'bench',
          jobs.map(({ id }) => id),
        )
      }
    },
    close: () => boss.stop({ graceful: false, close: true }),
  }
}
