import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { advise } from '../../src/stats/advise.ts'
import { type FleetStats, type StatsOptions, tenantStats } from '../../src/stats/stats.ts'
import type { AdviceThresholds } from '../../src/stats/thresholds.ts'
import { SUBJECTS } from '../levels/setting.ts'
import { codeOf, eventually } from '../support/world.ts'
import { useVerifySetting } from '../verify/verify-world.ts'

const setting = useVerifySetting()
const statsOf = (level: (typeof SUBJECTS)[number]['level'], options?: StatsOptions) =>
  tenantStats(setting.verifiable(level).lifecycle, options)

beforeAll(async () => {
  for (const { level } of SUBJECTS) {
    const tenancy = setting.tenancy(level)
    for (const key of ['acme', 'globex'])
      await tenancy.provision(key, { plan: key === 'acme' ? 'gold' : 'free' })
    await tenancy.query(
      'acme',
      `insert into notes (body) select repeat('x', 200) || n from generate_series(1, 5000) n`,
    )
  }
})

describe.each(SUBJECTS)('level $level', ({ level, logsIn }) => {
  it('has nobody before the first tenant, when there is no control schema', async () => {
    const { lifecycle } = setting.verifiable(level)
    const registry = { ...lifecycle.registry, controlSchema: 'not made yet' }
    const stats = await tenantStats({ ...lifecycle, registry })
    expect(stats).toMatchObject({ tenants: [], totals: { tenants: 0 }, versions: [], slowestMigrations: [] })
    expect(stats.cluster.maxConnections).toBeGreaterThan(0)
  })

  it('says what each tenant takes up, who has which version, and the sum of it', async () => {
    const stats = await statsOf(level, { exact: true })
    const [acme, globex] = stats.tenants
    expect(stats).toMatchObject({ level, sizes: 'exact', oldestVersion: '0001_notes' })
    expect(acme).toMatchObject({
      key: 'acme',
      status: 'active',
      plan: 'gold',
      placement: 'default',
      schemaVersion: '0001_notes',
    })
    expect(globex).toMatchObject({ key: 'globex', plan: 'free' })
    expect(acme?.bytes).toBeGreaterThan((globex?.bytes ?? 0) + 1_000_000)
    expect(stats.versions).toEqual([{ version: '0001_notes', tenants: 2 }])
    expect(stats.totals).toMatchObject({
      tenants: 2,
      byStatus: { active: 2 },
      bytes: (acme?.bytes ?? 0) + (globex?.bytes ?? 0),
    })
    expect(stats.slowestMigrations.map(({ id }) => id)).toEqual(['0001_notes', '0001_notes'])
    expect(stats.slowestMigrations[0]?.durationMs).toBeGreaterThanOrEqual(
      stats.slowestMigrations[1]?.durationMs ?? 0,
    )
    expect(JSON.parse(JSON.stringify(stats)).tenants).toHaveLength(2)
    expect(acme?.connections === null).toBe(!logsIn)
  })
})

it("looks into tenants' own databases when sizes are to be exact", async () => {
  const quick = await statsOf('database')
  expect(quick.tenants.map(({ rows, tables }) => [rows, tables])).toEqual([
    [null, null],
    [null, null],
  ])
  await setting.rootAt('database', 'acme', 'analyze')
  const [acme, globex] = (await statsOf('database', { exact: true })).tenants
  // The marker and the ledger hold a row each.
  expect(acme).toMatchObject({ rows: 5_002, tables: 3 })
  expect(globex).toMatchObject({ tables: 3 })
  expect(acme?.relations).toBeGreaterThan(5)
  await setting.world.root.query(
    `alter database "${setting.roleOf('database', 'globex')}" with allow_connections false`,
  )
  const [, closed] = (await statsOf('database', { exact: true })).tenants
  await setting.world.root.query(
    `alter database "${setting.roleOf('database', 'globex')}" with allow_connections true`,
  )
  expect(closed).toMatchObject({ key: 'globex', rows: null, tables: null })
})

describe('level row', () => {
  const MIGRATIONS = [
    {
      id: '0001_notes',
      sql: 'create table notes (tenant_id text not null, id int, body text, primary key (tenant_id, id))',
    },
    { id: '0002_empty', sql: 'create table empty (tenant_id text not null primary key)' },
  ]
  const tenancyWith = (migrations: typeof MIGRATIONS) =>
    setting.tenancy('row', { migrations, row: { schema: 'rows' } })

  it("counts each tenant's rows when sizes are to be exact, and says what all share", async () => {
    const first = tenancyWith(MIGRATIONS.slice(0, 1))
    for (const key of ['acme', 'globex']) await first.provision(key)
    for (const [key, count] of [
      ['acme', 500],
      ['globex', 2],
    ] as const)
      await first.query(
        key,
        `insert into notes (id, body) select n, repeat('x', 100) from generate_series(1, $1) n`,
        [count],
      )
    const tenancy = tenancyWith(MIGRATIONS)
    await tenancy.migrate()
    const stats = await tenancy.stats({ exact: true })
    const [acme, globex] = stats.tenants
    expect(acme).toMatchObject({ key: 'acme', rows: 500, tables: 1, relations: null, connections: null })
    expect(globex).toMatchObject({ key: 'globex', rows: 2, tables: 1, schemaVersion: '0002_empty' })
    expect(acme?.bytes).toBeGreaterThan(250 * (globex?.bytes ?? 0) * 0.9)
    expect(stats).toMatchObject({
      level: 'row',
      oldestVersion: '0002_empty',
      totals: { tenants: 2, tables: 2 },
    })
    expect(stats.versions).toEqual([{ version: '0002_empty', tenants: 2 }])
    expect(stats.totals.bytes).toBeGreaterThan((acme?.bytes ?? 0) + (globex?.bytes ?? 0))
    expect(stats.slowestMigrations.map(({ key }) => key)).toEqual([null, null])
    expect(JSON.parse(JSON.stringify(stats)).tenants).toHaveLength(2)
  })

  it('reads no rows unless it is told to, or tenants are named', async () => {
    const tenancy = tenancyWith(MIGRATIONS)
    expect((await tenancy.stats()).tenants.map(({ rows, bytes }) => [rows, bytes])).toEqual([
      [null, null],
      [null, null],
    ])
    expect((await tenancy.stats({ tenants: ['globex'] })).tenants).toMatchObject([{ key: 'globex', rows: 2 }])
  })
})

it('agrees with what PostgreSQL says about the schema', async () => {
  const { rows } = await setting.world.root.query(
    `select sum(pg_total_relation_size(oid)) filter (where relkind in ('r', 'S'))::float8 as bytes,
       count(*) filter (where relkind = 'r')::int as tables from pg_class where relnamespace = $1::regnamespace`,
    [setting.schemaOf('role', 'acme')],
  )
  const [acme] = (await statsOf('role', { tenants: ['acme'] })).tenants
  expect(acme).toMatchObject({ bytes: rows[0].bytes, tables: rows[0].tables })
})

it('estimates from the last ANALYZE, and counts indexes and TOAST', async () => {
  const tenancy = setting.tenancy('role')
  await tenancy.query('acme', `create table big (id int primary key, body text)`)
  await tenancy.query('acme', `alter table big alter body set storage external`)
  await tenancy.query(
    'acme',
    `insert into big select n, repeat(md5(n::text), 500) from generate_series(1, 200) n`,
  )
  await setting.world.root.query(
    `vacuum analyze ${setting.schemaOf('role', 'acme')}.big, ${setting.schemaOf('role', 'acme')}.notes`,
  )
  const [exact] = (await statsOf('role', { tenants: ['acme'] })).tenants
  const estimated = await statsOf('role')
  const acme = estimated.tenants.find(({ key }) => key === 'acme')
  expect(estimated.sizes).toBe('estimated')
  expect(acme?.rows).toBe(5200)
  expect(acme?.relations).toBe(exact?.relations)
  // What the estimate leaves out: free space and visibility maps, a few pages for each table.
  expect(acme?.bytes).toBeGreaterThan((exact?.bytes ?? 0) * 0.8)
  expect(acme?.bytes).toBeLessThanOrEqual(exact?.bytes ?? 0)
})

it('counts the connections of a tenant that logs in', async () => {
  const tenancy = setting.tenancy('login')
  await tenancy.withTenant('acme', async (db) => {
    await db.query('select 1')
    const stats = await statsOf('login')
    expect(stats.tenants.find(({ key }) => key === 'acme')?.connections).toBeGreaterThanOrEqual(1)
    expect(
      stats.connections.find(({ role }) => role === setting.roleOf('login', 'acme'))?.connections,
    ).toBeGreaterThanOrEqual(1)
  })
})

it('tells when a tenant was last read, from PostgreSQL 16 on', async () => {
  const { rows } = await setting.world.root.query(
    `select current_setting('server_version_num')::int >= 160000 as known`,
  )
  await setting.tenancy('role').query('acme', 'select count(*) from notes')
  if (!rows[0].known) {
    expect((await statsOf('role', { activity: true })).tenants[0]?.lastActivity).toBeNull()
    return
  }
  await eventually(
    async () => (await statsOf('role', { activity: true })).tenants[0]?.lastActivity instanceof Date,
  )
})

it('finds the oldest version and who is behind', async () => {
  await setting.world.root.query(
    `update tenancy.tenant set schema_version = null where prefix = 'schema_' and key = 'globex'`,
  )
  const stats = await statsOf('schema')
  expect(stats.oldestVersion).toBeNull()
  expect(stats.versions).toEqual([
    { version: null, tenants: 1 },
    { version: '0001_notes', tenants: 1 },
  ])
  expect(advise(stats).find(({ id }) => id === 'behind')).toMatchObject({
    measured: 1,
    action: 'Run migrate.',
  })
})

it('refuses bad input before it asks', async () => {
  expect(await codeOf(statsOf('role', { tenants: ['No!'] }))).toBe('INVALID_TENANT_KEY')
  expect(await codeOf(statsOf('role', { tenants: 'acme' as never }))).toBe('INVALID_OPTION')
})

describe('advice', () => {
  const at = async (thresholds: AdviceThresholds) =>
    advise(await statsOf('role'), thresholds).map(({ id }) => id)

  it('is silent when all is well', async () => {
    const stats = await statsOf('role')
    expect(advise({ ...stats, cluster: { ...stats.cluster, connections: 1 }, connections: [] })).toEqual([])
  })

  it('compares what was measured on the server with each threshold', async () => {
    const { clusterBytes, relations, transactionAge, freezeMaxAge } = (await statsOf('role')).cluster
    expect(await at({ connections: 0.001 })).toContain('connections')
    expect(await at({ storageBytes: clusterBytes * 1.1 })).toContain('storage')
    expect(await at({ storageBytes: clusterBytes * 2 })).not.toContain('storage')
    expect(await at({ tenants: 2 })).toContain('tenants')
    expect(await at({ relations })).toContain('relations')
    expect(await at({ locks: 0.0001 })).toContain('locks')
    expect(transactionAge).toBeLessThan(freezeMaxAge)
  })

  it('puts what is critical first and says what to do', async () => {
    const stats = await statsOf('role')
    const worn: FleetStats = {
      ...stats,
      cluster: {
        ...stats.cluster,
        transactionAge: 1_600_000_000,
        overdueTables: 500,
        databaseBytes: stats.cluster.sharedBuffersBytes * 4,
        blocksHit: 500_000,
        blocksRead: 500_000,
      },
      connections: [{ role: 'app', connections: 10, active: 1, idleInTransaction: 8 }],
    }
    const advice = advise(worn)
    expect(advice.map(({ id, severity }) => [id, severity])).toEqual([
      ['wraparound', 'critical'],
      ['memory', 'warning'],
      ['autovacuum', 'warning'],
      ['idle_in_transaction', 'notice'],
    ])
    for (const { action, message } of advice) expect(action.length * message.length).toBeGreaterThan(0)
    expect(advise({ ...worn, cluster: { ...worn.cluster, autovacuum: false } })[0]).toMatchObject({
      id: 'autovacuum',
      severity: 'critical',
    })
  })

  it('refuses thresholds that mean nothing', async () => {
    const stats = await statsOf('role')
    for (const bad of [
      { connections: 2 },
      { tenants: -1 },
      { storag: 1 } as never,
      { locks: '1' as never },
    ]) {
      expect(() => advise(stats, bad)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    }
  })
})

it('counts overdue tables that autovacuum left behind', async () => {
  const client = new pg.Client(setting.world.url)
  await client.connect()
  try {
    await client.query('create table worn (id int); alter table worn set (autovacuum_enabled = false)')
    await client.query('insert into worn select generate_series(1, 1000)')
    await client.query('delete from worn')
    await client.query(`select pg_stat_force_next_flush()`)
    await eventually(async () => (await statsOf('role')).cluster.overdueTables >= 1)
    await client.query('vacuum worn')
  } finally {
    await client.end()
  }
})
