import { AsyncResource } from 'node:async_hooks'
import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import type { IsolationLevel, Tenancy } from '../../src/index.ts'
import { settleWithin } from '../../src/testing/attack/finding.ts'
import { openRig } from '../../src/testing/attack/rig.ts'
import { tenancySubject } from '../../src/testing/attack/tenancy-subject.ts'
import { codeOf, useWorld } from '../support/world.ts'

// Attacks on what this library does of its own: its prepared statements, its memory of a connection, its nesting.

const world = useWorld()
const LEVELS: readonly IsolationLevel[] = ['schema', 'role']

/** Two tenants of their own at a level, so that the levels do not meet in one schema. */
async function stage(
  isolation: IsolationLevel,
): Promise<{ pool: pg.Pool; tenancy: Tenancy; prefix: string }> {
  const prefix = `own_${isolation}_`
  const pool = world.pool({ max: 1 })
  const tenancy = world.tenancy({ pool, isolation, schemaPrefix: prefix })
  for (const key of ['a', 'b']) await tenancy.provision(key)
  return { pool, tenancy, prefix }
}

const insert = (tenancy: Tenancy, key: string, body: string) =>
  tenancy.withTenant(key, (db) => db.query('insert into notes (body) values ($1)', [body]))

/** `body` of a tenant's rows, read through a connection of its own. */
async function bodies(isolation: IsolationLevel, prefix: string, key: string): Promise<string[]> {
  const fresh = world.tenancy({ pool: world.pool({ max: 1 }), isolation, schemaPrefix: prefix })
  const { rows } = await fresh.query<{ body: string }>(key, 'select body from notes')
  return rows.map((row) => row.body)
}

describe.each(LEVELS)('level %s', (isolation) => {
  it('does not let one tenant put a statement of its own in the place of the gate', async () => {
    const { tenancy, prefix } = await stage(isolation)
    for (let scope = 0; scope < 3; scope++) await tenancy.withTenant('a', (db) => db.query('select 1'))
    const name = `pg_tenant_gate_${isolation}`
    const count = isolation === 'role' ? 6 : 5
    const types = Array.from({ length: count }, () => 'text').join()
    const used = Array.from({ length: count }, (_, index) => `$${index + 1} is not null`).join(' and ')
    const fake = `select set_config(''search_path'', ''${prefix}a'', true) from (values (1), (2)) v where ${used}`
    await tenancy
      .withTenant('a', (db) =>
        db.query(
          `do $$ begin execute 'deallocate ${name}'; execute 'prepare ${name}(${types}) as ${fake}'; end $$`,
        ),
      )
      .catch(() => undefined)
    await insert(tenancy, 'b', `private to b at ${isolation}`).catch(() => undefined)
    expect(await bodies(isolation, prefix, 'a')).not.toContain(`private to b at ${isolation}`)
  })

  it('keeps acknowledged rows although an earlier scope left a temporary table of that name', async () => {
    const { tenancy, prefix } = await stage(isolation)
    await tenancy.withTenant('a', (db) => db.query('create temp table notes (id serial, body text)'))
    const told = await insert(tenancy, 'a', 'acknowledged').then(
      () => true,
      () => false,
    )
    expect((await bodies(isolation, prefix, 'a')).includes('acknowledged')).toBe(told)
  })

  it('writes text as it was given although an earlier scope changed the encoding', async () => {
    const { tenancy, prefix } = await stage(isolation)
    await tenancy
      .withTenant('a', (db) => db.query(`select set_config('client_encoding', 'LATIN1', false)`))
      .catch(() => undefined)
    await insert(tenancy, 'a', 'naïve é')
    expect(await bodies(isolation, prefix, 'a')).toContain('naïve é')
  })

  it('notices what a deferred trigger changes at COMMIT', async () => {
    const { tenancy } = await stage(isolation)
    const code = await codeOf(
      tenancy.withTenant('b', async (db) => {
        const table = 'deferred_notes'
        await db.query(`create table ${table} (id int)`)
        await db.query(
          `create function switch_off() returns trigger language plpgsql as $$
             begin perform pg_catalog.set_config('synchronous_commit', 'off', true); return null; end $$`,
        )
        await db.query(
          `create constraint trigger late after insert on ${table} deferrable initially deferred
             for each row execute function switch_off()`,
        )
        await db.query(`insert into ${table} values (1)`)
      }),
    )
    expect(code).toBe('SCOPE_ESCAPED')
  })

  it.each(['discard all', 'deallocate all'])(
    'runs the next statement after %s on the bare pool',
    async (sql) => {
      const { pool, tenancy } = await stage(isolation)
      for (let time = 0; time < 3; time++) await tenancy.query('a', 'select 1')
      await pool.query(sql)
      expect((await tenancy.query('a', 'select 1 as one')).rows).toEqual([{ one: 1 }])
      await pool.query(sql)
      expect((await tenancy.withTenant('a', (db) => db.query('select 1 as one'))).rows).toEqual([{ one: 1 }])
    },
  )
})

describe('nesting', () => {
  it('does not wait for ever when the outer handle is used inside a savepoint, out of context', async () => {
    // A rig, because its pool can be closed even if the scope never ends.
    const rig = await openRig({ url: world.appUrl }, {}, (pool) =>
      tenancySubject(world.tenancy({ pool, idleTimeout: 300 })),
    )
    const outside = new AsyncResource('elsewhere')
    const scope = rig.subject.withTenant('acme', async (db) => {
      await db.savepoint?.(async (inner) => {
        await inner.query('select 1')
        await outside.runInAsyncScope(() => db.query('select 2'))
      })
    })
    const outcome = await settleWithin(30_000, scope)
    await rig.close()
    expect(outcome).not.toBe('pending')
  })
})

describe('a COPY stream that nobody finishes', () => {
  it.each(['copyFrom', 'copyTo'] as const)('%s does not block the scope for ever', async (kind) => {
    let tenancy: Tenancy | undefined
    const rig = await openRig({ url: world.appUrl }, {}, (pool) => {
      tenancy = world.tenancy({ pool, idleTimeout: 300 })
      return tenancySubject(tenancy)
    })
    const sql =
      kind === 'copyFrom'
        ? 'copy notes (body) from stdin'
        : 'copy (select generate_series(1, 1000000)) to stdout'
    const scope = tenancy?.withTenant('acme', async (db) => {
      const stream = await db[kind](sql)
      stream.on('error', () => undefined)
      await db.query('select 1')
    })
    const outcome = await settleWithin(30_000, scope ?? Promise.resolve())
    await rig.close()
    expect(outcome).not.toBe('pending')
  })
})

describe('two tenancies on one pool', () => {
  it('take turns, at different levels, without meeting', async () => {
    const pool = world.pool({ max: 1 })
    const tenancies = LEVELS.map((isolation) => ({
      isolation,
      tenancy: world.tenancy({ pool, isolation, schemaPrefix: `two_${isolation}_` }),
    }))
    for (const { tenancy, isolation } of tenancies) {
      await tenancy.provision('a')
      await insert(tenancy, 'a', `of ${isolation}`)
    }
    for (let turn = 0; turn < 6; turn++) {
      for (const { tenancy, isolation } of tenancies) {
        const { rows } = await tenancy.query(
          'a',
          'select body, current_user = session_user as own from notes',
        )
        expect(rows).toEqual([{ body: `of ${isolation}`, own: isolation === 'schema' }])
      }
    }
  })

  it('whose prefixes overlap do not open each other’s schemas', async () => {
    const pool = world.pool({ max: 1 })
    const long = world.tenancy({ pool, isolation: 'schema', schemaPrefix: 'ov_' })
    await long.provision('x_y')
    await insert(long, 'x_y', 'of x_y')
    const short = world.tenancy({ pool, isolation: 'schema', schemaPrefix: 'ov_x_' })
    expect(await codeOf(short.query('y', 'select body from notes'))).toMatch(/^SCHEMA_/)
  })
})

describe('a pipelining pool', () => {
  it('gets its connections back as they were', async () => {
    const pool = world.pool({ max: 1, pipeline: true } as pg.PoolConfig)
    const tenancy = world.tenancy({ pool })
    await tenancy.withTenant('acme', (db) => db.query('select 1'))
    await tenancy.withTenant('acme', () => Promise.reject(new Error('no'))).catch(() => undefined)
    const client = await pool.connect()
    expect((client as { pipeline?: boolean }).pipeline).toBe(true)
    const answers = await Promise.all([client.query('select 1 as n'), client.query('select 2 as n')])
    expect(answers.map(({ rows }) => rows)).toEqual([[{ n: 1 }], [{ n: 2 }]])
    client.release()
  })
})

describe('handles kept after their scope', () => {
  it('are dead in every part', async () => {
    const { tenancy } = await stage('role')
    const kept = await tenancy.withTenant('a', async (db) => {
      const rows = db.stream('select generate_series(1, 3000) as n', [], { batchSize: 1 })
      await rows.next()
      return { db, rows }
    })
    await tenancy.withTenant('b', async (db) => {
      await db.query('select 1')
      expect(await codeOf(kept.rows.next())).toBe('SCOPE_ENDED')
      expect(await codeOf(kept.db.query('select 1'))).toBe('SCOPE_ENDED')
      expect(await codeOf(kept.db.savepoint((inner) => inner.query('select 1')))).toBe('SCOPE_ENDED')
      expect(await codeOf(kept.db.withTenant('a', (inner) => inner.query('select 1')))).toBe('SCOPE_ENDED')
      expect(await codeOf(kept.db.copyFrom('copy notes from stdin'))).toBe('SCOPE_ENDED')
      expect(await codeOf(kept.db.copyTo('copy notes to stdout'))).toBe('SCOPE_ENDED')
      expect(await codeOf(kept.db.stream('select 1').next())).toBe('SCOPE_ENDED')
    })
  })
})
