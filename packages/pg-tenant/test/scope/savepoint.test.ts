import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy, TenantDb } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld(['acme'])
let tenancy: Tenancy

beforeAll(() => {
  tenancy = world.tenancy()
})

const add = (db: TenantDb, body: string) => db.query('insert into notes (body) values ($1)', [body])
const has = async (body: string): Promise<boolean> =>
  (await tenancy.query('acme', 'select 1 from notes where body = $1', [body])).rowCount === 1

describe('savepoint', () => {
  it('undoes its own statements when it throws, and only those', async () => {
    await tenancy.withTenant('acme', async (db) => {
      await add(db, 'before')
      await expect(db.savepoint((sp) => add(sp, 'before'))).rejects.toMatchObject({
        code: 'DUPLICATE_RESOURCE',
      })
      await add(db, 'after')
    })
    expect([await has('before'), await has('after')]).toEqual([true, true])
  })

  it('nests, each level on its own', async () => {
    await tenancy.withTenant('acme', (db) =>
      db.savepoint(async (one) => {
        await add(one, 'one')
        await one
          .savepoint(async (two) => {
            await add(two, 'two')
            await two.savepoint((three) => add(three, 'three'))
            throw new Error('undo two and three')
          })
          .catch(() => {})
        await one.savepoint((two) => add(two, 'two again'))
      }),
    )
    expect(await Promise.all(['one', 'two', 'three', 'two again'].map(has))).toEqual([
      true,
      false,
      false,
      true,
    ])
  })

  it('takes its turn among other statements started at the same time', async () => {
    await tenancy.withTenant('acme', async (db) => {
      await Promise.all([
        add(db, 'p1'),
        db.savepoint(async (sp) => {
          await add(sp, 'p2')
          await add(sp, 'p3')
        }),
        db
          .savepoint(async (sp) => {
            await add(sp, 'p4')
            throw new Error('undo')
          })
          .catch(() => {}),
        add(db, 'p5'),
      ])
    })
    expect(await Promise.all(['p1', 'p2', 'p3', 'p4', 'p5'].map(has))).toEqual([
      true,
      true,
      true,
      false,
      true,
    ])
  })

  it('does nothing at all when it runs nothing', async () => {
    await tenancy.withTenant('acme', async (db) => {
      expect(await db.savepoint(async () => 'empty')).toBe('empty')
      await db.savepoint(async () => Promise.reject(new Error('empty'))).catch(() => {})
      await add(db, 'around empties')
    })
    expect(await has('around empties')).toBe(true)
  })

  it('refuses the outer handle inside', async () => {
    await tenancy.withTenant('acme', async (db) => {
      await db.savepoint(async (sp) => {
        expect(await codeOf(db.query('select 1'))).toBe('SCOPE_BUSY')
        expect(await codeOf(db.savepoint(async () => 1))).toBe('SCOPE_BUSY')
        await add(sp, 'inner handle works')
      })
    })
    expect(await has('inner handle works')).toBe(true)
  })

  it('is revoked when it ends', async () => {
    await tenancy.withTenant('acme', async (db) => {
      let kept: TenantDb | undefined
      await db.savepoint(async (sp) => {
        kept = sp
      })
      expect(await codeOf((kept as TenantDb).query('select 1'))).toBe('SCOPE_ENDED')
    })
  })

  it('rolls itself back when its callback hides a failure', async () => {
    await tenancy.withTenant('acme', async (db) => {
      const hiding = db.savepoint(async (sp) => {
        await add(sp, 'hidden')
        await sp.query('select 1/0').catch(() => {})
        return 'fine'
      })
      await expect(hiding).rejects.toMatchObject({ code: 'SILENT_ROLLBACK', details: { sqlState: '22012' } })
      await add(db, 'outer goes on')
    })
    expect([await has('hidden'), await has('outer goes on')]).toEqual([false, true])
  })

  it('rolls itself back when something in it was not awaited', async () => {
    await tenancy.withTenant('acme', async (db) => {
      const careless = db.savepoint(async (sp) => {
        await add(sp, 'careless')
        sp.query('select pg_sleep(0.05)').catch(() => {})
      })
      expect(await codeOf(careless)).toBe('QUERY_NOT_AWAITED')
      await add(db, 'outer still goes on')
    })
    expect([await has('careless'), await has('outer still goes on')]).toEqual([false, true])
  })

  it('fails with its scope: nothing runs after a failure outside a savepoint', async () => {
    const work = tenancy.withTenant('acme', async (db) => {
      await db.query('select 1/0').catch(() => {})
      expect(await codeOf(db.savepoint(async (sp) => add(sp, 'too late')))).toBe('SCOPE_FAILED')
      expect(await codeOf(db.query('select 1'))).toBe('SCOPE_FAILED')
    })
    expect(await codeOf(work)).toBe('SILENT_ROLLBACK')
    expect(await has('too late')).toBe(false)
  })

  it('takes only a function', async () => {
    await tenancy.withTenant('acme', async (db) => {
      expect(await codeOf(db.savepoint(undefined as never))).toBe('VALIDATION_ERROR')
    })
  })
})

describe('a first statement forgotten inside a savepoint', () => {
  it.each([1, 2, 3])('takes effect nowhere, with %i idle connections', async (connections) => {
    await world.root.query(
      'create table if not exists public.notes (body text); grant all on public.notes to public',
    )
    const pool = world.pool({ max: connections })
    const own = world.tenancy({ pool })
    // As many idle connections as there can be, so that nobody has to wait for one.
    await Promise.all(Array.from({ length: connections }, () => own.query('acme', 'select pg_sleep(0.05)')))
    const body = `forgotten first ${connections}`
    let late = 'pending'
    await own.withTenant('acme', async (db) => {
      const careless = db.savepoint(async (sp) => {
        add(sp, body).then(
          () => {
            late = 'ran'
          },
          (error: { code: string }) => {
            late = error.code
          },
        )
      })
      expect(await codeOf(careless)).toBe('QUERY_NOT_AWAITED')
      await add(db, `second ${connections}`)
    })
    expect([await has(body), await has(`second ${connections}`)]).toEqual([false, true])
    // It ran where it belongs, and was undone with it.
    expect(late).toBe('ran')
    expect((await world.root.query('select * from public.notes')).rows).toEqual([])
    expect(pool.idleCount).toBe(pool.totalCount)
  })

  it('nor on a pool that has no connection yet', async () => {
    const pool = world.pool({ max: 3 })
    const own = world.tenancy({ pool })
    await own.withTenant('acme', async (db) => {
      await db.savepoint(async (sp) => void add(sp, 'cold')).catch(() => {})
      await Promise.all([add(db, 'cold two'), add(db, 'cold three')])
    })
    expect([await has('cold'), await has('cold two'), await has('cold three')]).toEqual([false, true, true])
    expect(pool.totalCount).toBe(1)
  })
})
