import { currentTenant, TenancyError, tryCurrentTenant } from '@org/core'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy, TenantDb } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld()
let tenancy: Tenancy

beforeAll(() => {
  tenancy = world.tenancy()
})

const bodies = async (key: string): Promise<string[]> => {
  const { rows } = await tenancy.query<{ body: string }>(key, 'select body from notes order by id')
  return rows.map((row) => row.body)
}
const add = (db: TenantDb, body: string) => db.query('insert into notes (body) values ($1)', [body])

describe('a scope', () => {
  it('commits what its callback did, in the tenant alone, and returns its value', async () => {
    const id = await tenancy.withTenant('acme', async (db) => {
      const { rows } = await db.query<{ id: string }>('insert into notes (body) values ($1) returning id', [
        'kept',
      ])
      return rows[0]?.id
    })
    expect(id).toMatch(/^\d+$/)
    expect(await bodies('acme')).toContain('kept')
    expect(await bodies('globex')).not.toContain('kept')
  })

  it('runs as the tenant: its role, its path, and nobody else', async () => {
    const sql = `select current_user as role, current_schema() as schema, current_setting('search_path') as path`
    const { rows } = await tenancy.query('acme', sql)
    expect(rows).toEqual([
      { role: `${world.rolePrefix}acme`, schema: 'c_acme', path: '"c_acme", "public", pg_temp' },
    ])
  })

  it('rolls back everything when the callback throws, and throws that very error', async () => {
    const mine = new Error('mine')
    const work = tenancy.withTenant('acme', async (db) => {
      await add(db, 'undone')
      throw mine
    })
    await expect(work).rejects.toBe(mine)
    expect(await bodies('acme')).not.toContain('undone')
  })

  it('rolls back when the callback throws something that is not an error', async () => {
    const work = tenancy.withTenant('acme', async (db) => {
      await add(db, 'undone too')
      throw undefined
    })
    await expect(work).rejects.toBeUndefined()
    expect(await bodies('acme')).not.toContain('undone too')
  })

  it('is refused before it begins for a tenant that is not there, also when nothing is run', async () => {
    expect(await codeOf(tenancy.withTenant('ghost', (db) => db.query('select 1')))).toBe('SCHEMA_MISSING')
    expect(await codeOf(tenancy.withTenant('ghost', async () => 'nothing'))).toBe('SCHEMA_MISSING')
    expect(await codeOf(tenancy.query('ghost', 'select 1'))).toBe('SCHEMA_MISSING')
  })

  it('makes its tenant current while it runs', async () => {
    await tenancy.withTenant('acme', async () => expect(currentTenant()).toBe('acme'))
    expect(tryCurrentTenant()).toBeUndefined()
  })

  it('runs statements started together one after the other', async () => {
    const values = await tenancy.withTenant('acme', (db) =>
      Promise.all(
        [1, 2, 3, 4].map(async (n) => (await db.query<{ n: number }>('select $1::int as n', [n])).rows[0]?.n),
      ),
    )
    expect(values).toEqual([1, 2, 3, 4])
  })

  it('keeps many tenants apart that run at once', async () => {
    const wrong = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const key = i % 2 ? 'acme' : 'globex'
        const { rows } = await tenancy.withTenant(key, (db) =>
          db.query<{ s: string }>('select current_schema() as s'),
        )
        return rows[0]?.s === `c_${key}` ? 0 : 1
      }),
    )
    expect(wrong.reduce<number>((sum, n) => sum + n, 0)).toBe(0)
  })
})

describe('the transaction', () => {
  it('takes readOnly, isolationLevel and deferrable', async () => {
    const sql = `select current_setting('transaction_read_only') as ro, current_setting('transaction_isolation') as level,
      current_setting('transaction_deferrable') as deferrable`
    const options = { readOnly: true, isolationLevel: 'serializable', deferrable: true } as const
    const { rows } = await tenancy.withTenant('acme', (db) => db.query(sql), options)
    expect(rows).toEqual([{ ro: 'on', level: 'serializable', deferrable: 'on' }])
    expect((await tenancy.query('acme', sql)).rows).toEqual([
      { ro: 'off', level: 'read committed', deferrable: 'off' },
    ])
  })

  it('refuses writes when readOnly', async () => {
    const error = await tenancy
      .query('acme', `insert into notes (body) values ('no')`, [], { readOnly: true })
      .catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(TenancyError)
    expect((error as TenancyError).details.sqlState).toBe('25006')
  })

  it('sets its limits on the server', async () => {
    const sql = `select current_setting('statement_timeout') as s, current_setting('lock_timeout') as l,
      current_setting('idle_in_transaction_session_timeout') as i, current_setting('synchronous_commit') as c`
    const limits = { statementTimeout: 1234, lockTimeout: 567, idleTimeout: 8901 }
    expect((await tenancy.query('acme', sql, [], limits)).rows).toEqual([
      { s: '1234ms', l: '567ms', i: '8901ms', c: 'on' },
    ])
    expect((await tenancy.query('acme', sql)).rows).toEqual([{ s: '30s', l: '10s', i: '1min', c: 'on' }])
  })
})

describe('nesting', () => {
  it('joins the scope of the same tenant as a savepoint, on the same connection', async () => {
    const single = world.tenancy({ pool: world.pool({ max: 1 }) })
    const value = await single.withTenant('acme', async (outer) => {
      await add(outer, 'outer')
      await expect(
        single.withTenant('acme', async (inner) => {
          await add(inner, 'inner, undone')
          throw new Error('inner')
        }),
      ).rejects.toThrow('inner')
      await outer.withTenant('acme', (inner) => add(inner, 'inner, kept'))
      return (
        await single.query<{ n: number }>('acme', 'select count(*)::int as n from notes where body like $1', [
          '%undone',
        ])
      ).rows
    })
    expect(value).toEqual([{ n: 0 }])
    expect(await bodies('acme')).toEqual(expect.arrayContaining(['outer', 'inner, kept']))
  })

  it('refuses another tenant inside a scope', async () => {
    const asked: (() => Promise<unknown>)[] = [
      () => tenancy.withTenant('globex', async () => 1),
      () => tenancy.query('globex', 'select 1'),
    ]
    await tenancy.withTenant('acme', async (db) => {
      for (const ask of asked) expect(await codeOf(ask())).toBe('CROSS_TENANT')
      expect(await codeOf(db.withTenant('globex', async () => 1))).toBe('CROSS_TENANT')
    })
  })

  it('refuses a mode that the outer transaction does not have', async () => {
    await tenancy.withTenant('acme', async () => {
      expect(await codeOf(tenancy.withTenant('acme', async () => 1, { readOnly: true }))).toBe(
        'INVALID_OPTION',
      )
    })
  })

  it('opens a scope of its own when the one around has ended', async () => {
    let later: Promise<unknown> = Promise.resolve()
    await tenancy.withTenant('acme', async (db) => {
      await db.query('select 1')
      later = new Promise((resolve) => setTimeout(resolve, 20)).then(() =>
        tenancy.query('acme', 'select 1 as one'),
      )
    })
    expect(await later).toMatchObject({ rows: [{ one: 1 }] })
  })
})

describe('a forgotten await', () => {
  // An unhandled rejection would fail this file: vitest reports each one.
  it('rolls back and is told to the caller, and to nobody else', async () => {
    const forgets: ((db: TenantDb) => unknown)[] = [
      (db) => db.query('select pg_sleep(0.01)'),
      (db) => db.query('select 1/0'),
      (db) => [db.query('select 1'), db.query('select 2'), db.query('select 3')],
      (db) => db.savepoint((sp) => sp.query('select pg_sleep(0.01)')),
      (db) => db.withTenant('acme', (inner) => inner.query('select pg_sleep(0.01)')),
      (db) => db.copyTo('copy (select 1) to stdout'),
    ]
    for (const forget of forgets) {
      const work = tenancy.withTenant('acme', async (db) => {
        await add(db, 'forgotten')
        forget(db)
      })
      expect(await codeOf(work)).toBe('QUERY_NOT_AWAITED')
    }
    expect(await bodies('acme')).not.toContain('forgotten')
  })
})
