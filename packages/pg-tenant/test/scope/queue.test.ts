import { startWireProxy, type WireProxy } from '@org/pg-testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy, TenantDb } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld(['acme'])
let proxy: WireProxy
let tenancy: Tenancy

beforeAll(async () => {
  proxy = await startWireProxy({ target: world.appUrl })
  tenancy = world.tenancy({ pool: world.pool({ connectionString: proxy.url, max: 1 }) })
  await tenancy.query('acme', 'select 1')
})
afterAll(() => proxy?.close())

const INSERT = 'insert into notes (body) values ($1)'
const queue = (db: TenantDb, body: string) => db.queue(INSERT, [body])
const bodies = async (): Promise<unknown[]> =>
  (await tenancy.query('acme', 'select body from notes order by id')).rows.map(({ body }) => body)
const emptied = () => tenancy.query('acme', 'delete from notes')

describe('queue', () => {
  it('goes out in front of the next statement, in order, at no trip of its own', async () => {
    await emptied()
    proxy.reset()
    const seen = await tenancy.withTenant('acme', async (db) => {
      await queue(db, 'first')
      await queue(db, 'second')
      return (await db.query('select body from notes order by id')).rows
    })
    expect(proxy.roundTrips()).toBe(2)
    expect(seen).toEqual([{ body: 'first' }, { body: 'second' }])
  })

  it('goes out with COMMIT when nothing else does, and opens the scope', async () => {
    await emptied()
    proxy.reset()
    await tenancy.withTenant('acme', (db) => queue(db, 'alone'))
    expect(proxy.roundTrips()).toBe(1)
    expect(await bodies()).toEqual(['alone'])
    expect(await codeOf(tenancy.withTenant('nobody', (db) => queue(db, 'x')))).toBe('SCHEMA_MISSING')
  })

  it('is refused as a whole with what it went out with', async () => {
    await emptied()
    const broken = tenancy.withTenant('acme', async (db) => {
      await db.query(INSERT, ['kept?'])
      await db.queue({ name: 'twice', text: INSERT, values: ['kept?'] })
      await db.query('select 1').catch(() => {})
      await db.savepoint((sp) => sp.query('select 2')).catch(() => {})
    })
    expect(await codeOf(broken)).toBe('DUPLICATE_RESOURCE')
    const atCommit = tenancy.withTenant('acme', async (db) => {
      await db.query(INSERT, ['x'])
      await queue(db, 'x')
    })
    expect(await codeOf(atCommit)).toBe('DUPLICATE_RESOURCE')
    const inside = tenancy.withTenant('acme', async (db) => {
      await db.query(INSERT, ['y'])
      await queue(db, 'y')
      await db.savepoint((sp) => sp.query('select 1')).catch(() => {})
    })
    expect(await codeOf(inside)).toBe('DUPLICATE_RESOURCE')
    expect(await bodies()).toEqual([])
  })

  it.each([0, 1])('goes when its savepoint is undone (%d statements sent before)', async (statements) => {
    await emptied()
    await tenancy.withTenant('acme', async (db) => {
      await queue(db, 'outer')
      const undone = db.savepoint(async (sp) => {
        await queue(sp, 'gone')
        for (let i = 0; i < statements; i++) await sp.query('select 1')
        await queue(sp, 'gone too')
        await sp.savepoint((deeper) => queue(deeper, 'gone as well'))
        throw new Error('undo')
      })
      await undone.catch(() => {})
      await db.savepoint((sp) => queue(sp, 'kept'))
    })
    expect(await bodies()).toEqual(['outer', 'kept'])
  })

  it('takes only statements that cannot end the transaction, and only while the scope lives', async () => {
    for (const sql of ['commit', 'set role none', 'lock table notes', 'do $$ begin end $$', 'call p()', '']) {
      expect(await codeOf(tenancy.withTenant('acme', (db) => db.queue(sql)))).toBe('STATEMENT_REFUSED')
    }
    const kept: TenantDb[] = []
    await tenancy.withTenant('acme', async (db) => {
      kept.push(db)
    })
    expect(await codeOf((kept[0] as TenantDb).queue('select 1'))).toBe('SCOPE_ENDED')
  })
})
