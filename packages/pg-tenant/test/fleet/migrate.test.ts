import { beforeAll, describe, expect, it } from 'vitest'
import { migrateFleet } from '../../src/fleet/migrate.ts'
import { BEHIND } from '../../src/fleet/plan.ts'
import { migrationStatus } from '../../src/fleet/status.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { codeOf, NOTES, useWorld } from '../support/world.ts'
import { countingPool, EXTRA, keysOf, ledgersOf, lifecycleOf, provisionMany } from './fleet-world.ts'

const world = useWorld([])
const one = async (sql: string, values: unknown[] = []) => (await world.root.query(sql, values)).rows[0]
const SIZE = Number(process.env.TEST_FLEET_TENANTS ?? 200)
const keys = keysOf(SIZE)
let second: Lifecycle

beforeAll(async () => {
  await provisionMany(world, keys)
  second = lifecycleOf(world, [NOTES, EXTRA])
})

describe('migrateFleet', () => {
  it('first shows what would run, and changes nothing', async () => {
    const report = await migrateFleet(second, { dryRun: true, limit: 2 })
    expect(report).toMatchObject({ behind: 2, migrated: 0, untouched: 2 })
    expect(report.tenants[1]).toMatchObject({ tenant: 't0001', state: 'planned', applied: ['0002_extra'] })
    expect(report.tenants[1]?.sql).toContain(`set local search_path to "c_t0001", "public", pg_temp`)
    expect(report.tenants[1]?.sql).toContain(EXTRA.sql)
    expect(await ledgersOf(world, 't0001')).toEqual(['0001_notes'])
  })

  it('leaves out who is being made or dropped, whatever history it has', async () => {
    const become = (status: string) =>
      world.root.query(`update tenancy.tenant set status = $1 where key = 't0002'`, [status])
    await become('deleting')
    const { tenants } = await migrateFleet(second, { dryRun: true })
    await become('active')
    expect(tenants.map(({ tenant }) => tenant)).toEqual(keys.filter((key) => key !== 't0002'))
  })

  it('does the tenants it is told to, and no others', async () => {
    expect((await migrateFleet(second, { only: ['t0001', 't0003'], except: ['t0003'] })).tenants).toEqual([
      { tenant: 't0001', state: 'migrated', applied: ['0002_extra'], attempts: 1, ms: expect.any(Number) },
    ])
    expect(await migrateFleet(second, { limit: 3 })).toMatchObject({ ok: true, behind: 3, migrated: 3 })
    expect(await migrationStatus(second, { limit: 2 })).toEqual([
      expect.objectContaining({ id: '0001_notes', have: SIZE, lack: 0, behind: [] }),
      expect.objectContaining({ id: '0002_extra', have: 4, lack: SIZE - 4, behind: ['t0004', 't0005'] }),
    ])
  })

  it('brings everybody up to date, as the tenants themselves, and writes down who has what', async () => {
    const seen: number[] = []
    const report = await migrateFleet(second, {
      connections: 3,
      onTenant: (_, { done, total }) => seen.push(done / total),
    })
    expect(report).toMatchObject({ ok: true, behind: SIZE - 4, failed: 0, untouched: 0, stopped: null })
    expect(seen).toHaveLength(SIZE - 4)
    expect(seen.at(-1)).toBe(1)
    for (const key of [keys[0], keys.at(-1)] as string[]) {
      expect(await ledgersOf(world, key)).toEqual(['0001_notes', '0002_extra'])
    }
    expect(
      await one(
        `select count(*)::int as n, count(distinct tableowner)::int as owners from pg_tables
        join pg_indexes using (schemaname, tablename) where indexname = 'idx_notes_extra' and tableowner like $1`,
        [`${world.rolePrefix.replaceAll('_', '\\_')}%`],
      ),
    ).toEqual({ n: SIZE, owners: SIZE })
    expect(
      await one(
        `select count(*)::int as n, min(schema_version) as version from tenancy.tenant where status = 'active'`,
      ),
    ).toEqual({ n: SIZE, version: '0002_extra' })
    expect(
      await one(`select bool_and(duration_ms between 0 and 60000) as timed, min(applied_by) as by from tenancy.tenant_migration
        where id = '0002_extra'`),
    ).toEqual({ timed: true, by: world.adminRole })
  })

  it('asks one question when nobody is behind', async () => {
    const { pool, queries } = countingPool(world)
    const report = await migrateFleet(lifecycleOf(world, [NOTES, EXTRA], { adminPool: pool }))
    await pool.end()
    expect(report).toMatchObject({ ok: true, behind: 0, tenants: [] })
    expect(queries).toHaveLength(1)
  })

  it('asks it in a way that does not compare every tenant with every other while there are no statistics', async () => {
    const client = await world.root.connect()
    await client.query('create temp table bare_tenant (like tenancy.tenant including all)')
    await client.query('create temp table bare_migration (like tenancy.tenant_migration including all)')
    const { rows } = await client.query(`explain ${BEHIND('bare_tenant', 'bare_migration')}`, [
      ...['c_', 'role', [NOTES.id], ['x'], [1], null, null, false],
    ])
    client.release(true)
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(plan).toMatch(/(Hash|Merge) Full Join/)
  })

  it('sends one message for each tenant', async () => {
    const { pool, queries } = countingPool(world)
    const third = { id: '0003', sql: 'create table third (a int); create index on third (a)' }
    const lifecycle = lifecycleOf(world, [NOTES, EXTRA, third], { adminPool: pool })
    await migrateFleet(lifecycle, { connections: 2, limit: 20 })
    expect(queries).toHaveLength(1 + 20)
    await migrateFleet(lifecycle)
    await pool.end()
    expect(queries).toHaveLength(1 + 20 + 1 + (SIZE - 20))
  })

  it('writes a new version into the registry without an entry in any index', async () => {
    const client = await world.root.connect()
    // A row stays in its page where there is room: what nobody sees any more is taken away, and one of many finds some.
    await client.query('vacuum tenancy.tenant')
    await client.query('begin')
    await client.query(`update tenancy.tenant set schema_version = schema_version, updated_at = now()`)
    const { rows } = await client.query(
      `select pg_stat_get_xact_tuples_hot_updated('tenancy.tenant'::regclass)::int as hot`,
    )
    await client.query('rollback')
    client.release()
    expect(rows[0]?.hot).toBeGreaterThan(0)
  })

  it('does nothing where there is no registry', async () => {
    const nowhere = { ...second, registry: { controlSchema: 'nowhere', prefix: 'c_' } }
    expect(await migrateFleet(nowhere)).toMatchObject({ ok: true, behind: 0 })
    expect(await migrationStatus(nowhere)).toMatchObject([{ have: 0 }, { have: 0 }])
  })
})

describe('history', () => {
  it.each([
    ['edited', [{ ...NOTES, sql: `${NOTES.sql} -- edited` }, EXTRA], '0001_notes'],
    ['missing', [EXTRA], '0001_notes'],
  ])(
    'that was %s is refused before anything runs, whoever was asked for',
    async (_, migrations, migration) => {
      const next = { id: '0004', sql: 'create table next (a int)' }
      const third = { id: '0003', sql: 'create table third (a int); create index on third (a)' }
      const lifecycle = lifecycleOf(world, [...migrations, third, next])
      await expect(migrateFleet(lifecycle, { only: ['t0002'] })).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { migration, tenants: SIZE },
      })
      expect(await one(`select to_regclass('c_t0002.next') as made`)).toEqual({ made: null })
    },
  )
})

describe('options', () => {
  it.each([
    [{ connections: 0 }],
    [{ attempts: 1.5 }],
    [{ canary: 0 }],
    [{ canary: 'acme' }],
    [{ only: 'acme' }],
    [{ phase: 'later' }],
    [{ maxFailures: -1 }],
    [{ typo: 1 }],
  ])('%j are refused', async (options) => {
    expect(await codeOf(migrateFleet(second, options as never))).toBe('INVALID_OPTION')
  })

  it('takes no key that cannot be one', async () => {
    expect(await codeOf(migrateFleet(second, { only: ['No Key'] }))).toBe('INVALID_TENANT_KEY')
  })
})
