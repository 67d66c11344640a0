import { count, desc, eq, sql } from 'drizzle-orm'
import { beforeEach, describe, expect, it } from 'vitest'
import { drizzle } from '../../src/drizzle/index.ts'
import { codeOf, POOLED } from '../support/world.ts'
import { useOrmWorld } from './orm-world.ts'
import { posts, schema, users } from './schema.ts'

const { inTenant, tenancy, world } = useOrmWorld()

beforeEach(async () => {
  for (const key of ['acme', 'globex']) {
    await inTenant(key, async (orm) => {
      await orm.delete(posts)
      await orm.delete(users)
      await orm.insert(users).values([
        { id: 1, name: `${key} one` },
        { id: 2, name: `${key} two` },
      ])
      await orm.insert(posts).values({ authorId: 1, title: `by ${key}` })
    })
  }
})

describe('queries', () => {
  it('inserts, selects, updates and deletes', async () => {
    await inTenant('acme', async (orm) => {
      const [made] = await orm.insert(users).values({ id: 3, name: 'three' }).returning()
      expect(made).toEqual({ id: 3, name: 'three' })
      const changed = await orm.update(users).set({ name: 'tres' }).where(eq(users.id, 3))
      expect(changed.rowCount).toBe(1)
      expect(await orm.select({ name: users.name }).from(users).where(eq(users.id, 3))).toEqual([
        { name: 'tres' },
      ])
      expect(await orm.delete(users).where(eq(users.id, 3)).returning({ id: users.id })).toEqual([{ id: 3 }])
    })
  })

  it('joins, where a missing side is null', async () => {
    const rows = await inTenant('acme', (orm) =>
      orm.select().from(users).leftJoin(posts, eq(posts.authorId, users.id)).orderBy(users.id),
    )
    expect(rows).toEqual([
      { users: { id: 1, name: 'acme one' }, posts: expect.objectContaining({ title: 'by acme' }) },
      { users: { id: 2, name: 'acme two' }, posts: null },
    ])
  })

  it('runs relational queries both ways', async () => {
    await inTenant('acme', async (orm) => {
      const found = await orm.query.users.findMany({
        with: { posts: { columns: { title: true } } },
        orderBy: desc(users.id),
      })
      expect(found).toEqual([
        { id: 2, name: 'acme two', posts: [] },
        { id: 1, name: 'acme one', posts: [{ title: 'by acme' }] },
      ])
      const post = await orm.query.posts.findFirst({ with: { author: true } })
      expect(post?.author).toEqual({ id: 1, name: 'acme one' })
    })
  })

  it('counts, alone and inside another query', async () => {
    await inTenant('acme', async (orm) => {
      expect(await orm.$count(users)).toBe(2)
      expect(await orm.$count(users, eq(users.id, 1))).toBe(1)
      const rows = await orm
        .select({ id: users.id, posts: orm.$count(posts, eq(posts.authorId, users.id)) })
        .from(users)
        .orderBy(users.id)
      expect(rows).toEqual([
        { id: 1, posts: 1 },
        { id: 2, posts: 0 },
      ])
      expect(await orm.select({ n: count() }).from(users)).toEqual([{ n: 2 }])
    })
  })

  it('executes SQL, as text and as template', async () => {
    await inTenant('acme', async (orm) => {
      const { rows } = await orm.execute<{ name: string }>(sql`select name from users where id = ${2}`)
      expect(rows).toEqual([{ name: 'acme two' }])
      const result = await orm.execute('select 1 as one')
      expect(result).toMatchObject({ rows: [{ one: 1 }], rowCount: 1, command: 'SELECT' })
    })
  })

  it('runs what was started together', async () => {
    const names = await inTenant('acme', (orm) =>
      Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          orm.query.users.findFirst({ where: eq(users.id, (index % 2) + 1) }).then((user) => user?.name),
        ),
      ),
    )
    expect(names).toEqual(Array.from({ length: 20 }, (_, index) => `acme ${index % 2 ? 'two' : 'one'}`))
  })

  it('names columns as casing says', async () => {
    const { pgTable, integer } = await import('drizzle-orm/pg-core')
    const cased = pgTable('posts', { authorId: integer() })
    const key = 'acme'
    const rows = await tenancy().withTenant(key, (db) =>
      drizzle(db, { casing: 'snake_case' }).select().from(cased),
    )
    expect(rows).toEqual([{ authorId: 1 }])
  })
})

describe('two tenants with the same ids', () => {
  it('each see and change only their own rows', async () => {
    await Promise.all(
      ['acme', 'globex'].map((key) =>
        inTenant(key, async (orm) => {
          await orm
            .update(users)
            .set({ name: `${key} changed` })
            .where(eq(users.id, 1))
          await orm.delete(users).where(eq(users.id, 2))
          const found = await orm.query.users.findMany({ with: { posts: true } })
          expect(found).toEqual([
            { id: 1, name: `${key} changed`, posts: [expect.objectContaining({ title: `by ${key}` })] },
          ])
        }),
      ),
    )
    const { rows } = await world.root.query(
      'select a.name as acme, g.name as globex from c_acme.users a, c_globex.users g',
    )
    expect(rows).toEqual([{ acme: 'acme changed', globex: 'globex changed' }])
  })
})

describe('prepared statements', () => {
  it('of one name serve two tenants on one direct connection', async () => {
    const one = tenancy({ pool: world.pool({ max: 1 }) })
    const byId = (key: string) =>
      one.withTenant(key, async (db) => {
        const orm = drizzle(db, { schema })
        // The first statement on a connection finds out that it is direct.
        await db.query('select 1')
        const prepared = orm
          .select({ name: users.name })
          .from(users)
          .where(eq(users.id, sql.placeholder('id')))
          .prepare('by_id')
        const names = [await prepared.execute({ id: 1 }), await prepared.execute({ id: 2 })].flat()
        const { rows } = await db.query(`select name from pg_prepared_statements where name like 'by_id%'`)
        return { names: names.map(({ name }) => name), kept: rows.map(({ name }) => name).sort() }
      })
    const [acme, globex, again] = [await byId('acme'), await byId('globex'), await byId('acme')]
    expect(acme).toEqual({ names: ['acme one', 'acme two'], kept: POOLED ? [] : ['by_id@c_acme'] })
    // Neither the statement nor its text is there for the next tenant (hazard z).
    expect(globex.names).toEqual(['globex one', 'globex two'])
    expect(globex.kept).toEqual(POOLED ? [] : ['by_id@c_globex'])
    expect(again.names).toEqual(['acme one', 'acme two'])
  })

  it('run relational queries, and are dead after their scope', async () => {
    const prepared = await inTenant('acme', async (orm) => {
      const query = orm.query.users.findMany({ with: { posts: true } }).prepare('users_with_posts')
      expect(await query.execute()).toHaveLength(2)
      return query
    })
    expect(await codeOf(prepared.execute())).toBe('SCOPE_ENDED')
    await inTenant('globex', async () => expect(await codeOf(prepared.execute())).toBe('SCOPE_ENDED'))
  })

  it('need a value for each placeholder', async () => {
    const work = inTenant('acme', (orm) =>
      orm
        .select()
        .from(users)
        .where(eq(users.id, sql.placeholder('id')))
        .prepare('one')
        .execute(),
    )
    await expect(work).rejects.toThrow('No value for placeholder "id"')
  })
})
