// @module-tag slow: processes that die; of two workers one is killed in failover.test.ts, publishing is undone with its transaction in publish.test.ts.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, it, onTestFinished } from 'vitest'
import { acme, useOutbox } from '../support/outbox-world.ts'
import { eventually } from '../support/world.ts'

const there = useOutbox('role')

function run(script: string, hangAt = ''): ChildProcess {
  const { world } = there.setting
  const prefixes = `role_,${world.rolePrefix}role_`
  const child = spawn(
    process.execPath,
    [
      '--conditions=@org/source',
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, 'fixtures', script),
      there.controlUrl,
      there.setting.directUrl,
      prefixes,
      hangAt,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function killAt(script: string, where: string): Promise<void> {
  const child = run(script, where)
  const exited = once(child, 'exit')
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line === where) child.kill('SIGKILL')
  }
  expect(await exited).toEqual([null, 'SIGKILL'])
}

const publish = (type: string, payload: unknown = 1) =>
  there.tenancy.withTenant(acme, (db) => there.events.publish(db, type, payload))
const effects = async () => (await there.tenancy.query<{ body: string }>(acme, 'select body from notes')).rows
const count = async (sql: string) =>
  Number((await there.control.query<{ n: string }>(`select count(*) as n from governance.${sql}`)).rows[0]?.n)
const nothingLeft = async () =>
  (await count('outbox_lease where not over')) + (await count('outbox_loose')) + (await unclaimed()) === 0
const unclaimed = () =>
  count(
    `outbox_ready r where (r.turn, r.seq) > (select turn, seq from governance.outbox_lease order by id desc limit 1)`,
  )

afterEach(async () => {
  await there.tenancy.query(acme, 'delete from notes')
  await there.control.query(`select governance.outbox_forget('acme')`)
})

it('a publisher that is killed before COMMIT has published nothing, after it everything', async () => {
  await killAt('publisher.ts', 'before')
  await eventually(async () => {
    const { rows } = await there.setting.world.root.query(
      `select from pg_stat_activity where usename = $1 and state like 'idle in%'`,
      [there.setting.world.appRole],
    )
    return rows.length === 0
  })
  expect(await count('outbox')).toBe(0)
  await killAt('publisher.ts', 'after')
  expect(await count('outbox')).toBe(1)
})

it.each(['claimed', 'effect'])(
  'a worker that is killed when %s: the event is handled again, its effect is once',
  async (where) => {
    const id = await publish('effect')
    await killAt('worker.ts', where)
    expect(await effects()).toHaveLength(where === 'effect' ? 1 : 0)
    run('worker.ts')
    await eventually(async () => (await effects()).length === 1 && (await nothingLeft()))
    expect(await effects()).toEqual([{ body: `acme:${id}` }])
    const { rows } = await there.control.query('select attempts, solo from governance.outbox order by seq')
    // A machine that is busy may let the second lease run out as well: it is then tried alone once more.
    expect(rows.slice(0, 2)).toEqual([
      { attempts: 0, solo: false },
      { attempts: 1, solo: true },
    ])
  },
)

it('what kills its worker dies, and those that were with it do not', async () => {
  await publish('poison')
  for (let n = 0; n < 5; n += 1) await publish('effect', n)
  for (let n = 0; n < 5; n += 1) await publish('slow', n)
  // A supervisor that starts it again, whenever it is gone.
  let stopped = false
  let deaths = 0
  const supervise = async () => {
    while (!stopped) {
      const child = run('worker.ts')
      const [, signal] = await Promise.race([once(child, 'exit'), stopping])
      if (signal === 'SIGKILL') deaths += 1
    }
  }
  let stop = () => {}
  const stopping = new Promise<[null, null]>((resolve) => {
    stop = () => {
      stopped = true
      resolve([null, null])
    }
  })
  const supervised = supervise()
  await eventually(async () => (await count('outbox_dead')) === 1 && (await nothingLeft()))
  stop()
  await supervised
  // No more than it is tried; on a busy machine a lease may run out before its worker comes to it.
  expect([1, 2, 3, 4]).toContain(deaths)
  expect(await effects()).toHaveLength(5)
  const { rows } = await there.control.query('select type, reason, attempts from governance.outbox_dead')
  expect(rows).toEqual([{ type: 'poison', reason: 'LEASE_EXPIRED', attempts: 4 }])
})
