import { outbox } from '@org/governance/outbox'
import { createTenancy } from '@org/pg-tenant'
import { eventually, uniqueName } from '@org/pg-testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'

const project = useProject(
  `worker: { retry: { retries: 0, delays: [0] }, handlers: {
    'note.wanted': async ({ payload }, { withTenant }) => {
      if (payload.bad) throw new TypeError('holds data')
      await withTenant((db) => db.query('insert into notes (body) values ($1)', [payload.body]))
    } },
    jobs: ({ tenancy, admin }) => [
      { name: 'notes.tidy', every: 1_000, run: async () => {
        await tenancy.query('acme', "insert into notes (body) select 'by a job of ' || $1 on conflict do nothing",
          [(await admin.query('select current_user as me')).rows[0].me]) } },
      { name: 'fails', every: 1_000, run: async () => { throw new Error('holds data') } }] }`,
)
const { run, world } = project
const role = uniqueName('wrk')
const events = outbox<{ 'note.wanted': { body?: string; bad?: boolean } }>()
let tenancy: ReturnType<typeof createTenancy>

beforeAll(async () => {
  await world.root.query(`create role ${role} login noinherit password 'worker'`)
  await run('create acme')
  const url = new URL(world.url)
  url.username = role
  url.password = 'worker'
  Object.assign(project.env, { WORKER_DATABASE_URL: url.href })
  tenancy = createTenancy({ pool: world.pool(), rolePrefix: world.rolePrefix })
})
afterAll(async () => {
  await world.root.query(`drop owned by ${role}; drop role ${role}`)
})
const publish = (payload: { body?: string; bad?: boolean }) =>
  tenancy.withTenant('acme', (db) => events.publish(db, 'note.wanted', payload))

it('is installed, worked on, looked at, driven again and discarded', async () => {
  expect((await run('outbox install --worker x --dry-run')).stdout).toBe('The outbox would be installed.\n')
  expect((await run(`outbox install --worker ${role}`)).stdout).toBe('The outbox is installed.\n')
  for (const line of [
    `outbox install --worker ${world.appRole}`,
    `audit install --reader ${world.appRole}`,
  ]) {
    const { exit, stderr } = await run(line)
    expect([exit, stderr]).toEqual([
      EXIT.configuration,
      expect.stringMatching(/than the application|cannot become/),
    ])
  }
  expect((await run('outbox install --worker nobody_is_that')).exit).toBe(EXIT.refused)
  await publish({ body: 'hello' })
  await publish({ bad: true })
  expect((await run('outbox status --json')).json()).toMatchObject({ ready: 2, dead: 0 })
  const once = await run('worker --once')
  expect([once.exit, once.stdout]).toEqual([EXIT.ok, '1 done, 0 to be tried again, 1 dead, 0 waiting.\n'])
  expect(once.stderr).toContain('dead: acme note.wanted')
  expect(once.stderr).not.toContain('holds data')
  expect((await tenancy.query('acme', `select body from notes where body not like 'by%'`)).rows).toEqual([
    { body: 'hello' },
  ])
  const { deadLetters } = (await run('outbox list --tenant acme --json')).json<{ deadLetters: object[] }>()
  expect(deadLetters).toMatchObject([
    { tenant: 'acme', type: 'note.wanted', reason: 'TypeError', attempts: 1 },
  ])
  expect((await run('outbox list')).stdout).toContain('note.wanted')
  expect((await run('outbox redrive --tenant acme --dry-run --json')).json()).toMatchObject({ changed: 1 })
  expect((await run('outbox redrive --tenant acme')).stdout).toBe('1 dead letter driven again.\n')
  await run('worker --once')
  expect((await run('outbox discard --reason TypeError')).stdout).toBe('1 dead letter discarded.\n')
  expect((await run('outbox list --json')).json()).toEqual({ deadLetters: [] })
})

it('the worker stops at a signal, with what is in hand finished', async () => {
  const stop = new AbortController()
  const running = run('worker --json', { signal: stop.signal })
  await publish({ body: 'while it runs' })
  const WRITTEN = `select from notes where body = 'while it runs'`
  await eventually(async () => (await tenancy.query('acme', WRITTEN)).rowCount === 1)
  stop.abort()
  const { exit, stdout } = await running
  expect([exit, JSON.parse(stdout)]).toEqual([EXIT.ok, expect.objectContaining({ done: 1, handling: 0 })])
})

it('jobs of the configuration come round with it, as the administrator', async () => {
  const { rows } = await tenancy.query(
    'acme',
    `select from notes where body = 'by a job of ${world.adminRole}'`,
  )
  expect(rows).toHaveLength(1)
  await world.root.query(`update governance.job set next_at = now()`)
  const ran = await run('worker --once')
  expect(ran.stderr).toContain('job fails')
  expect(ran.stderr).not.toContain('holds data')
  const { rows: jobs } = await world.root.query('select name, code from governance.job order by name')
  expect(jobs).toEqual([
    { name: 'fails', code: 'OTHER' },
    { name: 'notes.tidy', code: null },
  ])
})

it('says what is missing', async () => {
  expect((await run('outbox nonsense')).exit).toBe(EXIT.usage)
  expect((await run('outbox discard')).stderr).toContain('--tenant')
  expect((await run('outbox discard')).exit).toBe(EXIT.usage)
  const nobody = await run('outbox status', { env: { WORKER_DATABASE_URL: '' } })
  expect(nobody.stderr).toContain('WORKER_DATABASE_URL')
  expect((await run('outbox list --number x')).exit).not.toBe(EXIT.ok)
})
