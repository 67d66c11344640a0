import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drizzle } from '../../src/drizzle/index.ts'
import type { TenantDb } from '../../src/index.ts'
import { useWorld } from '../support/world.ts'

// Hazard d, told once: what a callback forgets takes effect with its scope or not at all, and no promise of it, nor of a
// helper that awaits it, rejects where nobody listens. (Node's default for such a rejection is to end the process.)

const world = useWorld(['acme'])
const unhandled: unknown[] = []
const onUnhandled = (reason: unknown) => void unhandled.push(reason)
beforeAll(() => void process.on('unhandledRejection', onUnhandled))
afterAll(() => void process.off('unhandledRejection', onUnhandled))

const insert = `insert into notes (body) values ('forgotten')`
const bad = 'select * from nowhere'
const add = (db: TenantDb) => db.query(insert)

/** Long enough for a rejection that nobody handles to be noticed: Node looks after each turn of the event loop. */
async function turns(count = 50): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Helpers, as people write them; the callback does not wait for any of them. */
const HELPERS: Readonly<Record<string, (db: TenantDb) => unknown>> = {
  'a query': (db) => add(db),
  'a helper': async (db) => {
    await add(db)
  },
  'a helper of several': async (db) => {
    for (let time = 0; time < 5; time++) await db.query('select 1')
    await add(db)
  },
  'a helper of a helper that goes on in a later turn': async (db) => {
    const inner = async () => {
      await db.query('select 1')
      await turns(3)
      await add(db)
    }
    await inner()
  },
  'a chain': (db) => db.query('select 1').then(() => add(db)),
  'a statement that fails': async (db) => {
    await db.query('select 1')
    await db.query(bad)
  },
  'a savepoint': async (db) => {
    await db.savepoint(add)
  },
  'a savepoint that fails': async (db) => {
    await db.savepoint((inner) => inner.query(bad))
  },
  'a savepoint that forgets': async (db) => {
    await db.savepoint(async (inner) => {
      void (async () => {
        await inner.query('select 1')
        await add(inner)
      })()
    })
  },
  'savepoints in savepoints': async (db) => {
    await db.savepoint((one) => one.savepoint((two) => two.savepoint(add)))
  },
  'a nested scope': async (db) => {
    await db.withTenant('acme', add)
  },
  'a stream': async (db) => {
    for await (const _ of db.stream('select generate_series(1, 30) as n', [], { batchSize: 10 }))
      await add2(db)
  },
  'a stream that fails': async (db) => {
    for await (const _ of db.stream('select 1 / (20 - n) from generate_series(1, 30) n', [], {
      batchSize: 10,
    }));
  },
  'a COPY in': async (db) => {
    await pipeline(Readable.from(['forgotten copy\n']), await db.copyFrom('copy notes (body) from stdin'))
  },
  'a COPY in that fails': async (db) => {
    await pipeline(Readable.from(['x\ty\tz\n']), await db.copyFrom('copy notes (body) from stdin'))
  },
  'a COPY out': async (db) => {
    for await (const _ of await db.copyTo('copy notes to stdout'));
  },
  'a Drizzle query': (db) => drizzle(db).execute(sql.raw(insert)).then(),
  'a Drizzle transaction': (db) =>
    drizzle(db).transaction(async (tx) => void (await tx.execute(sql.raw(insert)))),
  'a Drizzle transaction in another': (db) =>
    drizzle(db).transaction((tx) => tx.transaction(async (two) => void (await two.execute(sql.raw(bad))))),
}
const add2 = (db: TenantDb) => db.query('select 1')

describe('what a callback forgets', () => {
  it.each(Object.keys(HELPERS))('%s: told once, to whoever waits for the scope', async (name) => {
    const tenancy = world.tenancy()
    for (const end of ['returns', 'throws']) {
      unhandled.length = 0
      const mine = new Error('mine')
      const scope = tenancy.withTenant('acme', async (db) => {
        void HELPERS[name]?.(db)
        // A COPY begins when its statement has been answered.
        if (end === 'throws') throw mine
      })
      const error = await scope.catch((reason: unknown) => reason)
      if (end === 'throws') expect(error).toBe(mine)
      else expect(error).toMatchObject({ code: 'QUERY_NOT_AWAITED' })
      await turns()
      expect(unhandled).toEqual([])
      const { rows } = await tenancy.query('acme', `select body from notes where body like 'forgotten%'`)
      expect(rows).toEqual([])
    }
  })

  it.each(['query', 'savepoint', 'drizzle'])(
    'a %s that fails while the callback still runs fails the scope, and nothing else',
    async (kind) => {
      unhandled.length = 0
      const scope = world.tenancy().withTenant('acme', async (db) => {
        if (kind === 'query') void db.query(bad)
        if (kind === 'savepoint') void db.savepoint((inner) => inner.query(bad))
        if (kind === 'drizzle') void drizzle(db).transaction((tx) => tx.execute(sql.raw(bad)))
        await turns()
        await db.query('select 1')
      })
      const error = await scope.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      // A savepoint undoes what failed in it.
      if (kind === 'query') expect(error).toMatchObject({ code: expect.stringMatching(/^S/) })
      expect(unhandled).toEqual([])
    },
  )

  it('leaves promises alone that are not its own', async () => {
    unhandled.length = 0
    const mine = new Error('of the caller')
    await world.tenancy().withTenant('acme', async (db) => {
      await db.query('select 1')
      void Promise.reject(mine)
    })
    await turns()
    expect(unhandled).toEqual([mine])
  })

  it('says so itself when it comes after the end of a scope that went well', async () => {
    let late: Promise<unknown> = Promise.resolve()
    await world.tenancy().withTenant('acme', async (db) => {
      await db.query('select 1')
      late = turns(20).then(() => add(db))
      late.catch(() => undefined)
    })
    await expect(late).rejects.toMatchObject({ code: 'SCOPE_ENDED' })
  })
})
