// @module-tag sampled
import { readdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Writable } from 'node:stream'
import { findProgram } from '@org/pg-testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { backupTenant } from '../../src/archive/backup.ts'
import { versionOf } from '../../src/archive/pg-dump/program.ts'
import { restoreTenant } from '../../src/archive/restore/restore.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { SLOW } from '../support/sample.ts'
import { codeOf, eventually, useWorld } from '../support/world.ts'
import { outcomeOf, start } from './spawn.ts'
import { keyOf, lifecycleOf, provisioned, useFolder } from './support.ts'

const world = useWorld([])
const folder = useFolder()
const ACCOUNTS = {
  id: '0001',
  sql: `create table a (id int primary key, cents int not null);
    create table b (id int primary key, cents int not null);
    insert into a select i, 100 from generate_series(1, 50) i; insert into b select i, 100 from generate_series(1, 50) i`,
}
let lifecycle: Lifecycle

beforeAll(() => {
  lifecycle = lifecycleOf(world, { migrations: [ACCOUNTS] })
})

const sum = async (key: string) =>
  Number(
    (
      await world.root.query(
        `select (select sum(cents) from "c_${key}".a) + (select sum(cents) from "c_${key}".b) as s`,
      )
    ).rows[0].s,
  )
/** Whether there is a pg_dump for this server; the children find it by the environment they are given. */
const dumps = async () => {
  const programs = dirname(findProgram('pg_dump') ?? 'nowhere/pg_dump')
  process.env.TEST_PROGRAMS = programs
  const { rows } = await world.root.query(
    `select current_setting('server_version_num')::int / 10000 as major`,
  )
  return rows[0].major <= ((await versionOf('pg_dump', programs)) ?? 0)
}
const waitingForLocks = async () =>
  (
    await world.root.query(`select from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'`, [
      world.adminRole,
    ])
  ).rows.length

describe('while others work', () => {
  it('a backup is of one instant: money moved between two tables is in one of them', async () => {
    const tenant = await provisioned(lifecycle, 'bank')
    const tenancy = world.tenancy({ migrations: [ACCOUNTS] })
    const move = (cents: number) =>
      tenancy.withTenant('bank', async (db) => {
        await db.query('update a set cents = cents - $1 where id = 1', [cents])
        await db.query('update b set cents = cents + $1 where id = 1', [cents])
      })
    // Between the two tables: the backup waits for a lock on the second, while money moves.
    const blocker = await world.root.connect()
    await blocker.query('begin; lock table c_bank.b in access exclusive mode')
    const file = folder.path('bank')
    const backup = backupTenant(lifecycle, tenant, { to: file })
    await eventually(async () => (await waitingForLocks()) === 1)
    await blocker.query('update c_bank.a set cents = cents - 30 where id = 2')
    await blocker.query('update c_bank.b set cents = cents + 30 where id = 2')
    await blocker.query('commit')
    blocker.release()
    for (let count = 1; count <= 20; count++) await move(count)
    await backup
    await restoreTenant(lifecycle, keyOf(lifecycle, 'bank-copy'), { from: file })
    expect(await sum('bank-copy')).toBe(10_000)
    expect((await world.root.query('select cents from "c_bank-copy".b where id = 2')).rows).toEqual([
      { cents: 100 },
    ])
  })

  it('a backup notices a TRUNCATE that its snapshot cannot see', async () => {
    const tenant = await provisioned(lifecycle, 'truncated')
    const blocker = await world.root.connect()
    await blocker.query('begin; lock table c_truncated.b in access exclusive mode')
    const backup = codeOf(backupTenant(lifecycle, tenant, { to: folder.path('truncated') }))
    await eventually(async () => (await waitingForLocks()) === 1)
    await blocker.query('truncate c_truncated.b; commit')
    blocker.release()
    expect(await backup).toBe('CONFLICT')
    expect((await readdir(dirname(folder.path('x')))).filter((name) => name.startsWith('truncated'))).toEqual(
      [],
    )
  })

  it('of two restores at once one wins and the other refuses', async () => {
    const tenant = await provisioned(lifecycle, 'one')
    const file = folder.path('one')
    await backupTenant(lifecycle, tenant, { to: file })
    const target = keyOf(lifecycle, 'target')
    const outcomes = await Promise.allSettled([
      restoreTenant(lifecycle, target, { from: file }),
      restoreTenant(lifecycle, target, { from: file }),
    ])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(outcomes.find((outcome) => outcome.status === 'rejected')?.reason).toMatchObject({
      code: 'CONFLICT',
    })
    expect(await sum('target')).toBe(10_000)
  })

  it('nobody sees a restore before it is whole', async () => {
    const tenant = await provisioned(lifecycle, 'seen')
    const file = folder.path('seen')
    await backupTenant(lifecycle, tenant, { to: file })
    const tenancy = world.tenancy({ migrations: [ACCOUNTS] })
    const restore = restoreTenant(lifecycle, tenant, { from: file, force: 'replace' })
    let over = false
    const ended = restore.finally(() => {
      over = true
    })
    while (!over) {
      const { rows } = await tenancy.query(
        'seen',
        'select (select count(*) from a)::int as a, (select count(*) from b)::int as b',
      )
      expect(rows).toEqual([{ a: 50, b: 50 }])
    }
    await ended
  })
})

describe('a backup', () => {
  it('never overwrites a file, and keeps it to its owner', async () => {
    const tenant = await provisioned(lifecycle, 'twice')
    const to = folder.path('twice')
    const both = await Promise.allSettled([
      backupTenant(lifecycle, tenant, { to }),
      backupTenant(lifecycle, tenant, { to }),
    ])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await codeOf(backupTenant(lifecycle, tenant, { to }))).toBe('CONFLICT')
    expect((await stat(to)).mode & 0o777).toBe(0o600)
    expect((await readdir(dirname(to))).filter((name) => name.startsWith('twice'))).toEqual(['twice'])
  })

  it('that cannot be written fails with the reason, and the connection is good again', async () => {
    const tenant = await provisioned(lifecycle, 'nospace')
    await world.root.query(
      `update c_nospace.a set cents = 1; insert into c_nospace.a select i, i from generate_series(100, 300000) i`,
    )
    for (const after of [0, 1, 2]) {
      let writes = 0
      const to = new Writable({
        write: (_chunk, _encoding, done) =>
          done(writes++ < after ? null : Object.assign(new Error('/secret/path'), { code: 'ENOSPC' })),
      })
      const error = await backupTenant(lifecycle, tenant, { to, compression: 'none' }).catch(
        (reason: unknown) => reason,
      )
      expect(error).toMatchObject({ code: 'SERVICE_UNAVAILABLE', details: { reason: 'ENOSPC' } })
      expect(String(error)).not.toContain('secret')
    }
    const missing = folder.path('no/such/folder')
    await expect(backupTenant(lifecycle, tenant, { to: missing })).rejects.toMatchObject({
      details: { reason: 'ENOENT' },
    })
    await backupTenant(lifecycle, tenant, { to: folder.path('nospace') })
  })

  it('refuses what is no option, and no tenant', async () => {
    const tenant = await provisioned(lifecycle, 'options')
    const wrong = [{ to: '' }, { to: 1 }, { to: 'x', compression: 'brotli' }, { to: 'x', format: 'tar' }]
    for (const options of wrong) {
      expect(await codeOf(Reflect.apply(backupTenant, undefined, [lifecycle, tenant, options]))).toBe(
        'INVALID_OPTION',
      )
    }
    const elsewhere: Lifecycle = { ...lifecycle, level: 'login' }
    expect(await codeOf(backupTenant(elsewhere, tenant, { to: folder.path('elsewhere') }))).toBe('CONFLICT')
    const nobody = keyOf(lifecycle, 'nobody')
    expect(await codeOf(backupTenant(lifecycle, nobody, { to: folder.path('nobody') }))).toBe(
      'TENANT_NOT_FOUND',
    )
    expect(await codeOf(Reflect.apply(restoreTenant, undefined, [lifecycle, tenant, { from: 5 }]))).toBe(
      'INVALID_OPTION',
    )
  })
})

// The slow set: a hundred megabytes.
describe.runIf(SLOW)('memory', () => {
  it('does not grow with the tenant: 100 MB under a heap of 24 MB', async () => {
    const plain = lifecycleOf(world)
    await provisioned(plain, 'large')
    await world
      .tenancy()
      .query(
        'large',
        `insert into notes (body) select i || repeat(md5(i::text), 15) from generate_series(1, 200000) i`,
      )
    const heap = ['--max-old-space-size=24', '--max-semi-space-size=2']
    const file = folder.path('large')
    const backup = await outcomeOf(start(world, ['backup', 'large', file], heap))
    const restore = await outcomeOf(start(world, ['restore', 'large-copy', file], heap))
    // Heap and buffers together; the data is more than twice as much.
    expect(backup.peak).toBeLessThan(48e6)
    expect(restore.peak).toBeLessThan(48e6)
    const { rows } = await world.root.query(
      'select count(*)::int as n, sum(length(body)) > 96000000 as big from "c_large-copy".notes',
    )
    expect(rows).toEqual([{ n: 200_000, big: true }])
    if (process.env.BACKUP_FIGURES)
      console.log(JSON.stringify({ backup, restore, archive: (await stat(file)).size }))
  })

  it.each(['backup', 'dump'])('does not follow the largest value: 60 MB, %s', async (action) => {
    if (action === 'dump' && !(await dumps())) return
    const plain = lifecycleOf(world)
    await provisioned(plain, `wide-${action}`)
    const tenancy = world.tenancy()
    await tenancy.query(`wide-${action}`, 'create table wide (body text)')
    await tenancy.query(`wide-${action}`, `insert into wide select repeat(md5(random()::text), 1875000)`)
    const heap = ['--max-old-space-size=24', '--max-semi-space-size=2']
    const file = folder.path(`wide-${action}`)
    const backup = await outcomeOf(start(world, [action, `wide-${action}`, file], heap))
    const restore = await outcomeOf(start(world, ['restore', `wide-${action}-copy`, file], heap))
    expect(backup.peak).toBeLessThan(48e6)
    expect(restore.peak).toBeLessThan(48e6)
    const digest = (key: string) =>
      world.root.query(`select length(body), md5(body) from "c_${key}".wide`).then(({ rows }) => rows)
    const [value, ...more] = await digest(`wide-${action}-copy`)
    expect(more).toEqual([])
    expect(value).toMatchObject({ length: 60_000_000 })
    expect([value]).toEqual(await digest(`wide-${action}`))
  })
})
