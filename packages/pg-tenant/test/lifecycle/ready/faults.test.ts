// @module-tag slow: the default set has `faults/process-killed` and `archive/server-killed`.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import type { Migration } from '../../../src/index.ts'
import { eventually, NOTES, useWorld } from '../../support/world.ts'

const world = useWorld([])
const SCRIPT = fileURLToPath(new URL('filler.ts', import.meta.url))
const SLOW: Migration = { id: '0002_slow', sql: 'create table slow (a int); select pg_sleep(0.05)' }

function start(migrations: readonly Migration[], ...rest: string[]): ChildProcess {
  const flags = [
    '--conditions=@org/source',
    '--disable-warning=ExperimentalWarning',
    '--experimental-strip-types',
  ]
  const values = [world.appUrl, world.adminUrl, world.rolePrefix, JSON.stringify(migrations), ...rest]
  return spawn(process.execPath, [...flags, SCRIPT, ...values], { stdio: ['ignore', 'ignore', 'inherit'] })
}

const one = async (sql: string, values: unknown[] = []) => (await world.root.query(sql, values)).rows[0]
const ready = async (): Promise<number> => {
  const { there } = await one(`select to_regclass('tenancy.tenant') is not null as there`)
  return there ? (await one(`select count(*)::int as n from tenancy.tenant where status = 'ready'`)).n : 0
}
/** Schemas, roles and rows of tenants, which must be the same in number. */
const standing = async () =>
  await one(
    `select (select count(*) from pg_namespace where starts_with(nspname, 'c_'))::int as schemas,
       (select count(*) from pg_roles where starts_with(rolname, $1))::int as roles,
       (select count(*) from tenancy.tenant where status <> 'deleted')::int as rows`,
    [world.rolePrefix],
  )
const settled = () =>
  eventually(
    async () =>
      (
        await one(
          `select count(*)::int as n from pg_stat_activity where datname = current_database() and usename = $1 and state <> 'idle'`,
          [world.adminRole],
        )
      ).n === 0,
  )

afterEach(async () => {
  const tenancy = world.tenancy({ migrations: [NOTES, SLOW] })
  await tenancy.ready.clear()
  for (const { key } of await tenancy.list()) await tenancy.drop(key)
})

describe('a process that dies', () => {
  it('by kill -9 while it fills leaves whole ready tenants only, and the next one goes on', async () => {
    const child = start([NOTES, SLOW], '20')
    await eventually(async () => (await ready()) >= 2)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await settled()
    const made = await ready()
    expect(await standing()).toEqual({ schemas: made, roles: made, rows: made })
    const tenancy = world.tenancy({ migrations: [NOTES, SLOW] })
    expect(await tenancy.ready.fill(made + 1)).toMatchObject({ made: 1, ready: made + 1 })
    const { findings } = await tenancy.doctor()
    expect(findings.filter(({ code }) => code.startsWith('ORPHAN') || code === 'UNFINISHED')).toEqual([])
  })

  it('by kill -9 while it claims leaves the ready tenant to whoever comes next', async () => {
    const tenancy = world.tenancy()
    await tenancy.ready.fill(1)
    // It must wait for the new tenant's row behind everything else: in the middle of the claim, with the names changed.
    const holder = new pg.Client(world.url)
    await holder.connect()
    await holder.query('begin; lock table tenancy.tenant_migration in exclusive mode')
    const child = start([NOTES], '0', 'killed')
    await eventually(
      async () =>
        (
          await one(
            `select count(*)::int as n from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock' and query like 'with moved%'`,
          )
        ).n === 1,
    )
    child.kill('SIGKILL')
    await once(child, 'exit')
    await holder.query('rollback')
    await holder.end()
    await settled()
    expect(await tenancy.find('killed')).toBeUndefined()
    expect(await ready()).toBe(1)
    expect(await standing()).toEqual({ schemas: 1, roles: 1, rows: 1 })
    expect(await tenancy.provision('killed', { fromReady: true })).toMatchObject({ claimed: true })
    expect((await tenancy.query('killed', 'select * from notes')).rows).toEqual([])
  })

  it('by the server ending its connection leaves nothing half made', async () => {
    const tenancy = world.tenancy({ migrations: [NOTES, SLOW] })
    await world.tenancy().ready.count()
    const filling = tenancy.ready.fill(5).then(
      () => 'filled',
      (error: { code: string }) => error.code,
    )
    await eventually(async () => (await ready()) >= 1)
    await eventually(
      async () =>
        (
          await one(
            `select count(pg_terminate_backend(pid))::int as n from pg_stat_activity
             where datname = current_database() and usename = $1 and query like '%_room_%' and wait_event = 'PgSleep'`,
            [world.adminRole],
          )
        ).n > 0,
    )
    expect(await filling).toMatch(/CONNECTION_LOST|UNKNOWN_OUTCOME|DATABASE_ERROR|SERVICE_UNAVAILABLE/)
    await settled()
    const made = await ready()
    expect(await standing()).toEqual({ schemas: made, roles: made, rows: made })
    expect(await tenancy.ready.fill(5)).toMatchObject({ ready: 5 })
  })
})
