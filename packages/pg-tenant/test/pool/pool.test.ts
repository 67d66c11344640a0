import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { beforeEach, describe, expect, it } from 'vitest'
import { driverError, scopePool, type Tenancy, type TenancyError } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld()
let known: Tenancy | undefined
/** A connection costs more than most of these tests: whoever looks at connections makes a tenancy of its own. */
const shared = () => {
  known ??= world.tenancy({ pool: world.pool({ max: 8 }) })
  return known
}
const INSERT = 'insert into notes (body) values ($1)'
const bodies = async (key = 'acme') =>
  (await shared().query<{ body: string }>(key, 'select body from notes order by id')).rows.map(
    ({ body }) => body,
  )

beforeEach(async () => {
  for (const key of ['acme', 'globex']) await shared().query(key, 'delete from notes')
})

describe('a pool of one tenant', () => {
  it('is a pg.Pool, and its queries are that tenant’s', async () => {
    const pool = shared().pool('acme')
    expect(pool).toBeInstanceOf(pg.Pool)
    await pool.query(INSERT, ['mine'])
    const { rows, rowCount, command, fields } = await pool.query(
      'select body, current_schema() as schema from notes',
    )
    expect([rows, rowCount, command, fields.map(({ name }) => name)]).toEqual([
      [{ body: 'mine', schema: 'c_acme' }],
      1,
      'SELECT',
      ['body', 'schema'],
    ])
    expect(await bodies('globex')).toEqual([])
    await pool.end()
  })

  it('takes callbacks, configs, arrays of rows and names as pg does', async () => {
    const pool = shared().pool('acme')
    await new Promise<void>((done, fail) =>
      pool.query(INSERT, ['by callback'], (error) => (error ? fail(error) : done())),
    )
    const named = {
      name: 'all notes',
      text: 'select body from notes where body = $1',
      values: ['by callback'],
    }
    for (let n = 0; n < 3; n++) expect((await pool.query(named)).rows).toEqual([{ body: 'by callback' }])
    expect((await pool.query({ text: 'select 1, 2', rowMode: 'array' })).rows).toEqual([[1, 2]])
    const client = await pool.connect()
    await client.query(named)
    await expect(client.query({ ...named, text: 'select 2' })).rejects.toThrow(/must be unique/)
    client.release()
    await pool.end()
  })

  it.each(['pool', 'client'] as const)('a %s takes values as they are at the call', async (kind) => {
    const pool = shared().pool('acme', { max: 1 })
    const client = kind === 'client' ? await pool.connect() : undefined
    const on = client ?? pool
    const bytes = Buffer.alloc(1)
    const values: unknown[] = [bytes]
    const sql = `insert into notes (body) values (encode($1::bytea, 'escape'))`
    const writing = ['a', 'b', 'c'].map((letter) => {
      bytes.write(letter)
      return letter === 'c' ? on.query({ text: sql, values }) : on.query(sql, values)
    })
    bytes.write('x')
    values[0] = null
    await Promise.all(writing)
    client?.release()
    expect(await bodies()).toEqual(['a', 'b', 'c'])
    await pool.end()
  })

  it('a cursor takes values as they are at the call', async () => {
    const pool = shared().pool('acme')
    const client = await pool.connect()
    const values = ['a']
    const cursor = client.query(new Cursor('select $1::text as body', values))
    values[0] = 'x'
    expect(await cursor.read(1)).toEqual([{ body: 'a' }])
    await cursor.close()
    client.release()
    await pool.end()
  })

  it('runs what stands between BEGIN and COMMIT as one scope, and undoes it at ROLLBACK', async () => {
    const pool = shared().pool('acme')
    const client = await pool.connect()
    await client.query('BEGIN')
    await client.query(INSERT, ['kept'])
    expect(await bodies()).toEqual([])
    await client.query('COMMIT')
    expect(await bodies()).toEqual(['kept'])
    await client.query('begin isolation level serializable read only')
    expect((await client.query('show transaction_isolation')).rows).toEqual([
      { transaction_isolation: 'serializable' },
    ])
    await client.query('rollback')
    await client.query('start transaction')
    await client.query(INSERT, ['gone'])
    await client.query('rollback')
    expect(await bodies()).toEqual(['kept'])
    client.release()
    await pool.end()
  })

  it('has savepoints, as deep as one likes, which undo a failed statement', async () => {
    const pool = shared().pool('acme')
    const client = await pool.connect()
    await client.query('begin')
    await client.query(INSERT, ['a'])
    await client.query('savepoint one')
    await client.query(INSERT, ['b'])
    await client.query('savepoint two')
    await expect(client.query(INSERT, ['a'])).rejects.toMatchObject({ code: '23505' })
    await expect(client.query('select 1')).rejects.toMatchObject({ code: '25P02' })
    await client.query('rollback to two')
    await client.query(INSERT, ['c'])
    await client.query('release two')
    await client.query('rollback to savepoint one')
    await client.query(INSERT, ['d'])
    await client.query('release one')
    await client.query('commit')
    expect(await bodies()).toEqual(['a', 'd'])
    await expect(client.query('savepoint outside')).rejects.toMatchObject({ code: '25P01' })
    client.release()
    await pool.end()
  })

  it('does not pass a COMMIT after a failed statement for one', async () => {
    const pool = shared().pool('acme')
    const client = await pool.connect()
    await client.query('begin')
    await client.query(INSERT, ['gone'])
    await client.query('select 1/0').catch(() => {})
    expect(await codeOf(client.query('commit'))).toBe('SILENT_ROLLBACK')
    expect((await client.query('select count(*)::int as n from notes')).rows).toEqual([{ n: 0 }])
    client.release()
    await pool.end()
  })

  it('rolls back what a client was given back with, before anybody else has it', async () => {
    const pool = shared().pool('acme', { max: 1 })
    const first = await pool.connect()
    await first.query('begin')
    await first.query(INSERT, ['gone'])
    first.release()
    const second = await pool.connect()
    await second.query(INSERT, ['kept'])
    second.release()
    expect(await bodies()).toEqual(['kept'])
    await pool.end()
  })

  it('runs several statements of one text as one transaction', async () => {
    const pool = shared().pool('acme')
    const results = (await pool.query(
      `insert into notes (body) values ('a;b'); select body from notes;`,
    )) as unknown
    expect(results).toMatchObject([{ command: 'INSERT' }, { rows: [{ body: 'a;b' }] }])
    await expect(pool.query(`insert into notes (body) values ('x'); select 1/0`)).rejects.toMatchObject({
      code: '22012',
    })
    expect(await bodies()).toEqual(['a;b'])
    await pool.query(`begin; insert into notes (body) values ('in'); commit`)
    expect(await bodies()).toEqual(['a;b', 'in'])
    await pool.end()
  })

  it.each([
    ['x; begin; y; rollback', []],
    ['x; begin; y; commit', ['x', 'y']],
    ['x; rollback; y', ['y']],
    ['x; commit; y; rollback', ['x']],
    ['x; begin; y; commit; z; select 1/0', ['x', 'y']],
    ['begin; x; commit; select 1/0', ['x']],
    ['x; savepoint s; y', []],
  ])('%s: what stands before a BEGIN is part of it, as PostgreSQL has it', async (short, left) => {
    const pool = shared().pool('acme', { max: 1 })
    const text = short.replaceAll(/\b[xyz]\b/g, (body) => `insert into notes (body) values ('${body}')`)
    await Promise.allSettled([pool.query(text)])
    expect(await bodies()).toEqual(left)
    const client = await pool.connect()
    expect((client as unknown as { getTransactionStatus(): string }).getTransactionStatus()).toBe('I')
    client.release()
    await pool.end()
  })

  it('takes SET back with the transaction, or to the savepoint, as PostgreSQL does', async () => {
    const pool = shared().pool('acme', { max: 1 })
    const client = await pool.connect()
    const zone = async () => (await client.query('show timezone')).rows[0]?.TimeZone
    await client.query(`set timezone = 'Asia/Tokyo'`)
    await client.query('begin')
    await client.query(`set timezone = 'America/Lima'`)
    await client.query('savepoint a')
    await client.query(`set timezone = 'Europe/Rome'`)
    await client.query('rollback to a')
    expect(await zone()).toBe('America/Lima')
    await client.query('rollback')
    expect(await zone()).toBe('Asia/Tokyo')
    await client.query('begin')
    await client.query(`set datestyle = iso, dmy`)
    await client.query('commit')
    expect((await client.query('show datestyle')).rows).toEqual([{ DateStyle: 'ISO, DMY' }])
    client.release()
    await pool.end()
  })

  it.each([
    ['begin sideways', /takes ISOLATION LEVEL/],
    ['copy notes from stdin', /pg-copy-streams/],
    ['set role none', /kept for the client/],
  ])('refuses %s with what a client does instead', async (sql, says) => {
    const pool = shared().pool('acme')
    await expect(pool.query(sql)).rejects.toMatchObject({
      code: 'STATEMENT_REFUSED',
      message: expect.stringMatching(says),
    })
    await pool.end()
  })

  it('says with SQLSTATE what a transaction does not take', async () => {
    const client = await shared().pool('acme', { max: 1 }).connect()
    const code = (sql: string) =>
      client.query(sql).then(
        () => undefined,
        (error: pg.DatabaseError) => error.code,
      )
    expect(await code('savepoint a')).toBe('25P01')
    for (const [sql, expected] of [
      ['rollback to nope', '3B001'],
      ['release nope', '3B001'],
      ['set transaction isolation level serializable', '25001'],
    ] as const) {
      await client.query('begin')
      await client.query('select 1')
      expect(await code(sql)).toBe(expected)
      expect(await code('select 1')).toBe('25P02')
      await client.query('rollback')
    }
    client.release()
  })

  it('keeps what a client has SET for it alone, and refuses what the scope depends on', async () => {
    const pool = shared().pool('acme', { max: 1 })
    await pool.query(`set time zone 'Asia/Tokyo'; set statement_timeout = 5000`)
    expect((await pool.query('show timezone')).rows).toEqual([{ TimeZone: 'Asia/Tokyo' }])
    const client = await pool.connect()
    await client.query('begin')
    await client.query('set local my.thing = 5')
    expect(
      (await client.query(`select current_setting('my.thing') as v, current_setting('timezone') as z`)).rows,
    ).toEqual([{ v: '5', z: 'Asia/Tokyo' }])
    await client.query('commit')
    client.release()
    const [mine, other] = [shared().pool('acme'), await shared().query('acme', 'show timezone')]
    expect((await mine.query('show timezone')).rows).toEqual(other.rows)
    for (const sql of [
      'set role postgres',
      `set search_path to public`,
      'set session_authorization = x',
      'set synchronous_commit to off',
      'set row_security = off',
      `set app.tenant_id = 'globex'`,
      'set standard_conforming_strings = off',
    ])
      await expect(mine.query(sql), sql).rejects.toMatchObject({ code: 'STATEMENT_REFUSED' })
    await expect(mine.query('set work_mem = nonsense')).rejects.toMatchObject({ code: '22023' })
    await mine.query('select 1')
    for (const sql of [
      'listen x',
      'prepare p as select 1',
      'set a, b = c',
      'discard plans',
      'commit prepared x',
    ])
      await expect(mine.query(sql), sql).rejects.toMatchObject({ code: 'STATEMENT_REFUSED' })
    await Promise.all([pool.end(), mine.end()])
  })

  it('shows errors as pg.DatabaseError, without values unless asked for', async () => {
    const [safe, all] = [shared().pool('acme'), shared().pool('acme', { errors: 'pg' })]
    await safe.query(INSERT, ['secret 1234'])
    const error = (await safe.query(INSERT, ['secret 1234']).catch((one: unknown) => one)) as pg.DatabaseError
    expect(error).toBeInstanceOf(pg.DatabaseError)
    expect(error).toMatchObject({
      code: '23505',
      table: 'notes',
      schema: 'c_acme',
      constraint: 'notes_body_key',
      detail: 'Key (body)=(…) already exists.',
      cause: { code: 'DUPLICATE_RESOURCE' },
    })
    expect(JSON.stringify(error) + error.message + error.stack).not.toContain('1234')
    const cast = (await safe
      .query('select $1::text::int', ['secret 1234'])
      .catch((one: unknown) => one)) as pg.DatabaseError
    expect([cast.code, JSON.stringify(cast) + cast.message]).toEqual([
      '22P02',
      expect.not.stringContaining('1234'),
    ])
    await expect(all.query(INSERT, ['secret 1234'])).rejects.toMatchObject({
      detail: 'Key (body)=(secret 1234) already exists.',
    })
    await Promise.all([safe.end(), all.end()])
  })

  it('has its own parsers, per client and per query', async () => {
    const { Client } = shared().pg('acme')
    const client = new Client()
    await client.connect()
    client.setTypeParser(20, (value: string) => BigInt(value) as never)
    expect((await client.query('select 5::bigint as n')).rows).toEqual([{ n: 5n }])
    expect(
      (
        await client.query({
          text: 'select 5::bigint as n',
          types: { getTypeParser: () => (value: string) => `<${value}>` } as never,
        })
      ).rows,
    ).toEqual([{ n: '<5>' }])
    await client.end()
  })

  it('stops a query at its query_timeout, as pg says it', async () => {
    const { Client } = shared().pg('acme')
    const slow = 'select pg_sleep(60)'
    const late = { query_timeout: 50 }
    for (const own of [true, false]) {
      const client = new Client(own ? late : {})
      await client.connect()
      await expect(client.query(own ? slow : { text: slow, ...late })).rejects.toThrow('Query read timeout')
      // What has to come is given the time for it, whatever the client's own limit is.
      const patient = { text: 'select 1 as one', query_timeout: 60_000 }
      expect((await client.query(patient)).rows).toEqual([{ one: 1 }])
      await client.end()
    }
  })

  it('serves many at once, more than it has connections', async () => {
    const pool = world.tenancy({ pool: world.pool({ max: 2 }) }).pool('acme', { max: 20 })
    await Promise.all(Array.from({ length: 40 }, (_, n) => pool.query(INSERT, [`n${n}`])))
    expect(await bodies()).toHaveLength(40)
    await pool.end()
  })

  it('refuses a tenant that is not there, and another tenant’s request', async () => {
    const tenancy = world.tenancy()
    expect(await codeOf(tenancy.pool('ghost').query('select 1'))).toBe('SCHEMA_MISSING')
    const globex = tenancy.pool('globex')
    await tenancy.withTenant('acme', async (db) => {
      await db.query('select 1')
      expect(await codeOf(globex.query('select 1'))).toBe('CROSS_TENANT')
    })
    expect(() => tenancy.pool('acme', { max: 0 })).toThrowError(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
    expect(() => tenancy.pool('No!')).toThrowError(expect.objectContaining({ code: 'INVALID_TENANT_KEY' }))
  })

  it('costs as many trips as its scopes: BEGIN and savepoints cost none', async () => {
    const client = await shared().pool('acme').connect()
    await client.query('begin')
    await client.query('savepoint a')
    const { rows } = await client.query('select pg_current_xact_id_if_assigned() is null as fresh')
    expect(rows).toEqual([{ fresh: true }])
    await client.query('release a')
    await client.query('commit')
    client.release()
  })
})

describe('objects of pg’s family', () => {
  it('a cursor reads in steps, inside a transaction and by itself', async () => {
    const client = await shared().pool('acme').connect()
    for (const around of [false, true]) {
      if (around) await client.query('begin')
      const cursor = client.query(new Cursor('select generate_series(1, 10) as n where $1', [true]))
      expect(await cursor.read(4)).toEqual([1, 2, 3, 4].map((n) => ({ n })))
      expect(await cursor.read(100)).toHaveLength(6)
      expect(await cursor.read(1)).toEqual([])
      await cursor.close()
      if (around) await client.query('commit')
    }
    const cut = client.query(new Cursor('select generate_series(1, 100000) as n'))
    expect(await cut.read(1)).toHaveLength(1)
    await cut.close()
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    const wrong = client.query(new Cursor('select nothing from nowhere'))
    await expect(wrong.read(1)).rejects.toMatchObject({ code: '42P01' })
    client.release()
  })

  it('a query stream streams', async () => {
    const client = await shared().pool('acme').connect()
    const stream = client.query(
      new QueryStream('select generate_series(1, 1000) as n', [], { batchSize: 100 }),
    )
    let sum = 0
    for await (const { n } of stream) sum += n
    expect(sum).toBe(500500)
    client.release()
  })

  it('COPY goes both ways, and a failed one leaves nothing', async () => {
    const client = await shared().pool('acme').connect()
    await pipeline(Readable.from(['one\n', 'two\n']), client.query(copyFrom('copy notes (body) from stdin')))
    expect(await bodies()).toEqual(['one', 'two'])
    expect(await text(client.query(copyTo('copy (select body from notes order by id) to stdout')))).toBe(
      'one\ntwo\n',
    )
    await expect(
      pipeline(Readable.from(['three\n', 'one\n']), client.query(copyFrom('copy notes (body) from stdin'))),
    ).rejects.toMatchObject({ code: '23505' })
    expect(await bodies()).toEqual(['one', 'two'])
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    client.release()
  })

  it('pg.Query emits its rows', async () => {
    const client = await shared().pool('acme').connect()
    const seen: unknown[] = []
    const query = new pg.Query('select generate_series(1, 3) as n')
    const done = new Promise((end, fail) => query.on('end', end).on('error', fail))
    query.on('row', (row) => void seen.push(row))
    client.query(query as never)
    await done
    expect(seen).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    client.release()
  })
})

describe('a scope opened by hand', () => {
  it('commits, rolls back, and rolls back what nobody committed', async () => {
    const tenancy = world.tenancy()
    const scope = tenancy.open('acme')
    await scope.db.query(INSERT, ['kept'])
    await scope.commit()
    expect(await codeOf(scope.db.query('select 1'))).toBe('SCOPE_ENDED')
    expect(await codeOf(scope.commit())).toBe('SCOPE_ENDED')
    {
      await using other = tenancy.open('acme')
      await other.db.query(INSERT, ['gone'])
    }
    expect(await bodies()).toEqual(['kept'])
  })

  it('says what was left running, what failed, and that the tenant is not there', async () => {
    const tenancy = world.tenancy()
    const busy = tenancy.open('acme')
    await busy.db.query('select 1')
    busy.db.query('select 2').catch(() => {})
    expect(await codeOf(busy.commit())).toBe('QUERY_NOT_AWAITED')
    expect(await codeOf(tenancy.open('ghost').commit())).toBe('SCHEMA_MISSING')
  })

  it('inside a scope of the same tenant is a part of it', async () => {
    const tenancy = world.tenancy()
    await tenancy.withTenant('acme', async (db) => {
      await db.query(INSERT, ['a'])
      const part = tenancy.open('acme')
      await part.db.query(INSERT, ['b'])
      await part.rollback()
      const kept = tenancy.open('acme')
      await kept.db.query(INSERT, ['c'])
      await kept.commit()
    })
    expect(await bodies()).toEqual(['a', 'c'])
  })
})

describe('a pool over an open scope', () => {
  it('takes effect with the scope; its transactions are savepoints', async () => {
    const tenancy = world.tenancy()
    const failed = tenancy.withTenant('acme', async (db) => {
      const client = await scopePool(db).connect()
      await client.query('begin')
      await client.query(INSERT, ['a'])
      await client.query('commit')
      await client.query('begin')
      await client.query(INSERT, ['b'])
      await client.query('rollback')
      client.release()
      expect((await db.query('select body from notes')).rows).toEqual([{ body: 'a' }])
      throw new RangeError('mine')
    })
    await expect(failed).rejects.toBeInstanceOf(RangeError)
    expect(await bodies()).toEqual([])
  })

  it('is dead when the scope is', async () => {
    const pool = await shared().withTenant('acme', async (db) => scopePool(db))
    expect(await codeOf(pool.query('select 1'))).toBe('SCOPE_ENDED')
    for (const none of [{}, undefined, null, 'acme'])
      expect(() => scopePool(none as never)).toThrowError(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})

describe('nothing of the driver', () => {
  it('is reached from a client, its results or its errors', async () => {
    const client = await shared().pool('acme').connect()
    const error = await client.query('select 1/0').catch((one: unknown) => one)
    const seen = new Set<unknown>()
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null || seen.has(value)) return
      seen.add(value)
      expect(value).not.toHaveProperty('secretKey', expect.any(Number))
      expect(value).not.toHaveProperty('_socket')
      expect(value).not.toBeInstanceOf(pg.Client)
      for (const name of Reflect.ownKeys(value)) walk(Reflect.get(value, name))
    }
    walk(error)
    walk({ ...client, release: undefined, _events: undefined })
    expect(driverError((error as { cause: TenancyError }).cause)).toBeDefined()
    client.release()
  })
})
