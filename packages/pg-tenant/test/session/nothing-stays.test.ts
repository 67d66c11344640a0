// @module-tag sampled
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '@org/pg-testing'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { ALL_SUBJECTS, useSetting } from '../levels/setting.ts'
import { hasTurn, inTurn } from '../support/sample.ts'
import { hostileStatements, TIDY } from './hostile-statements.ts'
import { drawn, snapshotOf } from './snapshot.ts'

// Hazards y and z, and k' between two requests: whatever a statement does, whoever has the session next finds it as it was
// made: the bare pool, another tenant, and the same tenant. The control is a helper that begins, sets and commits.

const setting = useSetting()
const STATEMENTS = hostileStatements()
const ignore = () => undefined

/** One statement that commits, and the same in a scope that is rolled back. */
async function attack(tenancy: Tenancy, sql: string): Promise<void> {
  await tenancy.query('evil', sql).catch(ignore)
  await tenancy
    .withTenant('evil', async (db) => {
      await db.savepoint((inner) => inner.query(sql)).catch(ignore)
      await db.query(sql).catch(ignore)
      throw new Error('undo everything')
    })
    .catch(ignore)
}

/** What is different for anybody after each of the statements. */
async function differences(
  tenancy: Tenancy,
  statements: readonly string[],
  users: Readonly<Record<string, () => Promise<string>>>,
): Promise<string[]> {
  const before: Record<string, string> = {}
  for (const [who, look] of Object.entries(users)) {
    await look()
    before[who] = await look()
  }
  const found: string[] = []
  const everybody = Object.entries(users)
  for (const [number, sql] of statements.entries()) {
    // Looking cleans as well, so that each user needs an attack of its own; two of three see each statement.
    for (const [who, look] of everybody.filter((_, at) => everybody.length < 3 || at !== number % 3)) {
      await attack(tenancy, sql)
      const after = await look()
      if (after !== before[who]) found.push(`${who} after ${sql}:\n${changed(before[who] as string, after)}`)
    }
    if (sql.includes('late_a')) await tenancy.query('evil', TIDY).catch(ignore)
  }
  return found
}

function changed(before: string, after: string): string {
  const known = new Set(before.split('\n'))
  return after
    .split('\n')
    .filter((line) => !known.has(line))
    .join('\n')
}

const inside = (tenancy: Tenancy, key: string) => () => snapshotOf((sql) => tenancy.query(key, sql))

it('has hundreds of statements', () => {
  expect(STATEMENTS.length).toBeGreaterThan(150)
})

describe.each(ALL_SUBJECTS)('level $level', ({ level, logsIn }) => {
  let tenancy: Tenancy
  let pool: pg.Pool | undefined
  beforeAll(async () => {
    if (!logsIn) pool = setting.world.pool({ connectionString: setting.directUrl, max: 1 })
    tenancy = setting.tenancy(level, {
      ...(pool && { pool }),
      ...(logsIn && { tenantPools: { maxConnections: 1, maxPerTenant: 1 } }),
    })
    for (const key of ['evil', 'good']) await tenancy.provision(key)
  })

  it('nothing of a statement is there for whoever comes next', async () => {
    const bare = pool
    const users = {
      'the same tenant': inside(tenancy, 'evil'),
      ...(bare && {
        'another tenant': inside(tenancy, 'good'),
        'the bare pool': () => snapshotOf((sql) => bare.query(sql)),
      }),
    }
    // More of them at the level that most use, and the others in the slow set.
    const statements = inTurn(STATEMENTS, level === 'role' ? 24 : 96)
    expect(await differences(tenancy, statements, users)).toEqual([])
  })

  it.runIf(hasTurn(level))('nobody decides what another request draws', async () => {
    const draws = new Set<string>()
    for (let time = 0; time < 3; time++) {
      await tenancy.query('evil', 'select setseed(0.25)')
      const key = logsIn ? 'evil' : 'good'
      draws.add(JSON.stringify(await drawn((sql) => tenancy.query(key, sql))))
    }
    expect(draws.size).toBe(3)
  })
})

describe.runIf(hasPgBouncer())('through PgBouncer with one server connection', () => {
  let bouncer: PgBouncer
  let pool: pg.Pool
  let tenancy: Tenancy
  beforeAll(async () => {
    bouncer = await startPgBouncer({ url: setting.world.url, poolSize: 1 })
    const url = Object.assign(new URL(setting.directUrl), { port: new URL(bouncer.url).port }).href
    pool = setting.world.pool({ connectionString: url, max: 1 })
    tenancy = setting.tenancy('role', { pool })
    for (const key of ['evil', 'good']) await tenancy.provision(key)
  })
  afterAll(async () => {
    await pool?.end()
    await bouncer?.stop()
  })

  // Statements under names stay there: they may be those of others, whom the pooler would not tell. Nothing of ours runs one.
  const known = (text: string) => text.replace(/"prepared": (null|\[[^\]]*\])/, '"prepared": …')

  it('nothing of a statement is there for whoever comes next', async () => {
    const users = {
      'the same tenant': async () => known(await inside(tenancy, 'evil')()),
      'another tenant': async () => known(await inside(tenancy, 'good')()),
      'the bare pool': async () => known(await snapshotOf((sql) => pool.query(sql))),
    }
    expect(await differences(tenancy, inTurn(STATEMENTS, 40), users)).toEqual([])
  })
})

it('the obvious helper leaves most of it', async () => {
  const pool = setting.world.pool({ connectionString: setting.directUrl, max: 1 })
  const look = () => snapshotOf((sql) => pool.query(sql))
  const before = await look()
  let left = 0
  const statements = inTurn(STATEMENTS, 20)
  for (const sql of statements) {
    const client = await pool.connect()
    await client.query('begin; set local search_path to role_evil, public')
    await client.query({ text: sql, queryMode: 'extended' } as pg.QueryConfig).catch(ignore)
    await client.query('commit').catch(ignore)
    client.release()
    if ((await look().catch(ignore)) !== before) left++
    await pool.query('discard all')
  }
  expect(left).toBeGreaterThan(statements.length / 5)
})
