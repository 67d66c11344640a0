import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { drizzle } from '../../src/drizzle/index.ts'
import { codeOf } from '../support/world.ts'
import { useOrmWorld } from './orm-world.ts'
import { schema, users } from './schema.ts'

const { inTenant, tenancy } = useOrmWorld()

/** Every object that can be reached from `start` by properties, private ones of JavaScript aside. */
function reachable(start: object): Set<object> {
  const seen = new Set<object>()
  const open: object[] = [start]
  for (let at = open.pop(); at; at = open.pop()) {
    if (seen.has(at)) continue
    seen.add(at)
    for (const descriptor of Object.values(Object.getOwnPropertyDescriptors(at))) {
      const value: unknown = descriptor.value
      if ((typeof value === 'object' || typeof value === 'function') && value !== null) open.push(value)
    }
  }
  return seen
}

const isConnection = (value: object): boolean =>
  value instanceof pg.Pool || value instanceof pg.Client || 'processID' in value || 'release' in value

describe('the Drizzle database', () => {
  it('leads to the handle and to no connection', async () => {
    await inTenant('acme', async (orm, db) => {
      await orm.execute('select 1')
      expect(orm.$client).toBe(db)
      expect([...reachable(orm)].filter(isConnection)).toEqual([])
      expect(reachable(orm)).toContain(db)
      await orm.transaction(async (tx) => {
        expect([...reachable(tx)].filter(isConnection)).toEqual([])
      })
    })
  })

  it('is dead when its scope is over, also for another tenant', async () => {
    const leaked = await inTenant('acme', async (orm) => orm)
    expect(await codeOf(leaked.select().from(users).execute())).toBe('SCOPE_ENDED')
    await inTenant('globex', async () => {
      expect(await codeOf(leaked.query.users.findMany().execute())).toBe('SCOPE_ENDED')
      expect(await codeOf(leaked.transaction(async () => 1))).toBe('SCOPE_ENDED')
    })
  })

  it('fails the scope that leaves one of its queries running', async () => {
    const work = inTenant('acme', async (orm) => {
      orm
        .insert(users)
        .values({ id: 99, name: 'late' })
        .catch(() => {})
    })
    expect(await codeOf(work)).toBe('QUERY_NOT_AWAITED')
    expect(await inTenant('acme', (orm) => orm.$count(users))).toBe(0)
  })

  it('works on the handle of a savepoint', async () => {
    await inTenant('acme', async (_, db) => {
      const undone = db.savepoint(async (inner) => {
        await drizzle(inner).insert(users).values({ id: 7, name: 'seven' })
        throw new Error('undo')
      })
      await expect(undone).rejects.toThrow('undo')
      expect(await drizzle(db).$count(users)).toBe(0)
    })
  })
})

describe('misuse', () => {
  const refused = (option: string) => expect.objectContaining({ code: 'INVALID_OPTION', details: { option } })

  it.each([undefined, null, {}, 'postgres://', new pg.Pool({ max: 1 }), new pg.Client()])(
    'refuses %s for a handle',
    (wrong) => {
      expect(() => Reflect.apply(drizzle, undefined, [wrong])).toThrow(refused('db'))
    },
  )

  it.each([
    ['config', null],
    ['config', 'schema'],
    ['schema', { schema: 1 }],
    ['casing', { casing: 'kebab' }],
    ['logger', { logger: {} }],
    ['client', { client: {} }],
    ['connection', { connection: 'postgres://' }],
  ])('refuses a wrong %s: %o', async (option, config) => {
    await tenancy().withTenant('acme', async (db) => {
      expect(() => Reflect.apply(drizzle, undefined, [db, config])).toThrow(refused(option))
    })
  })

  it('takes undefined for what is left out', async () => {
    await tenancy().withTenant('acme', async (db) => {
      const orm = drizzle(db, { schema, logger: undefined, casing: undefined })
      expect(await orm.query.users.findMany()).toEqual([])
    })
  })
})
