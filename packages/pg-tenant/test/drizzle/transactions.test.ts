import { eq, sql, TransactionRollbackError } from 'drizzle-orm'
import { NodePgDatabase, NodePgTransaction, drizzle as plainDrizzle } from 'drizzle-orm/node-postgres'
import { beforeEach, describe, expect, it } from 'vitest'
import { codeOf } from '../support/world.ts'
import { obviousWithTenant, useOrmWorld } from './orm-world.ts'
import { users } from './schema.ts'

const { inTenant, world } = useOrmWorld()

beforeEach(() => world.root.query('truncate c_acme.users cascade'))

const committed = async (): Promise<number[]> => {
  const { rows } = await world.root.query<{ id: number }>('select id from c_acme.users order by id')
  return rows.map((row) => row.id)
}
const user = (id: number) => ({ id, name: `user ${id}` })

describe('hazard t: transaction() inside a scope', () => {
  it('is a savepoint: what it "committed" goes when the scope fails', async () => {
    const mine = new Error('mine')
    const work = inTenant('acme', async (orm) => {
      await orm.transaction((tx) => tx.insert(users).values(user(1)))
      throw mine
    })
    await expect(work).rejects.toBe(mine)
    expect(await committed()).toEqual([])
  })

  it('stays in the one transaction of the scope, with its tenant', async () => {
    const xid = sql`select pg_current_xact_id()::text as id, current_schema() as schema`
    const seen = await inTenant('acme', async (orm) => {
      const before = await orm.execute(xid)
      const inside = await orm.transaction((tx) => tx.transaction((deeper) => deeper.execute(xid)))
      return [before.rows, inside.rows, (await orm.execute(xid)).rows]
    })
    expect(seen[0]).toEqual([{ id: expect.any(String), schema: 'c_acme' }])
    expect(new Set(seen.map((rows) => JSON.stringify(rows))).size).toBe(1)
  })

  it("control: over the obvious helper it ends the helper's transaction", async () => {
    const mine = new Error('mine')
    let pathAfter: unknown
    const work = obviousWithTenant(world.root, 'acme', async (client) => {
      const orm = plainDrizzle(client)
      await orm.transaction((tx) => tx.insert(users).values(user(1)))
      pathAfter = (await client.query('select current_schema() as schema')).rows[0].schema
      throw mine
    })
    await expect(work).rejects.toBe(mine)
    expect(pathAfter).toBe('public')
    expect(await committed()).toEqual([1])
  })
})

describe('nested transactions', () => {
  it('undo only the inner one that threw', async () => {
    await inTenant('acme', async (orm) => {
      await orm.transaction(async (tx) => {
        await tx.insert(users).values(user(1))
        const inner = tx.transaction(async (deeper) => {
          await deeper.insert(users).values(user(2))
          throw new Error('inner')
        })
        await expect(inner).rejects.toThrow('inner')
        await tx.transaction((deeper) => deeper.insert(users).values(user(3)))
      })
    })
    expect(await committed()).toEqual([1, 3])
  })

  it('go on after a refused statement in the inner one', async () => {
    await inTenant('acme', async (orm) => {
      await orm.insert(users).values(user(1))
      const inner = orm.transaction((tx) => tx.insert(users).values(user(1)))
      expect(await codeOf(inner)).toBe('DUPLICATE_RESOURCE')
      await orm.insert(users).values(user(2))
    })
    expect(await committed()).toEqual([1, 2])
  })

  it('go as deep as you like', async () => {
    await inTenant('acme', async (orm) => {
      const descend = async (db: NodePgDatabase<typeof orm._.fullSchema>, depth: number): Promise<void> => {
        await db.insert(users).values(user(depth))
        if (depth === 40) throw new Error('bottom')
        await db
          .transaction((tx) => descend(tx, depth + 1))
          .catch((error: unknown) => {
            if (depth > 20) throw error
          })
      }
      await descend(orm, 1)
    })
    expect(await committed()).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
  })

  it('roll back by tx.rollback(), at each depth', async () => {
    await inTenant('acme', async (orm) => {
      await orm.insert(users).values(user(1))
      const outer = orm.transaction(async (tx) => {
        await tx.insert(users).values(user(2))
        tx.rollback()
      })
      await expect(outer).rejects.toBeInstanceOf(TransactionRollbackError)
      await orm.transaction(async (tx) => {
        await tx.insert(users).values(user(3))
        const inner = tx.transaction(async (deeper) => {
          await deeper.insert(users).values(user(4))
          deeper.rollback()
        })
        await expect(inner).rejects.toBeInstanceOf(TransactionRollbackError)
      })
    })
    expect(await committed()).toEqual([1, 3])
  })

  it("return the callback's value, run relational queries and are what Drizzle says they are", async () => {
    const found = await inTenant('acme', (orm) =>
      orm.transaction(async (tx) => {
        expect(orm).toBeInstanceOf(NodePgDatabase)
        expect(tx).toBeInstanceOf(NodePgTransaction)
        await tx.insert(users).values(user(1))
        return await tx.query.users.findFirst({ with: { posts: true } })
      }),
    )
    expect(found).toEqual({ ...user(1), posts: [] })
  })

  it('take turns when started together', async () => {
    await inTenant('acme', async (orm) => {
      const results = await Promise.allSettled(
        [1, 2, 3, 4].map((id) =>
          orm.transaction(async (tx) => {
            await tx.insert(users).values(user(id))
            await tx.update(users).set({ name: 'seen' }).where(eq(users.id, id))
            if (id % 2 === 0) tx.rollback()
          }),
        ),
      )
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected'])
    })
    expect(await committed()).toEqual([1, 3])
  })
})

describe('misuse of transactions', () => {
  it.each([{ isolationLevel: 'serializable' }, { accessMode: 'read only' }, { deferrable: true }] as const)(
    'refuses the mode %o, outside and inside',
    async (mode) => {
      await inTenant('acme', async (orm) => {
        expect(await codeOf(orm.transaction(async () => 1, mode))).toBe('INVALID_OPTION')
        await orm.transaction(async (tx) => {
          // The type of tx has no second parameter; that of the database, which tx is too, has one.
          const database: NodePgDatabase<typeof orm._.fullSchema> = tx
          expect(await codeOf(database.transaction(async () => 1, mode))).toBe('INVALID_OPTION')
          expect(await codeOf(tx.setTransaction(mode))).toBe('INVALID_OPTION')
        })
        await orm.insert(users).values(user(1))
      })
      expect(await committed()).toEqual([1])
    },
  )

  it('refuses the outer database inside, and the inner one after', async () => {
    await inTenant('acme', async (orm) => {
      const prepared = orm.select().from(users).prepare('outer')
      const leaked = await orm.transaction(async (tx) => {
        expect(await codeOf(orm.select().from(users).execute())).toBe('SCOPE_BUSY')
        expect(await codeOf(orm.transaction(async () => 1))).toBe('SCOPE_BUSY')
        expect(await codeOf(prepared.execute())).toBe('SCOPE_BUSY')
        await tx.insert(users).values(user(1))
        return tx
      })
      expect(await codeOf(leaked.select().from(users).execute())).toBe('SCOPE_ENDED')
    })
    expect(await committed()).toEqual([1])
  })

  it('fails the inner one that leaves a query running or hides a failure', async () => {
    await inTenant('acme', async (orm) => {
      await orm.execute('select 1')
      const hiding = orm.transaction(async (tx) => {
        await tx.insert(users).values(user(2))
        await tx.execute(sql`select 1/0`).catch(() => {})
      })
      expect(await codeOf(hiding)).toBe('SILENT_ROLLBACK')
      const forgetful = orm.transaction(async (tx) => {
        tx.insert(users)
          .values(user(1))
          .catch(() => {})
      })
      expect(await codeOf(forgetful)).toBe('QUERY_NOT_AWAITED')
    })
    expect(await committed()).toEqual([])
  })

  it.each(['begin', 'commit', 'rollback', 'savepoint s', 'set search_path to c_globex'])(
    'refuses %s as SQL',
    async (text) => {
      await inTenant('acme', async (orm) => {
        expect(await codeOf(orm.execute(text).execute())).toBe('STATEMENT_REFUSED')
        expect(await codeOf(orm.execute(sql.raw(text)).execute())).toBe('STATEMENT_REFUSED')
      })
    },
  )
})
