import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { installAudit } from '../../src/audit/index.ts'
import { installOutbox, outbox } from '../../src/outbox/index.ts'
import { STEPS } from '../../src/outbox/install.ts'
import { createWorker } from '../../src/outbox/worker/index.ts'
import { installUsage } from '../../src/usage/index.ts'
import { acme, useOutbox } from '../support/outbox-world.ts'
import { eventually } from '../support/world.ts'

const there = useOutbox('role')

it('may be repeated, also by several at once, and locks nobody out who publishes meanwhile', async () => {
  const { world } = there.setting
  const options = { rolePrefix: `${world.rolePrefix}role_`, workers: [there.workerRole] }
  await there.tenancy.withTenant(acme, async (db) => {
    await there.events.publish(db, 'a', 1)
    await db.query('select 1')
    // The transaction that publishes is open: an install that changes nothing waits for nothing of it.
    await Promise.all([1, 2, 3].map(() => installOutbox(world.admin, options)))
  })
  expect(
    (
      await createWorker({
        control: there.control,
        tenants: there.tenancy,
        handlers: { a: async () => {} },
      }).drain()
    ).done,
  ).toBe(1)
})

it('an upgrade keeps nobody waiting behind those who have the table open', async () => {
  const { world } = there.setting
  const options = { rolePrefix: `${world.rolePrefix}role_`, workers: [there.workerRole] }
  const constraint = async () =>
    (await world.root.query(`select from pg_constraint where conname = 'ck_outbox_payload'`)).rowCount
  await world.root.query(`delete from governance.governance_version where part = 'outbox' and version = ${STEPS.length};
    alter table governance.outbox add constraint ck_outbox_payload check (true)`)
  const reader = await world.root.connect()
  onTestFinished(() => reader.release(true))
  await reader.query('begin; select from governance.outbox limit 1')
  const upgrade = installOutbox(world.admin, options)
  await eventually(async () => {
    const { rowCount } = await world.root.query(
      `select from pg_locks where database = (select oid from pg_database where datname = current_database())
        and relation = 'governance.governance_version'::regclass and mode = 'ShareRowExclusiveLock' and granted`,
    )
    return rowCount === 1
  })
  for (const n of [1, 2, 3]) await there.tenancy.withTenant(acme, (db) => there.events.publish(db, 'a', n))
  expect(await constraint()).toBeGreaterThan(0)
  await reader.query('rollback')
  await upgrade
  expect(await constraint()).toBe(0)
  await there.control.query(`select governance.outbox_forget('acme')`)
})

it('refuses what would let tenants read everybody’s events, and what is no option', async () => {
  const { admin } = there.setting.world
  const refused: [object, string][] = [
    [{ isolation: 'schema', application: 'app', workers: ['app'] }, 'workers'],
    [{ isolation: 'row', application: 'app', workers: ['app'] }, 'workers'],
    [{ isolation: 'role', application: 'app', workers: ['app'] }, 'workers'],
    [{ isolation: 'row' }, 'application'],
    [{ isolation: 'nonsense' }, 'isolation'],
    [{ workers: 'worker' }, 'workers'],
    [{ workers: [''] }, 'workers'],
    [{ controlSchema: 'pg_catalog' }, 'controlSchema'],
    [{ rolePrefix: 'A' }, 'prefix'],
  ]
  for (const [options, option] of refused) {
    await expect(installOutbox(admin, options)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      details: { option },
    })
  }
  expect(() => outbox({ types: ['Not A Type'] })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  expect(() => outbox({ controlSchema: 'x"y' })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
})

it('refuses roles that SQL of a tenant can become, whatever they are called', async () => {
  const { admin, root, appRole, rolePrefix } = there.setting.world
  const options = { rolePrefix: `${rolePrefix}role_` }
  const group = `${there.workerRole}_group`
  await root.query(`create role ${group}; grant ${group} to ${appRole}`)
  onTestFinished(async () => void (await root.query(`drop role ${group}`)))
  for (const role of [appRole, `${rolePrefix}role_acme`, group]) {
    for (const [option, install] of Object.entries({
      workers: () => installOutbox(admin, { ...options, workers: [there.workerRole, role] }),
      readers: () => installAudit(admin, { ...options, readers: [role] }),
      operators: () => installAudit(admin, { ...options, operators: [role] }),
      managers: () => installUsage(admin, { ...options, managers: [role] }),
    })) {
      await expect(install(), `${option} ${role}`).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining(role),
      })
    }
  }
})

it('says that a role is not there', async () => {
  await expect(
    installOutbox(there.setting.world.admin, { workers: ['nobody_is_that'] }),
  ).rejects.toMatchObject({ code: 'CONFLICT', details: { part: 'outbox', reason: 'role' } })
})

it('leaves alone what a newer release has made', async () => {
  const { root, admin } = there.setting.world
  await root.query(`insert into governance.governance_version (part, version) values ('outbox', 99)`)
  await expect(installOutbox(admin, {})).rejects.toMatchObject({ code: 'CONFLICT' })
  await root.query(`delete from governance.governance_version where version = 99`)
})

it('a list of types refuses all others, also for endpoints', async () => {
  const events = outbox({ types: ['user.created'] })
  await there.tenancy.withTenant(acme, async (db) => {
    await expect(events.publish(db, 'user.creatd', 1)).rejects.toMatchObject({ details: { field: 'type' } })
  })
})

it('the functions look at nothing but the control schema, and want a snapshot for each statement', async () => {
  const { rows } = await there.setting.world.root.query<{ name: string; path: string }>(
    `select p.proname as name, (select c from unnest(p.proconfig) c where c like 'search_path=%') as path
     from pg_proc p where p.pronamespace = 'governance'::regnamespace and p.proname like 'outbox%'`,
  )
  expect(rows.length).toBeGreaterThan(10)
  for (const { path } of rows) expect(path).toMatch(/^search_path="?governance"?, pg_temp$/)
  const { rows: open } = await there.setting.world.root.query(
    `select p.proname from pg_proc p, aclexplode(p.proacl) a
     where p.pronamespace = 'governance'::regnamespace and p.proname like 'outbox%' and a.grantee = 0`,
  )
  expect(open).toEqual([])
  const client = new pg.Client(there.controlUrl)
  await client.connect()
  await client.query('begin isolation level repeatable read')
  await expect(client.query('select * from governance.outbox_take(1, 45, 5, true)')).rejects.toMatchObject({
    code: '25000',
  })
  await client.end()
})
