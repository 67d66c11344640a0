import { randomBytes } from 'node:crypto'
import { TenancyError } from '@org/core'
import { expect, it, onTestFinished } from 'vitest'
import { auditLog, installAudit } from '../../src/audit/index.ts'
import { createJobs, installJobs, type Job } from '../../src/jobs/index.ts'
import { installOutbox } from '../../src/outbox/index.ts'
import { createWorker } from '../../src/outbox/worker/index.ts'
import { installRetention, retention } from '../../src/retention/index.ts'
import { installUsage, usage } from '../../src/usage/index.ts'
import { acme, eventually, useLevel } from '../support/levels.ts'

const audit = auditLog({ keys: { k1: randomBytes(32) } })
const used = usage({ key: randomBytes(32) })
const keeping = retention({ audit })
const world = useLevel('role', async (admin, options) => {
  await installAudit(admin, options)
  await installUsage(admin, options)
  await installRetention(admin)
  await installJobs(admin)
  const { readers: _, ...ours } = options
  await installOutbox(admin, ours)
})
const control = () => world.setting.world.admin
const rows = async (name: string) =>
  (await control().query('select * from governance.job where name = $1', [name])).rows[0]

it('seal, roll up and keep, each by itself or in turns', async () => {
  await world.tenancy.withTenant(acme, async (db) => {
    await audit.record(db, { actor: { type: 'user', id: 'u' }, action: 'a.b.c' })
    await used.meter(db, { requestId: 'r', action: 'a.b' })
    await db.query('select 1')
  })
  const jobs = createJobs({
    control: control(),
    jobs: [
      { name: 'audit.seal', every: 60_000, run: () => audit.seal(control()) },
      { name: 'usage.roll_up', every: 60_000, run: () => used.rollUp(control()) },
      { name: 'retention.shared', every: 86_400_000, run: () => keeping.runShared(control()) },
      {
        name: 'retention.tenants',
        every: 3_600_000,
        run: () => keeping.runTenants(control(), world.tenancy),
      },
    ],
  })
  expect(await jobs.runDue()).toEqual(
    ['audit.seal', 'usage.roll_up', 'retention.shared', 'retention.tenants'].map((job) => ({
      job,
      code: null,
    })),
  )
  // Not their turn again.
  expect(await jobs.runDue()).toEqual([])
  expect(await rows('audit.seal')).toMatchObject({ code: null, token: null, failed_at: null })
})

it('among processes one runs each; a failure is told, and tried again soon', async () => {
  let [runs, at, most] = [0, 0, 0]
  const job: Job = {
    name: 'one.at_a_time',
    every: 1_000,
    run: async () => {
      most = Math.max(most, ++at)
      await new Promise((resolve) => setTimeout(resolve, 30))
      at--
      if (++runs === 2) throw new TenancyError('SERVICE_UNAVAILABLE', 'no')
    },
  }
  const told: unknown[] = []
  const processes = Array.from({ length: 4 }, () =>
    createJobs({
      control: control(),
      jobs: [job],
      pollInterval: 20,
      onProblem: ({ job: name, error }) => {
        told.push([name, (error as TenancyError).code])
        throw new Error('the log is full')
      },
    }),
  )
  onTestFinished(async () => {
    await Promise.all(processes.map((one) => one.stop()))
  })
  for (const one of processes) one.start()
  await eventually(() => runs >= 3)
  expect(most).toBe(1)
  expect(told).toEqual([['one.at_a_time', 'SERVICE_UNAVAILABLE']])
})

it('what was killed is taken over when its lease runs out, and what it then says does not count', async () => {
  let finish = () => {}
  let aborted = false
  let runs = 0
  const jobOf = (run: Job['run']): Job => ({ name: 'killed', every: 86_400_000, run })
  const stuck = createJobs({
    control: control(),
    lease: 1_000,
    jobs: [
      jobOf((signal) => {
        signal.addEventListener('abort', () => {
          aborted = true
        })
        return new Promise<void>((resolve) => {
          finish = resolve
        })
      }),
    ],
  })
  const hanging = stuck.runDue()
  await eventually(async () => (await rows('killed'))?.token != null)
  // As after kill -9: nobody renews, and the time is over.
  await control().query(
    `update governance.job set leased_until = now() - interval '1 second', token = gen_random_uuid() where name = 'killed'`,
  )
  const other = createJobs({ control: control(), jobs: [jobOf(async () => void runs++)] })
  expect(await other.runDue()).toEqual([{ job: 'killed', code: null }])
  const { next_at: next } = await rows('killed')
  await eventually(() => aborted)
  finish()
  await hanging
  expect(runs).toBe(1)
  expect((await rows('killed')).next_at).toEqual(next)
})

it('begin, end and drain with a worker', async () => {
  const signals: AbortSignal[] = []
  const jobs = createJobs({
    control: control(),
    pollInterval: 20,
    jobs: [{ name: 'with.worker', every: 1_000, run: async (signal) => void signals.push(signal) }],
  })
  const worker = createWorker({ control: control(), tenants: world.tenancy, handlers: {}, jobs })
  await worker.drain()
  expect(signals).toHaveLength(1)
  worker.start()
  onTestFinished(() => worker.stop())
  await eventually(() => signals.length === 2)
  await worker.stop()
  await control().query(`update governance.job set next_at = now() where name = 'with.worker'`)
  // Stopped is not over: cron may still come, and what it runs is not told to end.
  await jobs.runDue()
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, true, false])
})

it('bad input is named', () => {
  const made =
    (jobs: unknown, more = {}) =>
    () =>
      createJobs({ control: control(), jobs: jobs as Job[], ...more })
  const run = async () => {}
  expect(made([{ name: 'A', every: 1_000, run }])).toThrow(/jobs.name/)
  expect(made([{ name: 'a', every: 5, run }])).toThrow(/jobs.every/)
  expect(made([{ name: 'a', every: 1_000 }])).toThrow(/jobs.run/)
  expect(
    made([
      { name: 'a', every: 1_000, run },
      { name: 'a', every: 1_000, run },
    ]),
  ).toThrow(/jobs.name/)
  expect(made({})).toThrow(/jobs/)
  expect(made([], { lease: 1 })).toThrow(/lease/)
})
