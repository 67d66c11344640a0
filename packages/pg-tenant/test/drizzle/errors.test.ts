import { inspect } from 'node:util'
import { TenancyError } from '@org/core'
import { eq, sql } from 'drizzle-orm'
import { drizzle as plainDrizzle } from 'drizzle-orm/node-postgres'
import { describe, expect, it, vi } from 'vitest'
import { drizzle, type TenantDatabase } from '../../src/drizzle/index.ts'
import { obviousWithTenant, useOrmWorld } from './orm-world.ts'
import { posts, type Schema, schema, users } from './schema.ts'

const { inTenant, tenancy, world } = useOrmWorld()
const SECRET = 'correct horse battery staple'

const thrownBy = async (run: () => Promise<unknown>): Promise<unknown> => {
  try {
    await run()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

/** Everything a logger could find in an error. */
const everythingIn = (error: unknown): string =>
  [
    inspect(error, { depth: 10, showHidden: true }),
    JSON.stringify(error),
    String(error),
    (error as Error).stack,
    ...Object.getOwnPropertyNames(error).map((name) => inspect(Reflect.get(error as object, name))),
  ].join('\n')

const FAILURES: Record<string, (orm: TenantDatabase<Schema>) => Promise<unknown>> = {
  'a violated constraint': (orm) =>
    orm.insert(posts).values([
      { authorId: 1, title: SECRET },
      { authorId: 1, title: SECRET },
    ]),
  'a value that does not fit': (orm) => orm.execute(sql`select ${SECRET}::text::int`),
  'a value of the wrong type': (orm) => orm.execute(sql`select * from users where id = ${SECRET}`),
  'a table that is not there': (orm) => orm.execute(sql`select ${SECRET} from nowhere`),
  'an error raised with the value': (orm) =>
    orm.execute(sql`select set_config('x.y', ${SECRET}, true)::text::uuid`),
  'a relational query': (orm) =>
    orm.query.users.findMany({
      where: sql`1 / (${users.id} - ${users.id}) = 1 or ${users.name} = ${SECRET}`,
    }),
  'a prepared statement': (orm) =>
    orm
      .select()
      .from(users)
      .where(sql`${users.name}::uuid = ${sql.placeholder('secret')}`)
      .prepare('failing')
      .execute({ secret: SECRET }),
  'a count': async (orm) => await orm.$count(users, sql`${SECRET}::text::int = 1`),
  'a transaction': (orm) => orm.transaction((tx) => tx.execute(sql`select ${SECRET}::text::int`)),
  'a refused statement': (orm) => orm.execute(sql`set local x.y = ${SECRET}`),
  'all() of the session': (orm) => orm._.session.all(sql`select ${SECRET}::text::int`),
}

describe('errors', () => {
  it.each(Object.entries(FAILURES))('hold no parameter: %s', async (_, fail) => {
    let inside: unknown
    const outside = await thrownBy(() =>
      inTenant('acme', async (orm) => {
        await orm.insert(users).values({ id: 1, name: 'one' })
        inside = await thrownBy(() => fail(orm))
        throw inside
      }),
    )
    expect(inside).toBeInstanceOf(TenancyError)
    expect(outside).toBe(inside)
    expect(everythingIn(inside)).not.toContain(SECRET)
  })

  it('hold none when the failure was hidden or came before', async () => {
    const hidden = await thrownBy(() =>
      inTenant('acme', (orm) => orm.execute(sql`select ${SECRET}::text::int`).catch(() => {})),
    )
    expect(hidden).toMatchObject({ code: 'SILENT_ROLLBACK' })
    const after = await thrownBy(() =>
      inTenant('acme', async (orm) => {
        await orm.execute(sql`select ${SECRET}::text::int`).catch(() => {})
        await orm.select().from(users).where(eq(users.name, SECRET))
      }),
    )
    expect(after).toMatchObject({ code: 'SCOPE_FAILED' })
    for (const error of [hidden, after]) expect(everythingIn(error)).not.toContain(SECRET)
  })

  it("control: plain Drizzle's error holds the parameter", async () => {
    const error = await thrownBy(() =>
      obviousWithTenant(world.root, 'acme', (client) =>
        plainDrizzle(client).execute(sql`select ${SECRET}::text::int`),
      ),
    )
    expect(everythingIn(error)).toContain(SECRET)
  })

  it('keep what the handle says: code, names, and no Drizzle around it', async () => {
    const error = await thrownBy(() =>
      inTenant('acme', async (orm) => {
        await orm.insert(users).values({ id: 1, name: 'one' })
        await orm.insert(users).values({ id: 1, name: 'one' })
      }),
    )
    expect(error).toMatchObject({
      name: 'TenancyError',
      code: 'DUPLICATE_RESOURCE',
      details: { sqlState: '23505', table: 'users', constraint: 'users_pkey' },
    })
    expect(error).not.toHaveProperty('params')
  })
})

describe('logging', () => {
  const run = (logger: boolean | { logQuery(query: string, params: unknown[]): void } | undefined) =>
    tenancy().withTenant('acme', (db) =>
      drizzle(db, { schema, logger }).select().from(users).where(eq(users.name, SECRET)),
    )

  it('is silent unless a logger is passed, and then complete', async () => {
    const console_ = vi.spyOn(console, 'log').mockImplementation(() => {})
    await run(undefined)
    await run(false)
    expect(console_).not.toHaveBeenCalled()
    const logQuery = vi.fn()
    await run({ logQuery })
    expect(logQuery).toHaveBeenCalledWith(expect.stringContaining('from "users"'), [SECRET])
    await run(true)
    expect(console_).toHaveBeenCalledOnce()
    console_.mockRestore()
  })

  it('reaches into transactions', async () => {
    const logQuery = vi.fn()
    await tenancy().withTenant('acme', (db) =>
      drizzle(db, { logger: { logQuery } }).transaction((tx) => tx.execute('select 1')),
    )
    expect(logQuery.mock.calls).toEqual([['select 1', []]])
  })
})
