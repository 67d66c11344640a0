import { beforeAll, describe, expect, it } from 'vitest'
import { POOLED, useWorld } from '../support/world.ts'
import { type RowTenancy, rowTenancy } from './row-world.ts'

const world = useWorld([])
const KEYS = Array.from({ length: 20 }, (_, at) => `t${at}`)
let tenancy: RowTenancy
beforeAll(async () => {
  tenancy = rowTenancy(world)
  for (const key of KEYS) {
    await tenancy.provision(key)
    await tenancy.query(
      key,
      `insert into notes (body) select $1 || ' ' || i from generate_series(1, 500) i`,
      [key],
    )
  }
  await world.root.query('vacuum analyze app.notes')
})
const planOf = async (sql: string) =>
  (
    await tenancy.query<{ 'QUERY PLAN': string }>(
      't7',
      `explain (analyze, timing off, costs off, summary off) ${sql}`,
    )
  ).rows
    .map((row) => row['QUERY PLAN'])
    .join('\n')

describe('plans', () => {
  it('look the tenant up in the index, together with a condition of the statement', async () => {
    const plan = await planOf('select * from notes where id = 3')
    expect(plan).toMatch(/Index Scan using notes_pkey/)
    expect(plan).toMatch(/Index Cond: .*tenant_id = .*id = 3/s)
    expect(await planOf('select * from notes')).toMatch(/Index Cond: .*tenant_id = /)
  })

  it('evaluate the setting once for each statement', async () => {
    const plan = await planOf(`select * from notes where body <> ''`)
    expect(plan).toMatch(/InitPlan/)
    expect(plan.match(/current_setting/g) ?? []).toHaveLength(0)
    expect(plan).toMatch(/Result \(actual rows=1(\.00)? loops=1\)/)
  })

  it.skipIf(POOLED).each(['force_generic_plan', 'force_custom_plan', 'auto'])(
    'that are kept (%s) read the tenant when they run, not when they were made',
    async (mode) => {
      const client = await world.pool({ max: 1 }).connect()
      await client.query(`set plan_cache_mode = ${mode}`)
      await client.query(
        'prepare p as select distinct split_part(body, $1, 1) as key from app.notes'.replace('$1', `' '`),
      )
      for (const key of [...KEYS, ...KEYS]) {
        await client.query('begin')
        await client.query(`select set_config('app.tenant_id', $1, true)`, [key])
        expect((await client.query('execute p')).rows).toEqual([{ key }])
        await client.query('commit')
      }
      expect((await client.query('execute p')).rows).toEqual([])
      client.release(true)
    },
  )

  it.skipIf(POOLED)('of the entrance read one row of the registry, whoever shares it', async () => {
    const { root } = world
    await root.query(`insert into tenancy.tenant (prefix, key, status, isolation)
      select 'other' || n % 2, 'x' || n, 'active', 'role' from generate_series(1, 40) n`)
    await root.query('vacuum analyze tenancy.tenant')
    // A session counts what it read since it last told the server.
    const fresh = rowTenancy(world, { pool: world.pool({ max: 1 }) })
    const { rows } = await fresh.query(
      't7',
      `select (seq_tup_read + idx_tup_fetch)::int as read from pg_stat_xact_all_tables
        where schemaname = 'tenancy' and relname = 'tenant'`,
    )
    await root.query(`delete from tenancy.tenant where starts_with(prefix, 'other')`)
    expect(rows).toEqual([{ read: 1 }])
  })

  it('take large lists', async () => {
    const ids = Array.from({ length: 20_000 }, (_, at) => at)
    expect(
      (await tenancy.query('t3', 'select * from notes where id = any ($1)', [ids])).rowCount,
    ).toBeGreaterThan(0)
    const { rows } = await tenancy.query('t3', 'select distinct tenant_id from notes where id = any ($1)', [
      ids,
    ])
    expect(rows).toEqual([{ tenant_id: 't3' }])
  })
})

/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

describe.each([1, 2, 3])('two tenants through one pool, seed %i', (seed) => {
  it('never meet, whatever they do at once', async () => {
    const next = random(seed)
    const mine = rowTenancy(world, { pool: world.pool({ max: 3 }) })
    const expected = new Map<string, Map<string, string>>()
    for (const key of ['left', 'right']) {
      await mine.provision(key)
      await mine.query(key, 'delete from notes')
      expected.set(key, new Map())
    }
    // The same bodies for both, so that a row that strays is one too many somewhere. One queue for each tenant keeps the
    // model simple; the two queues interleave as they like.
    const run = async (key: string, steps: number[]) => {
      const model = expected.get(key) ?? new Map<string, string>()
      for (const step of steps) {
        const body = `n${step % 7}`
        const fails = step % 5 === 0
        const work = mine.withTenant(key, async (db) => {
          if (step % 3 === 0)
            await db.query('insert into notes (body) values ($1) on conflict do nothing', [body])
          else if (step % 3 === 1) await db.query('delete from notes where body = $1', [body])
          else await db.query('select * from notes where body = $1', [body])
          if (fails) throw new Error('back')
        })
        await work.catch(() => undefined)
        if (!fails && step % 3 === 0) model.set(body, body)
        if (!fails && step % 3 === 1) model.delete(body)
        const { rows } = await mine.query<{ body: string; tenant_id: string }>(
          key,
          'select * from notes order by body',
        )
        expect(rows.map((row) => row.body)).toEqual([...model.keys()].sort())
        expect(rows.every((row) => row.tenant_id === key)).toBe(true)
      }
    }
    const steps = () => Array.from({ length: 60 }, () => next(1_000))
    await Promise.all([run('left', steps()), run('right', steps())])
  })
})
