// @module-tag slow: a recipe that others look at by parts.
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '@org/pg-testing'
import * as bull from 'bullmq'
import * as graphile from 'graphile-worker'
import * as boss from 'pg-boss'
import { afterEach, expect, it } from 'vitest'
import { createWorker, type Worker } from '../../src/outbox/worker/index.ts'
import { acme, globex, useOutbox } from '../support/outbox-world.ts'
import { eventually } from '../support/world.ts'

const there = useOutbox('role')
const started: { stop(): Promise<unknown> }[] = []
afterEach(() => Promise.all(started.splice(0).map((one) => one.stop())))

/** The block of a job library, as it stands in the recipe, on this file's database; returns what it names `result`. */
async function run(library: string, result: string, more: Record<string, unknown> = {}): Promise<unknown> {
  const page = await readFile(new URL('../../../../docs/recipes/jobs.md', import.meta.url), 'utf8')
  const [, code = ''] = new RegExp(`## ${library}\n.*?\`\`\`ts\n(.*?)\`\`\``, 's').exec(page) ?? []
  const body = code.replace(/import (\{.*?\}) from '(.*?)'/g, "const $1 = modules['$2']")
  const { control: workerPool, tenancy, setting } = there
  const made = (options: Parameters<typeof createWorker>[0]): Worker => {
    const worker = createWorker({ ...options, pollInterval: 20 })
    started.push(worker)
    return worker
  }
  const modules = {
    'pg-boss': boss,
    'graphile-worker': graphile,
    bullmq: bull,
    '@org/governance/outbox/worker': { createWorker: made },
  }
  const given = {
    modules,
    workerPool,
    tenancy,
    jobsPool: setting.world.root,
    connectionString: setting.world.url,
    createWorker: made,
    ...more,
  }
  const program = new Function(...Object.keys(given), `return (async () => { ${body}\nreturn ${result} })()`)
  return program(...Object.values(given))
}

async function wanted(): Promise<void> {
  for (const key of [acme, globex])
    await there.tenancy.withTenant(key, (db) =>
      there.events.publish(db, 'report.wanted', { title: `of ${key}` }),
    )
}

it('graphile-worker: each job carries its tenant', async () => {
  const jobs = (await run('graphile-worker', 'jobs')) as graphile.WorkerUtils
  await jobs.migrate()
  await wanted()
  const { root } = there.setting.world
  const read = async () =>
    (await root.query('select payload from graphile_worker._private_jobs')).rows.map(
      ({ payload }) => payload.tenant,
    )
  await eventually(async () => (await read()).length === 2)
  expect((await read()).sort()).toEqual([acme, globex])
  await jobs.release()
})

it('pg-boss: each job carries its tenant', async () => {
  const found = (await run('pg-boss', 'boss')) as boss.PgBoss
  started.push({ stop: () => found.stop({ graceful: false }) })
  await wanted()
  const seen: unknown[] = []
  await eventually(async () => {
    for (const job of await found.fetch<{ tenant: string }>('report')) seen.push(job.data.tenant)
    return seen.length >= 2
  })
  expect(seen.sort()).toEqual([acme, globex])
})

const redis = findProgram('redis-server')

/** A server of this test's own, on a socket in a folder of its own, with nothing on disk. */
async function startRedis(program: string): Promise<{ readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'redis-'))
  const path = join(folder, 'socket')
  const settings = ['--port', '0', '--unixsocket', path, '--save', '', '--appendonly', 'no', '--dir', folder]
  const server = spawn(program, settings, { stdio: 'ignore' })
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  started.push({
    stop: async () => {
      server.kill()
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  })
  return { path }
}

it.skipIf(!redis)(
  redis
    ? 'BullMQ: each job carries its tenant, and works in it'
    : 'SKIPPED: install redis-server to run the recipe for BullMQ',
  async () => {
    const connection = await startRedis(redis as string)
    const made = (await run('BullMQ', '{ queue, worker }', { connection })) as {
      queue: bull.Queue
      worker: bull.Worker
    }
    const bodies = async (key: string) =>
      (await there.tenancy.query<{ body: string }>(key, 'select body from notes')).rows.map(
        ({ body }) => body,
      )
    await wanted()
    await eventually(async () => (await bodies(acme)).length + (await bodies(globex)).length === 2)
    expect(await bodies(acme)).toEqual([`of ${acme}`])
    expect(await bodies(globex)).toEqual([`of ${globex}`])
    const jobs = await made.queue.getJobs(['completed'])
    // Handed over twice, it is one job.
    for (const { id, name, data } of jobs) await made.queue.add(name, data, { jobId: id as string })
    expect(await made.queue.getJobCounts('completed', 'waiting', 'active')).toEqual({
      completed: 2,
      waiting: 0,
      active: 0,
    })
    await made.worker.close()
    await made.queue.close()
  },
)
