// @module-tag slow: the server crashes; of two workers one is killed in failover.test.ts.
import { randomBytes } from 'node:crypto'
import { createTenancy, type Tenancy, type TenancyOptions } from '@org/pg-tenant'
import { eventually, type PostgresServer, startPostgres, testTenancy } from '@org/pg-testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { auditLog, installAudit } from '../../src/audit/index.ts'
import { createJobs, installJobs } from '../../src/jobs/index.ts'
import { installOutbox, outbox } from '../../src/outbox/index.ts'
import { createWorker } from '../../src/outbox/worker/index.ts'
import { installUsage, usage } from '../../src/usage/index.ts'

/** How often the server goes down at once, all sessions with it. */
const CRASHES = 3
const TENANTS = ['acme', 'globex'] as const

let server: PostgresServer
let world: Awaited<ReturnType<typeof testTenancy<Tenancy, TenancyOptions>>>
beforeAll(async () => {
  server = await startPostgres({
    url: false,
    prefer: 'embedded',
    settings: { full_page_writes: 'on', log_min_messages: 'panic' },
  })
  world = await testTenancy<Tenancy, TenancyOptions>(createTenancy, { server: server.url, tenants: TENANTS })
})
afterAll(async () => {
  await world?.close()
  await server?.stop()
})

const audit = auditLog({ keys: { k1: randomBytes(32) } })
const used = usage({ key: randomBytes(32) })
const events = outbox()

it('over crashes of the server nothing acknowledged is lost, and every effect is once, of its tenant', async () => {
  const { admin, rolePrefix, tenancy } = world
  admin.on('error', () => {})
  for (const install of [installAudit, installUsage, installOutbox]) await install(admin, { rolePrefix })
  await installJobs(admin)
  const acknowledged = new Set<string>()
  let crashes = 0
  /** One request after the other: a row, an event of it, an entry and a use, in one transaction. */
  const publish = async (tenant: string) => {
    for (let n = 0; crashes < CRASHES || n < 20; n++) {
      const body = `${tenant}-${n}`
      const done = await tenancy
        .withTenant(tenant, async (db) => {
          await events.publish(db, 'note.made', { body }, n % 3 === 0 ? { key: 'k' } : {})
          await audit.record(db, {
            actor: { type: 'system' },
            action: 'notes.create',
            entity: { type: 'note', id: body },
          })
          await used.meter(db, { requestId: body, action: 'notes.create' })
          await db.query('insert into notes (body) values ($1)', [body])
        })
        .then(
          () => true,
          () => false,
        )
      if (done) acknowledged.add(body)
      else await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const workers = [1, 2].map(() =>
    createWorker({
      control: admin,
      tenants: tenancy,
      lease: 1_000,
      pollInterval: 20,
      retry: { retries: 50, delays: [10] },
      jobs: createJobs({
        control: admin,
        pollInterval: 50,
        lease: 1_000,
        jobs: [
          { name: 'seal', every: 1_000, run: () => audit.seal(admin) },
          { name: 'roll_up', every: 1_000, run: () => used.rollUp(admin) },
        ],
      }),
      handlers: {
        'note.made': async ({ payload, tenant }, { withTenant, idempotencyKey }) => {
          const { body } = payload as { body: string }
          expect(body.startsWith(tenant)).toBe(true)
          await withTenant((db) =>
            db.query(
              `insert into notes (body) select 'effect of ' || $1 || ' ' || $2 on conflict do nothing`,
              [body, idempotencyKey],
            ),
          )
        },
      },
    }),
  )
  for (const worker of workers) worker.start()
  const publishing = Promise.all(TENANTS.map(publish))
  for (; crashes < CRASHES; crashes++) {
    const goal = acknowledged.size + 15
    await eventually(() => acknowledged.size >= goal)
    await server.restart('immediate')
  }
  await publishing
  const rows = async (tenant: string) =>
    (await tenancy.query<{ body: string }>(tenant, 'select body from notes')).rows.map(({ body }) => body)
  const committed = async (tenant: string) =>
    (await rows(tenant)).filter((body) => !body.startsWith('effect'))
  await eventually(async () => {
    for (const tenant of TENANTS) {
      const all = await rows(tenant)
      if (all.length !== 2 * (await committed(tenant)).length) return false
    }
    return true
  }, 90_000)
  await Promise.all(workers.map((worker) => worker.stop()))
  for (const tenant of TENANTS) {
    const there = await committed(tenant)
    const effects = (await rows(tenant)).filter((body) => body.startsWith('effect'))
    expect(there).toEqual(expect.arrayContaining([...acknowledged].filter((body) => body.startsWith(tenant))))
    // One for each row that is there, and none of a row that is not.
    expect(effects.map((effect) => effect.split(' ')[2]).toSorted()).toEqual(there.toSorted())
    const verified = await eventuallyAll(tenant, there.length)
    expect(verified).toMatchObject({ ok: true, faults: [] })
    const { data } = await used.list(admin, tenant)
    expect(data.reduce((sum, { count }) => sum + count, 0)).toBe(there.length)
  }
  const left = await admin.query('select from governance.outbox_dead')
  expect(left.rowCount).toBe(0)
}, 240_000)

/** Sealed and added up to the last one. */
async function eventuallyAll(tenant: string, entries: number) {
  const { admin } = world
  let verified = await audit.verify(admin, tenant)
  await eventually(async () => {
    await audit.seal(admin)
    await used.rollUp(admin)
    verified = await audit.verify(admin, tenant)
    const { data } = await used.list(admin, tenant)
    return verified.entries === entries && data.reduce((sum, { count }) => sum + count, 0) === entries
  })
  return verified
}
