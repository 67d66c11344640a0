import { type Equal, expectType, type IsAny } from '@org/pg-testing/expect-type'
import { eq, sql } from 'drizzle-orm'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type pg from 'pg'
import { drizzle, type TenantDatabase } from '../../src/drizzle/index.ts'
import type { TenantDb } from '../../src/index.ts'
import { posts, type Schema, schema, users } from '../drizzle/schema.ts'

declare const db: TenantDb

interface User {
  id: number
  name: string
}

export async function results(): Promise<void> {
  const orm = drizzle(db, { schema })
  expectType<Equal<typeof orm, TenantDatabase<Schema>>>(true)
  expectType<Equal<IsAny<typeof orm.query.users>, false>>(true)

  const selected = await orm.select().from(users)
  expectType<Equal<typeof selected, User[]>>(true)
  const found = await orm.query.users.findFirst({ with: { posts: { columns: { title: true } } } })
  expectType<Equal<typeof found, { id: number; name: string; posts: { title: string }[] } | undefined>>(true)
  expectType<Equal<NonNullable<typeof found>['posts'], { title: string }[]>>(true)
  const counted = await orm.$count(users)
  expectType<Equal<typeof counted, number>>(true)
  const [made] = await orm.insert(users).values({ id: 1, name: 'one' }).returning({ id: users.id })
  expectType<Equal<typeof made, { id: number } | undefined>>(true)
  const { rows } = await orm.execute<{ n: number }>(sql`select 1 as n`)
  expectType<Equal<typeof rows, { n: number }[]>>(true)
  const prepared = await orm.select().from(posts).prepare('posts').execute()
  expectType<Equal<(typeof prepared)[number]['title'], string>>(true)

  const inner = await orm.transaction(async (tx) => {
    const nested = await tx.transaction((deeper) => deeper.query.posts.findMany({ with: { author: true } }))
    expectType<Equal<(typeof nested)[number]['author'], User>>(true)
    return await tx.select({ name: users.name }).from(users)
  })
  expectType<Equal<typeof inner, { name: string }[]>>(true)
}

export async function fits(): Promise<void> {
  const orm = drizzle(db, { schema })
  const asDrizzle: NodePgDatabase<Schema> = orm
  expectType<Equal<typeof orm.$client, TenantDb>>(true)
  // @ts-expect-error what it runs on is the handle, not a connection
  const client: pg.Pool | pg.Client | pg.PoolClient = orm.$client
  // @ts-expect-error it cannot be exchanged
  orm.$client = db
  void [asDrizzle, client]
}

export async function misuse(pool: pg.Pool, client: pg.PoolClient): Promise<void> {
  const orm = drizzle(db, { schema })
  // @ts-expect-error a pool is not a tenant's handle
  drizzle(pool)
  // @ts-expect-error nor is a client
  drizzle(client, { schema })
  // @ts-expect-error a handle is needed
  drizzle({ schema })
  // @ts-expect-error there is no cache
  drizzle(db, { schema, cache: {} })
  // @ts-expect-error a casing there is not
  drizzle(db, { casing: 'kebab-case' })
  // @ts-expect-error a table there is not
  orm.query.nothing
  // @ts-expect-error a relation there is not
  await orm.query.users.findMany({ with: { comments: true } })
  // @ts-expect-error a column is missing
  await orm.insert(users).values({ id: 1 })
  // @ts-expect-error a value of another type
  await orm.select().from(users).where(eq(users.id, 'one'))
  // @ts-expect-error without a schema there are no relational queries
  drizzle(db).query.users.findMany()
}
