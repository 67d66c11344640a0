import { Cache, type MutationOption } from 'drizzle-orm/cache/core'
import { drizzle as plainDrizzle } from 'drizzle-orm/node-postgres'
import { beforeAll, describe, expect, it } from 'vitest'
import { drizzle } from '../../src/drizzle/index.ts'
import { codeOf } from '../support/world.ts'
import { obviousWithTenant, useOrmWorld } from './orm-world.ts'
import { schema, users } from './schema.ts'

const { inTenant, tenancy, world } = useOrmWorld()

beforeAll(async () => {
  for (const key of ['acme', 'globex']) {
    await inTenant(key, (orm) => orm.insert(users).values({ id: 1, name: key }))
  }
})

/** Drizzle's cache as its documentation has one written, in memory. */
class MemoryCache extends Cache {
  readonly kept = new Map<string, unknown[]>()
  override strategy(): 'all' {
    return 'all'
  }
  override async get(key: string): Promise<unknown[] | undefined> {
    return this.kept.get(key)
  }
  override async put(key: string, response: unknown): Promise<void> {
    this.kept.set(key, response as unknown[])
  }
  override async onMutate(_: MutationOption): Promise<void> {
    this.kept.clear()
  }
}

describe('hazard u: the query cache', () => {
  it("control: plain Drizzle gives one search path another's rows", async () => {
    const cache = new MemoryCache()
    const names = (key: string) =>
      obviousWithTenant(world.root, key, async (client) =>
        (await plainDrizzle(client, { cache }).select().from(users)).map(({ name }) => name),
      )
    expect(await names('acme')).toEqual(['acme'])
    expect(await names('globex')).toEqual(['acme'])
  })

  it('is refused in the options', async () => {
    const cache = new MemoryCache()
    const work = tenancy().withTenant('acme', async (db) => {
      // @ts-expect-error the options have no cache
      return await drizzle(db, { schema, cache }).select().from(users)
    })
    expect(await codeOf(work)).toBe('INVALID_OPTION')
    expect(cache.kept.size).toBe(0)
  })

  it('is refused on a query, for every tenant alike, and the scope goes on', async () => {
    for (const key of ['acme', 'globex']) {
      await inTenant(key, async (orm) => {
        const cached = () => orm.select().from(users).$withCache()
        await expect(cached()).rejects.toMatchObject({ code: 'INVALID_OPTION', details: { option: 'cache' } })
        await expect(orm.select().from(users).$withCache({ tag: 'users' })).rejects.toThrow('cache')
        expect(() => cached().prepare('cached')).toThrow('cache')
        await orm.transaction((tx) =>
          expect(tx.select().from(users).$withCache()).rejects.toMatchObject({ code: 'INVALID_OPTION' }),
        )
        expect(await orm.select().from(users).$withCache(false)).toEqual([{ id: 1, name: key }])
      })
    }
  })

  it('cannot be slipped in afterwards', async () => {
    const cache = new MemoryCache()
    for (const key of ['acme', 'globex']) {
      await inTenant(key, async (orm) => {
        Object.assign(orm, { $cache: cache })
        expect(await orm.select().from(users)).toEqual([{ id: 1, name: key }])
      })
    }
    expect(cache.kept.size).toBe(0)
  })
})
