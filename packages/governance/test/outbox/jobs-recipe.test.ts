import { readFile } from 'node:fs/promises'
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
async function run(library: string, result: string): Promise<unknown> {
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
    '@org/governance/outbox/worker': { createWorker: made },
  }
  const given = {
    modules,
    workerPool,
    tenancy,
    jobsPool: setting.world.root,
    connectionString: setting.world.url,
    createWorker: made,
  }
  const program = new Function(...Object.keys(given), `return (async () => { ${body}\nreturn ${result} })()`)
  return program(...Object.values(given))
}

async function wanted(): Promise<void> {
  for (const key of [acme, globex])
    await there.tenancy.withTenant(key, (db) => there.events.publish(db, 'report.wanted', { for: key }))
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
