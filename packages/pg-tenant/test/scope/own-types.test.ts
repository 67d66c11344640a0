import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { startWireProxy, type WireProxy } from '@org/pg-testing'
import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import Cursor from 'pg-cursor'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { drizzle } from '../../src/drizzle/index.ts'
import type { Tenancy } from '../../src/index.ts'
import { readArray } from '../../src/scope/types/array-text.ts'
import { learnedTypes } from '../../src/scope/types/catalog.ts'
import { TenantTypes } from '../../src/scope/types/tenant-types.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld([])
const TYPES = `
  create type mood as enum ('sad', 'calm', 'so, so', 'NULL', '"quoted"');
  create type pair as (a int, b text);
  create domain cents as int check (value >= 0);
  create domain moods as mood[];
  create domain cent_list as cents[];
  create type span as range (subtype = int4);
  create table things (id int, mood mood, moods mood[], cents cents, prices cents[], many moods, lists moods[],
    pairs pair[], spans span[], deep cent_list[]);
  insert into things values (1, 'calm', '{sad,"so, so",NULL,"NULL","\\"quoted\\""}', 5, '{1,NULL,3}', '{calm}',
    '{"{sad,calm}",NULL}', '{"(1,\\"a,b\\")",NULL}', '{"[1,5)"}', '{"{1,2}"}')`
const MOODS = ['sad', 'so, so', null, 'NULL', '"quoted"']
let tenancy: Tenancy
let proxy: WireProxy

beforeAll(async () => {
  // Types of the two tenants have other OIDs; what was made between them stands for years of use.
  tenancy = world.tenancy({ migrations: [{ id: '0001', sql: TYPES }] })
  for (const key of ['acme', 'globex']) await tenancy.provision(key)
  proxy = await startWireProxy({ target: world.appUrl })
})
afterAll(() => proxy?.close())

const named = (types: Record<string, (text: string) => unknown>) => world.tenancy({ types })
const rowOf = async (columns: string, key = 'acme', from = tenancy) =>
  (await from.query(key, `select ${columns} from things`)).rows[0]

/** At level `role` a tenant may make objects only when somebody lets it. */
async function mayCreate(key: string): Promise<void> {
  const { rows } = await tenancy.query<{ role: string }>(key, 'select current_user as role')
  await world.root.query(`grant create on schema c_${key} to ${rows[0]?.role}`)
}

describe('types that each tenant has for itself', () => {
  it('control: pg gives the text of an array it does not know', async () => {
    const { rows } = await world.root.query('select moods from c_acme.things')
    expect(rows[0].moods).toEqual(expect.any(String))
  })

  it('arrays are arrays, in every tenant', async () => {
    for (const key of ['acme', 'globex']) {
      expect(await rowOf('mood, moods, many', key)).toEqual({ mood: 'calm', moods: MOODS, many: ['calm'] })
      expect(await rowOf('cents, prices, deep', key)).toEqual({
        cents: 5,
        prices: [1, null, 3],
        deep: [[1, 2]],
      })
      expect(await rowOf('lists, pairs, spans', key)).toEqual({
        lists: [['sad', 'calm'], null],
        pairs: ['(1,"a,b")', null],
        spans: ['[1,5)'],
      })
    }
  })

  it('arrays of several dimensions and with bounds of their own', async () => {
    const { rows } = await tenancy.query(
      'acme',
      `select '{{sad,calm},{calm,sad}}'::mood[] a, '[0:1]={sad,calm}'::mood[] b, '{}'::mood[] c`,
    )
    expect(rows).toEqual([
      {
        a: [
          ['sad', 'calm'],
          ['calm', 'sad'],
        ],
        b: ['sad', 'calm'],
        c: [],
      },
    ])
  })

  it('fields say the name, and an OID that is the same for every tenant', async () => {
    const fieldsOf = async (key: string) =>
      (await tenancy.query(key, 'select moods, prices from things')).fields.map(
        ({ dataTypeID, dataTypeName }) => [dataTypeID, dataTypeName],
      )
    expect(await fieldsOf('acme')).toEqual([
      [1009, 'mood[]'],
      [1007, 'cents[]'],
    ])
    expect(await fieldsOf('globex')).toEqual(await fieldsOf('acme'))
  })

  it('in scopes, under a name, in streams, as arrays of columns, on the one connection there is', async () => {
    const one = world.tenancy({ pool: world.pool({ max: 1 }) })
    for (const key of ['acme', 'globex', 'acme'])
      await one.withTenant(key, async (db) => {
        const query = { name: 'moods', text: 'select moods from things', rowMode: 'array' as const }
        expect((await db.query(query)).rows).toEqual([[MOODS]])
        for await (const row of db.stream('select moods from things, generate_series(1, 3)', [], {
          batchSize: 2,
        }))
          expect(row).toEqual({ moods: MOODS })
      })
    expect(await rowOf('moods', 'acme', one)).toEqual({ moods: MOODS })
  })

  it('made in the transaction that reads them', async () => {
    await mayCreate('acme')
    const seen = await tenancy.withTenant('acme', async (db) => {
      await db.query(`create type brief as enum ('a', 'b')`)
      const { rows } = await db.query(`select '{a,b}'::brief[] as briefs`)
      await db.query('drop type brief')
      return rows
    })
    expect(seen).toEqual([{ briefs: ['a', 'b'] }])
  })

  it('through COPY in and out, as their text', async () => {
    for (const key of ['acme', 'globex'])
      await tenancy.withTenant(key, async (db) => {
        let text = ''
        for await (const piece of await db.copyTo('copy things to stdout')) text += String(piece)
        await pipeline(Readable.from([text.replace(/^1/, '2')]), await db.copyFrom('copy things from stdin'))
        const { rows } = await db.query('select moods, deep, pairs from things order by id')
        expect(rows[1]).toEqual(rows[0])
        await db.query('delete from things where id = 2')
      })
  })

  it('in Drizzle, whose own parsers stay', async () => {
    await tenancy.withTenant('acme', async (db) => {
      const { rows } = await drizzle(db).execute(sql`select moods, '2020-01-02'::date as day from things`)
      expect(rows).toEqual([{ moods: MOODS, day: '2020-01-02' }])
    })
  })
})

describe('round trips', () => {
  const trips = async (work: () => Promise<unknown>): Promise<number> => {
    proxy.reset()
    await work()
    return proxy.roundTrips()
  }

  it('one more the first time a tenant’s array is seen, none after it, and none for enums', async () => {
    const own = world.tenancy({ pool: world.pool({ connectionString: proxy.url, max: 1 }) })
    await own.query('acme', 'select 1')
    expect(await trips(() => rowOf('mood', 'acme', own))).toBe(1)
    expect(await trips(() => rowOf('moods, prices', 'acme', own))).toBe(2)
    expect(await trips(() => rowOf('moods, prices', 'acme', own))).toBe(1)
    expect(await trips(() => rowOf('moods', 'globex', own))).toBe(2)
    expect(await trips(() => own.withTenant('globex', (db) => db.query('select moods from things')))).toBe(2)
  })
})

describe('a look-up that fails', () => {
  it('behind a COMMIT says that it is committed', async () => {
    const pool = world.pool({ max: 1 })
    let connections = 0
    const failing = {
      connect: async () => {
        if (connections++ > 0) throw new Error('secret')
        return await pool.connect()
      },
      on: (...args: Parameters<typeof pool.on>) => pool.on(...args),
    }
    const own = world.tenancy({ pool: failing as typeof pool })
    await expect(
      own.query('acme', `insert into things (id, moods) values (2, '{sad}') returning moods`),
    ).rejects.toMatchObject({ code: 'RESULT_UNREADABLE', details: { committed: true } })
    expect((await tenancy.query('acme', 'delete from things where id = 2')).rowCount).toBe(1)
  })
})

describe('parsers by name', () => {
  const upper = (text: string) => text.toUpperCase()

  it('read the type and its arrays, in every tenant', async () => {
    const own = named({ mood: upper, cents: (text) => Number(text) / 100, pair: (text) => text.length })
    for (const key of ['acme', 'globex'])
      expect(await rowOf('mood, prices, pairs', key, own)).toEqual({
        mood: 'CALM',
        prices: [0.01, null, 0.03],
        pairs: [9, null],
      })
  })

  it('a whole array, or the type of one schema only', async () => {
    const own = named({ 'mood[]': (text) => text.length, 'c_globex.cents': () => 'globex' })
    expect(await rowOf('moods', 'acme', own)).toEqual({ moods: expect.any(Number) })
    expect(await rowOf('prices', 'acme', own)).toEqual({ prices: [1, null, 3] })
    expect(await rowOf('prices', 'globex', own)).toEqual({ prices: ['globex', null, 'globex'] })
  })

  it('one that throws is the caller’s, and is told so', async () => {
    const own = named({
      mood: () => {
        throw new Error('secret')
      },
    })
    expect(await codeOf(rowOf('mood', 'acme', own))).toBe('RESULT_UNREADABLE')
  })

  it('a query’s own parsers go first, for the types they know', async () => {
    const { rows } = await tenancy.query('acme', {
      text: 'select id, moods from things',
      types: { getTypeParser: (oid) => (oid === 23 ? () => 'an int' : String) },
    })
    expect(rows).toEqual([{ id: 'an int', moods: MOODS }])
    const all = await tenancy.query('acme', {
      text: 'select id, moods from things',
      types: { getTypeParser: () => (text) => `<${text.length}>` },
    })
    expect(all.rows).toEqual([{ id: '<1>', moods: expect.stringMatching(/^<\d+>$/) }])
  })

  it('are refused when they cannot be meant', () => {
    for (const types of [
      { int8: upper },
      { 'pg_catalog.date': upper },
      { 'text[]': upper },
      { '': upper },
      { mood: 1 },
      7,
    ])
      expect(() => named(types as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})

describe('a tenant’s pool', () => {
  it('gives what pg gives, but for what was named', async () => {
    const plain = tenancy.pool('acme')
    const theirs = await world.root.query('select mood, moods from c_acme.things')
    expect((await plain.query('select mood, moods from things')).rows).toEqual(theirs.rows)
    const own = named({ cents: (text) => BigInt(text) })
    const pool = own.pool('acme')
    expect((await pool.query('select prices, moods from things')).rows).toEqual([
      { prices: [1n, null, 3n], moods: theirs.rows[0].moods },
    ])
    const client = await pool.connect()
    const cursor = client.query(new Cursor('select prices from things'))
    expect(await cursor.read(1)).toEqual([{ prices: [1n, null, 3n] }])
    await cursor.close()
    client.release()
  })

  it('reads all when asked to', async () => {
    const pool = tenancy.pool('acme', { ownTypes: 'all' })
    expect((await pool.query('select moods from things')).rows).toEqual([{ moods: MOODS }])
    expect(() => tenancy.pool('acme', { ownTypes: 'some' as never })).toThrow(/ownTypes/)
  })

  it('parsers set on a client for an OID go first', async () => {
    const { rows } = await world.root.query(`select 'c_acme.mood[]'::regtype::oid as oid`)
    const client = await tenancy.pool('acme', { ownTypes: 'all' }).connect()
    client.setTypeParser(rows[0].oid, () => 'mine')
    expect((await client.query('select moods from things')).rows).toEqual([{ moods: 'mine' }])
    client.release()
  })
})

describe('what is remembered', () => {
  const MOOD = ['20000', 'c_acme', '_mood', 'b', ',', '0', '0', '20001']
  const learn = (types: TenantTypes, place: string, rows: string[][]) =>
    types.learn(place, learnedTypes(rows, types))
  const ENUM = ['20001', 'c_acme', 'mood', 'e', ',', '0', '20000', '0']

  it('of a tenant counts for that tenant only: an OID that one leaves may be another’s', () => {
    const types = new TenantTypes(new Map(), ['public'])
    learn(types, 'c_acme', [MOOD, ENUM])
    expect(types.find('c_acme', 20000)?.shape.kind).toBe('array')
    expect(types.find('c_globex', 20000)).toBeUndefined()
  })

  it('of a schema that all share counts for all', () => {
    const types = new TenantTypes(new Map(), ['public'])
    learn(
      types,
      'c_acme',
      [MOOD, ENUM].map((row) => row.with(1, 'public')),
    )
    expect(types.find('c_globex', 20000)).toMatchObject({ shared: true, name: 'mood[]' })
  })

  it('for five minutes, and no more of it than a bound', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const types = new TenantTypes(new Map(), [])
    learn(types, 'c_acme', [ENUM])
    vi.advanceTimersByTime(300_001)
    expect(types.find('c_acme', 20001)).toBeUndefined()
    vi.useRealTimers()
    for (let tenant = 0; tenant <= 20_000; tenant++) learn(types, `c_${tenant}`, [ENUM])
    expect([types.find('c_0', 20001), types.find('c_20000', 20001)]).toEqual([undefined, expect.anything()])
  })

  it('cannot be told otherwise by names that a tenant makes', async () => {
    await mayCreate('globex')
    const own = world.tenancy()
    const lie = `create table pg_type (oid oid, typname name, typelem oid);
      create function unnest(oid[]) returns setof oid language sql as 'select 1::oid';
      create function never(oid, oid) returns boolean language sql as 'select false';
      create operator = (leftarg = oid, rightarg = oid, function = never)`
    await own.withTenant('globex', async (db) => {
      for (const one of lie.split(';\n')) await db.query(one)
      // The catalogue goes first on every path that does not name it.
      const path = (await db.query<{ path: string }>(`select current_setting('search_path') as path`)).rows[0]
      const behind = `${path?.path}, pg_catalog`
      await db.query(`select set_config('search_path', $1, true)`, [behind])
      // Control: what is not qualified is the lie.
      expect((await db.query('select from pg_type')).rowCount).toBe(0)
      expect((await db.query('select moods from things')).rows).toEqual([{ moods: MOODS }])
      await db.query(`select pg_catalog.set_config('search_path', $1, true)`, [path?.path])
    })
  })
})

describe('the text of an array', () => {
  const element = fc.option(
    // Not fast-check's own unit `binary`: it fills a table of all characters first.
    fc.string({
      unit: fc
        .oneof(fc.integer({ min: 1, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
        .map((point) => String.fromCodePoint(point)),
      maxLength: 12,
    }),
    { nil: null },
  )

  it('is read as it was written, whatever is in it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(element, { maxLength: 8 }), async (values) => {
        const { rows } = await world.root.query('select $1::text[]::text as text', [values])
        expect(readArray(rows[0].text, (text) => text)).toEqual(values)
      }),
      { numRuns: 200 },
    )
  })

  it('agrees with pg about what is nested', async () => {
    const text = '[2:3][0:1]={{"a\\\\b",NULL},{"","{}"}}'
    const { rows } = await world.root.query(`select $1::text[] as parsed`, [text])
    expect(readArray(text, String)).toEqual(rows[0].parsed)
  })

  it('refuses what is none', () => {
    for (const text of ['', 'calm', '{', '{"a', '{a}b', '{a,', '[0:1]', '{"a\\', '{"a"b}'])
      expect(() => readArray(text, String)).toThrow(RangeError)
  })
})
