// @module-tag sampled
import { readdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { IsolationLevel } from '../../src/index.ts'
import { useSetting } from '../levels/setting.ts'
import { hasTurn, SLOW } from '../support/sample.ts'
import { codeOf, eventually } from '../support/world.ts'
import { LEVELS, openLibrary, read, write } from './library.ts'
import { useFolder } from './support.ts'

const setting = useSetting()
const { world } = setting
const folder = useFolder()

/** Sessions of the administrator that do something at the moment. */
const busy = async () =>
  (
    await world.root.query(
      `select from pg_stat_activity where usename = $1 and (state <> 'idle' or wait_event_type = 'Lock')`,
      [world.adminRole],
    )
  ).rowCount
/** The data is on its way into a table. */
const copying = async () =>
  (
    await world.root.query(
      `select from pg_stat_activity where usename = $1 and query like 'copy %from stdin' and state = 'active'`,
      [world.adminRole],
    )
  ).rows.length > 0
const waiting = async () =>
  (
    await world.root.query(`select from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'`, [
      world.adminRole,
    ])
  ).rows.length > 0

/** Aborts while the work waits for a lock that nobody gives back before it has ended. */
async function abortWhileLocked(
  lock: string,
  work: (signal: AbortSignal) => Promise<unknown>,
): Promise<string> {
  const client = await world.root.connect()
  const controller = new AbortController()
  try {
    await client.query(`begin; ${lock}`)
    const outcome = codeOf(work(controller.signal))
    await eventually(waiting)
    controller.abort()
    return await outcome
  } finally {
    await client.query('rollback')
    client.release()
  }
}

const tableOf = (level: IsolationLevel, key: string) =>
  level === 'row' ? 'app.book' : `"${setting.schemaOf(level, key)}".book`

const INSIDE = LEVELS.filter((level) => level !== 'database')

describe.each(INSIDE.filter((level) => hasTurn(level, ['role'])))('level %s: a signal', (level) => {
  const here = () => openLibrary(setting, level)
  const left = async () =>
    (await readdir(dirname(folder.path('x')))).filter((name) => name.includes(`stopped-${level}`))

  it('stops a backup and an export that wait for a lock, on the server too, and nothing is kept', async () => {
    const tenancy = here()
    const key = `stopped-${level}`
    await tenancy.provision(key)
    await write(tenancy, key, ['one'])
    const lock = `lock table ${tableOf(level, key)} in access exclusive mode`
    const to = folder.path(key)
    expect(await abortWhileLocked(lock, (signal) => tenancy.backup(key, { to, signal }))).toBe('ABORTED')
    expect(await abortWhileLocked(lock, (signal) => tenancy.export(key, { to, signal }))).toBe('ABORTED')
    await eventually(async () => (await busy()) === 0)
    expect(await left()).toEqual([])
    expect((await tenancy.backup(key, { to })).rows).toBe(2)
    const source = await readFile(to)
    // Restore: half of the archive is there, the rest never comes.
    async function* stuck() {
      yield source.subarray(0, source.length - 50)
      await new Promise(() => {})
    }
    const controller = new AbortController()
    const from = Readable.from(stuck())
    const restore = codeOf(tenancy.restore(`new-${level}`, { from, signal: controller.signal }))
    await eventually(copying)
    controller.abort()
    expect(await restore).toBe('ABORTED')
    await eventually(async () => (await busy()) === 0)
    expect(await tenancy.find(`new-${level}`)).toBeUndefined()
    expect(from.destroyed).toBe(true)
  })

  it('calls an off-boarding off until its backup is safe', async () => {
    const tenancy = here()
    const key = `off-stopped-${level}`
    await tenancy.provision(key)
    await write(tenancy, key, ['one'])
    const lock = `lock table ${tableOf(level, key)} in access exclusive mode`
    const to = folder.path(key)
    const outcome = abortWhileLocked(lock, (signal) =>
      tenancy.offboard(key, { confirm: key, backup: { to }, signal }),
    )
    expect(await outcome).toBe('ABORTED')
    expect((await tenancy.find(key))?.status).toBe('active')
    expect(await read(tenancy, key)).toHaveLength(1)
    expect(await left()).toEqual([`stopped-${level}`])
    // While it waits for a running scope.
    const controller = new AbortController()
    await tenancy.withTenant(key, async (db) => {
      await db.query('select 1')
      const { signal } = controller
      const drained = codeOf(
        openLibrary(setting, level).offboard(key, { confirm: key, backup: 'skip', drain: 3_600_000, signal }),
      )
      await eventually(waiting)
      controller.abort()
      // On the server too, where it would wait for an hour.
      await eventually(async () => !(await waiting()))
      expect(await drained).toBe('ABORTED')
    })
    expect((await tenancy.find(key))?.status).toBe('active')
    expect((await tenancy.offboard(key, { confirm: key, backup: { to } })).rows).toBe(2)
  })
})

describe.runIf(SLOW)('level database: a signal', () => {
  it('stops a restore whose data never comes, and nothing of it is left', async () => {
    const tenancy = openLibrary(setting, 'database')
    await tenancy.provision('source')
    await write(tenancy, 'source', ['one'])
    const to = folder.path('database-source')
    await tenancy.backup('source', { to })
    const source = await readFile(to)
    async function* stuck() {
      yield source.subarray(0, source.length - 50)
      await new Promise(() => {})
    }
    const controller = new AbortController()
    const restore = codeOf(
      tenancy.restore('fresh', { from: Readable.from(stuck()), signal: controller.signal }),
    )
    await eventually(
      async () =>
        (
          await world.root.query(`select from pg_stat_activity where datname = $1`, [
            setting.roleOf('database', 'fresh'),
          ])
        ).rows.length > 0,
    )
    controller.abort()
    expect(await restore).toBe('ABORTED')
    expect(await tenancy.find('fresh')).toBeUndefined()
    const { rows } = await world.root.query('select from pg_database where datname = $1', [
      setting.roleOf('database', 'fresh'),
    ])
    expect(rows).toEqual([])
  })
})

describe.skipIf(SLOW)('a signal', () => {
  it('that has fired already lets nothing begin', async () => {
    const tenancy = openLibrary(setting, 'role')
    await tenancy.provision('early')
    const signal = AbortSignal.abort()
    const to = folder.path('early')
    const works = [
      tenancy.backup('early', { to, signal }),
      tenancy.export('early', { to, signal }),
      tenancy.restore('early', { from: to, signal }),
      tenancy.offboard('early', { confirm: 'early', backup: 'skip', signal }),
    ]
    // All at once: one that failed before it was looked at would be an unhandled rejection.
    expect(await Promise.all(works.map(codeOf))).toEqual(works.map(() => 'ABORTED'))
    expect((await tenancy.find('early'))?.status).toBe('active')
  })

  it('stops a backup into a stream that takes nothing any more', async () => {
    const tenancy = openLibrary(setting, 'role')
    await tenancy.provision('stuck')
    const controller = new AbortController()
    let written = 0
    const to = new Writable({
      write: (_chunk, _encoding, done) => {
        // The first piece is taken, the second for ever.
        if (++written === 1) done()
      },
    })
    const outcome = codeOf(tenancy.backup('stuck', { to, signal: controller.signal }))
    await eventually(() => written === 2)
    controller.abort()
    expect(await outcome).toBe('ABORTED')
    expect(to.destroyed).toBe(true)
    await eventually(async () => (await busy()) === 0)
  })

  it('stops a backup into a Transform that is destroyed with a piece in its hands, and never calls back', async () => {
    const tenancy = openLibrary(setting, 'role')
    await tenancy.provision('transform')
    const to = new PassThrough({ highWaterMark: 1 })
    const outcome = codeOf(tenancy.backup('transform', { to }))
    await eventually(() => to.writableLength > 0)
    to.destroy()
    expect(await outcome).toBe('SERVICE_UNAVAILABLE')
    await eventually(async () => (await busy()) === 0)
  })
})
