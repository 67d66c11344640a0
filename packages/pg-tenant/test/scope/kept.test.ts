import { sql } from 'drizzle-orm'
import { pgTable, text } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { drizzle } from '../../src/drizzle/index.ts'
import type { Tenancy, TenantDb } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld()
let tenancy: Tenancy

beforeAll(() => {
  // One connection, so that every statement meets what the one before it has kept.
  tenancy = world.tenancy({ pool: world.pool({ max: 1 }) })
})

beforeEach(async () => {
  await world.root.query('drop table if exists c_acme.kept, c_acme.beside')
  await tenancy.query('acme', 'create table kept (id int primary key, body text)')
  await tenancy.query('acme', 'create table beside (body text)')
  await tenancy.query('acme', `insert into kept values (1, 'one')`)
})

/** What another connection does to a table between two uses of a statement, and the use that plain `pg` gets an error for. */
const CHANGES = {
  'a column more': {
    change: 'alter table c_acme.kept add more int default 7',
    text: 'select * from kept where id = $1',
    before: 1,
    after: 1,
    rows: [{ id: 1, body: 'one', more: 7 }],
    state: '0A000',
  },
  'int to bigint, and a value that only fits now': {
    change: 'alter table c_acme.kept alter id type bigint; insert into c_acme.kept values (3000000000)',
    text: 'select body from kept where id = $1',
    before: 1,
    after: 3_000_000_000,
    rows: [{ body: null }],
    state: '22003',
  },
  'int to text': {
    change: 'alter table c_acme.kept alter id type text; insert into c_acme.kept values ($$x$$)',
    text: 'select body from kept where id = $1',
    before: 1,
    after: 'x',
    rows: [{ body: null }],
    state: '22P02',
  },
  'text to int': {
    change: 'alter table c_acme.kept alter body type int using 1',
    text: 'select id from kept where body = $1',
    before: 'one',
    after: 1,
    rows: [{ id: 1 }],
    state: '42883',
  },
  'a table in its place': {
    change:
      'drop table c_acme.kept; create table c_acme.kept (id int, body jsonb); grant all on c_acme.kept to public',
    text: 'select body from kept where id = $1',
    before: 1,
    after: 1,
    rows: [],
    state: '0A000',
  },
} as const

describe.each(Object.entries(CHANGES))('a named statement: %s', (_, change) => {
  const migrate = async () => {
    await world.root.query(change.change)
  }
  const named = (name: string, value: unknown) => ({ name, text: change.text, values: [value] })

  it('plain pg gets an error (control)', async () => {
    await using client = Object.assign(new pg.Client(world.url), {
      async [Symbol.asyncDispose]() {
        await client.end()
      },
    })
    await client.connect()
    await client.query('set search_path to c_acme')
    for (let i = 0; i < 2; i++) await client.query(named('control', change.before))
    await migrate()
    await expect(client.query(named('control', change.after))).rejects.toMatchObject({ code: change.state })
  })

  it('query', async () => {
    for (let i = 0; i < 2; i++) await tenancy.query('acme', named('one', change.before))
    await migrate()
    for (let i = 0; i < 2; i++)
      expect((await tenancy.query('acme', named('one', change.after))).rows).toEqual(change.rows)
  })

  it('first in a scope', async () => {
    await tenancy.query('acme', named('first', change.before))
    await migrate()
    const rows = await tenancy.withTenant('acme', async (db) => {
      const found = (await db.query(named('first', change.after))).rows
      await db.query(`insert into beside values ('committed')`)
      return found
    })
    expect(rows).toEqual(change.rows)
    expect((await tenancy.query('acme', 'select * from beside')).rowCount).toBe(1)
  })

  it('behind writes of a scope, which stay', async () => {
    await tenancy.query('acme', named('later', change.before))
    await tenancy.query('acme', named('later too', change.before))
    await migrate()
    const rows = await tenancy.withTenant('acme', async (db) => {
      await db.query(`insert into beside values ('before')`)
      const found = (await db.query(named('later', change.after))).rows
      await db.savepoint(async (inner) => {
        await inner.query(`insert into beside values ('inner')`)
        expect((await inner.query(named('later too', change.after))).rows).toEqual(change.rows)
      })
      expect((await db.query(named('later', change.after))).rows).toEqual(change.rows)
      return found
    })
    expect(rows).toEqual(change.rows)
    const { rows: kept } = await tenancy.query('acme', 'select body from beside order by body')
    expect(kept).toEqual([{ body: 'before' }, { body: 'inner' }])
  })

  it('queued, first and behind another', async () => {
    for (const name of ['queued', 'queued too']) await tenancy.query('acme', named(name, change.before))
    await migrate()
    await tenancy.withTenant('acme', async (db) => {
      await db.queue(named('queued', change.after))
      await db.queue(`insert into beside values ('queued')`)
      await db.queue(named('queued too', change.after))
      await db.query(`insert into beside values ('sent')`)
    })
    expect((await tenancy.query('acme', 'select * from beside')).rowCount).toBe(2)
  })

  it('of a tenant’s pool and client, and streamed', async () => {
    const pool = tenancy.pool('acme')
    const reading = (db: TenantDb) => async (value: unknown) => {
      const rows: unknown[] = []
      for await (const row of db.stream(named('streamed', value))) rows.push(row)
      return rows
    }
    for (let i = 0; i < 2; i++) {
      await pool.query(named('pooled', change.before))
      await pool.query(named('pooled too', change.before))
      await tenancy.withTenant('acme', async (db) => reading(db)(change.before))
    }
    await migrate()
    expect((await pool.query(named('pooled', change.after))).rows).toEqual(change.rows)
    expect(await tenancy.withTenant('acme', async (db) => reading(db)(change.after))).toEqual(change.rows)
    const client = await pool.connect()
    try {
      await client.query('begin')
      await client.query(`insert into beside values ('client')`)
      expect((await client.query(named('pooled too', change.after))).rows).toEqual(change.rows)
      await client.query('commit')
    } finally {
      client.release()
    }
    expect((await tenancy.query('acme', 'select * from beside')).rowCount).toBe(1)
  })
})

const kept = pgTable('kept', { id: text().primaryKey(), body: text() })

it('a prepared query of Drizzle', async () => {
  const read = (id: unknown) =>
    tenancy.withTenant('acme', async (db) => {
      await db.query(`insert into beside values ('drizzle')`)
      return drizzle(db)
        .select({ body: kept.body })
        .from(kept)
        .where(sql`${kept.id} = ${id}`)
        .prepare('of drizzle')
        .execute()
    })
  for (let i = 0; i < 2; i++) expect(await read(1)).toEqual([{ body: 'one' }])
  await world.root.query('alter table c_acme.kept alter id type text')
  expect(await read('1')).toEqual([{ body: 'one' }])
})

describe('what is not prepared anew', () => {
  it('what had begun: its error is told, once, and it ran once', async () => {
    await tenancy.query('acme', 'create sequence if not exists ran')
    const text = `select case when nextval('ran') > 1 then 1 / (nextval('ran') * 0) end`
    await tenancy.query('acme', { name: 'begun', text })
    await expect(tenancy.query('acme', { name: 'begun', text })).rejects.toMatchObject({
      details: { sqlState: '22012' },
    })
    const { rows } = await tenancy.query<{ last_value: string }>('acme', 'select last_value from ran')
    expect(Number(rows[0]?.last_value)).toBe(3)
  })

  it('what is wrong in any case is told as without a name', async () => {
    const named = { name: 'wrong', text: 'select * from kept where id = $1' }
    await tenancy.query('acme', { ...named, values: [1] })
    const refused = tenancy.query('acme', { ...named, values: ['no number'] })
    await expect(refused).rejects.toMatchObject({ details: { sqlState: '22P02' } })
    const within = tenancy.withTenant('acme', async (db) => {
      await db.query(`insert into beside values ('undone')`)
      await db.query({ ...named, values: ['no number'] })
    })
    await expect(within).rejects.toMatchObject({ details: { sqlState: '22P02' } })
    expect((await tenancy.query('acme', 'select * from beside')).rowCount).toBe(0)
  })

  it('tables that the scope itself has changed, but they are found out', async () => {
    const named = { name: 'own', text: 'select * from kept' }
    await tenancy.query('acme', named)
    const fields = await tenancy.withTenant('acme', async (db) => {
      await db.query(named)
      await db.query('alter table kept add own int')
      return (await db.query(named)).fields.map(({ name }) => name)
    })
    expect(fields).toEqual(['id', 'body', 'own'])
  })

  it('a savepoint that is undone lets go of the tables', async () => {
    const named = { name: 'let go', text: 'select * from kept' }
    await tenancy.query('acme', named)
    const fields = await tenancy.withTenant('acme', async (db) => {
      await db.query('select 1')
      expect(
        await codeOf(
          db.savepoint(async (inner) => {
            await inner.query(named)
            await inner.query('select 1 / 0')
          }),
        ),
      ).toBe('DATABASE_ERROR')
      await world.root.query('alter table c_acme.kept add later int')
      return (await db.query(named)).fields.map(({ name }) => name)
    })
    expect(fields).toEqual(['id', 'body', 'later'])
  })
})
