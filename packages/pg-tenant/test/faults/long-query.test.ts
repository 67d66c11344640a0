// @module-tag sampled
import pg from 'pg'
import { afterAll, describe, type ExpectStatic, it } from 'vitest'
import type { IsolationLevel, Migration } from '../../src/index.ts'
import { useSetting } from '../levels/setting.ts'
import { looksAt } from '../support/sample.ts'
import { codeOf } from '../support/world.ts'
import { LEVELS as ALL, historyOf } from './crash-world.ts'

const setting = useSetting()
const LEVELS = ALL.filter((level) => looksAt(level, 'role', 'row'))
/** One for each level: what waits at one must not hold up another. */
const admins = new Map<IsolationLevel, pg.Pool>()
const adminOf = (level: IsolationLevel): pg.Pool => {
  const known = admins.get(level) ?? new pg.Pool({ connectionString: setting.world.adminUrl, max: 6 })
  admins.set(level, known)
  return known
}
afterAll(() => Promise.all([...admins.values()].map((pool) => pool.end())))

/** Of the application, at the levels that share one: all that wait at once hold a connection each. */
let shared: pg.Pool | undefined
const pool = (): pg.Pool => {
  shared ??= setting.world.pool({ connectionString: setting.directUrl, max: 12 })
  return shared
}

const tenancyOf = (level: IsolationLevel, migrations: readonly Migration[] = historyOf(level)) =>
  setting.tenancy(level, {
    migrations,
    ...(level === 'row' && { row: { schema: 'shared' } }),
    pool: pool(),
    adminPool: adminOf(level),
  })

// All at once: each waits as long as administrative work waits for a lock.
describe.concurrent('a tenant that a long query holds', () => {
  it('is not dropped, goes on as before, and is dropped when the query is through', async ({ expect }) => {
    await Promise.all(
      LEVELS.filter((level) => level !== 'row').map(async (level) => {
        const sound = tenancyOf(level)
        await sound.provision('held')
        await sound.withTenant('held', async (db) => {
          await db.query(`insert into notes (body) values ('kept')`)
          expect(await codeOf(tenancyOf(level).drop('held')), level).toBe('TIMEOUT')
        })
        expect((await sound.query('held', 'select body from notes')).rows, level).toEqual([{ body: 'kept' }])
        expect(await sound.find('held'), level).toMatchObject({ status: 'active' })
        expect(await sound.drop('held'), level).toBe(true)
      }),
    )
  })

  it('at level row is dropped after a while, and what runs commits nothing', async ({ expect }) => {
    const sound = tenancyOf('row')
    await sound.provision('late')
    const running = sound.withTenant('late', async (db) => {
      await db.query(`insert into notes (body) values ('lost')`)
      expect(await tenancyOf('row').drop('late')).toBe(true)
    })
    expect(await codeOf(running)).toBe('SCHEMA_MISSING')
    const { rows } = await setting.world.root.query(`select from shared.notes where tenant_id = 'late'`)
    expect(rows).toEqual([])
  })

  it('is suspended at once all the same, and what runs commits nothing at level row', async ({ expect }) => {
    await Promise.all(
      LEVELS.map(async (level) => {
        const sound = tenancyOf(level)
        await sound.provision('busy')
        const running = sound.withTenant('busy', async (db) => {
          await db.query(`insert into notes (body) values ('late')`)
          expect(await tenancyOf(level).suspend('busy'), level).toBe(true)
        })
        const outcome = await running.then(
          () => 'committed',
          (error: { code: string }) => error.code,
        )
        expect(await codeOf(sound.query('busy', 'select 1')), level).toBe('TENANT_SUSPENDED')
        await tenancyOf(level).resume('busy')
        const { rows } = await sound.query('busy', 'select body from notes')
        // A session that has heard of it by then commits nothing either (the server tells idle ones when much is going on).
        const committed = level !== 'row' && outcome === 'committed'
        if (level !== 'row') expect(['committed', 'SCOPE_ESCAPED'], level).toContain(outcome)
        expect([outcome === 'committed', rows], level).toEqual([
          committed,
          committed ? [{ body: 'late' }] : [],
        ])
      }),
    )
  })

  it('is left as it is by a migration that cannot have its table, and gets it later', async ({ expect }) => {
    await Promise.all(LEVELS.filter((level) => level !== 'row').map((level) => migrated(level, expect)))
  })
})

// By itself: who waits for a table that all share holds up the others of this level.
it('at level row is left as it is by a migration, and gets it later', { tags: 'slow' }, ({ expect }) =>
  migrated('row', expect),
)

async function migrated(level: IsolationLevel, expect: ExpectStatic): Promise<void> {
  const sound = tenancyOf(level)
  await sound.provision('reads')
  const more = [...historyOf(level), { id: '0003_more', sql: 'alter table notes add column more int' }]
  const next = tenancyOf(level, more)
  await sound.withTenant('reads', async (db) => {
    await db.query('select from notes')
    expect(await codeOf(next.provision('reads')), level).toBe('TIMEOUT')
  })
  expect(await sound.find('reads'), level).toMatchObject({ status: 'active', schemaVersion: '0002_tags' })
  await next.provision('reads')
  expect((await next.query('reads', 'select more from notes')).rows, level).toEqual([])
}
