import fc from 'fast-check'
import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { driverError, type Tenancy, TenancyError } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld()
let tenancy: Tenancy

beforeAll(() => {
  tenancy = world.tenancy()
})

describe('query', () => {
  it('answers as pg does', async () => {
    const sql = `select 1::int4 as a, 'x'::text as b, null as c, '{"k":[1]}'::jsonb as d, '2020-01-02T03:04:05Z'::timestamptz as e,
      array[1,2] as f, 12345678901234567890::numeric as g, true as h`
    const ours = await tenancy.query('acme', sql)
    const theirs = await world.root.query(sql)
    expect(ours.rows).toEqual(theirs.rows)
    expect(ours.fields).toEqual(theirs.fields)
    expect([ours.command, ours.rowCount]).toEqual([theirs.command, theirs.rowCount])
  })

  it('takes values as pg does, whatever they are', async () => {
    const cases: [unknown, string][] = [
      [new Date(0), 'timestamptz'],
      [Buffer.from([0, 1, 255]), 'bytea'],
      [new Uint8Array([1, 2]), 'bytea'],
      [['a', 'b"c', null], 'text[]'],
      [{ a: [1, 'x'] }, 'jsonb'],
      [12.5, 'numeric'],
      [10n, 'bigint'],
      [false, 'bool'],
      [undefined, 'text'],
    ]
    for (const [value, type] of cases) {
      const sql = `select $1::${type} as v`
      const theirs = await world.root.query(sql, [value])
      expect((await tenancy.query('acme', sql, [value])).rows, type).toEqual(theirs.rows)
    }
  })

  it('round-trips any text and json', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.jsonValue(), async (text, json) => {
        fc.pre(!text.includes('\0') && !JSON.stringify(json).includes('\\u0000'))
        const { rows } = await tenancy.query('acme', 'select $1::text as t, $2::json as j', [
          text,
          JSON.stringify(json),
        ])
        expect(rows).toEqual([{ t: text, j: JSON.parse(JSON.stringify(json)) }])
      }),
      { numRuns: 100 },
    )
  })

  it('takes a config object: values, rowMode and type parsers', async () => {
    const types = { getTypeParser: () => (value: string) => `<${value}>` }
    await tenancy.withTenant('acme', async (db) => {
      expect(
        (await db.query({ text: 'select $1::int as n, 2 as m', values: [1], rowMode: 'array' })).rows,
      ).toEqual([[1, 2]])
      expect((await db.query({ text: 'select $1::int as n', types }, [7])).rows).toEqual([{ n: '<7>' }])
    })
  })

  it("uses the pool's own type parsers", async () => {
    const types = {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === 20 ? BigInt : pg.types.getTypeParser(oid, format),
    }
    const typed = world.tenancy({ pool: world.pool({ types: types as unknown as pg.CustomTypesConfig }) })
    expect((await typed.query('acme', 'select 9007199254740993::int8 as big')).rows).toEqual([
      { big: 9007199254740993n },
    ])
  })

  it('converts values when called, not when sent', async () => {
    await tenancy.withTenant('acme', async (db) => {
      const list = ['then']
      const sent = db.query('select $1::text[] as v', [list])
      list[0] = 'later'
      expect((await sent).rows).toEqual([{ v: ['then'] }])
    })
  })

  it('keeps named statements of two tenants apart on one connection', async () => {
    const single = world.tenancy({ pool: world.pool({ max: 1 }) })
    for (const key of ['acme', 'globex', 'acme', 'globex', 'acme']) {
      for (let again = 0; again < 3; again++) {
        const { rows } = await single.query<{ s: string; n: number }>(key, {
          name: 'where am i',
          text: 'select current_schema() as s, $1::int as n',
          values: [again],
        })
        expect(rows).toEqual([{ s: `c_${key}`, n: again }])
      }
    }
  })

  it('lets a name be used for another text', async () => {
    const single = world.tenancy({ pool: world.pool({ max: 1 }) })
    for (const text of ['select 1 as n', 'select 2 as n', 'select 1 as n']) {
      await single.query('acme', 'select 0')
      const { rows } = await single.query<{ n: number }>('acme', { name: 'same', text })
      expect(rows[0]?.n).toBe(Number(text.split(' ')[1]))
    }
  })
})

describe('bad input', () => {
  it.each([
    ['no text', undefined],
    ['a number', 42],
    ['null', null],
    ['an empty object', {}],
    ['an unknown option', { text: 'select 1', portal: 'x' }],
    ['a cursor', { text: 'select 1', submit: () => {} }],
    ['a NUL in the text', 'select 1 \0'],
    ['a bad rowMode', { text: 'select 1', rowMode: 'object' }],
    ['bad types', { text: 'select 1', types: {} }],
    ['an empty name', { text: 'select 1', name: '' }],
    ['a name with a NUL', { text: 'select 1', name: 'a\0b' }],
    ['values that are no array', { text: 'select $1', values: 'x' }],
    ['too many values', { text: 'select 1', values: Array.from({ length: 65_536 }, () => 1) }],
    ['a circular value', { text: 'select $1::json', values: [circular()] }],
  ])('refuses %s before anything is sent', async (_, query) => {
    const untouched = world.pool({ max: 1 })
    const refusing = world.tenancy({ pool: untouched })
    expect(await codeOf(refusing.query('acme', query as string))).toBe('VALIDATION_ERROR')
    expect(untouched.totalCount).toBe(0)
  })

  it('takes the most values there can be', async () => {
    const values = Array.from({ length: 65_535 }, (_, i) => i)
    const sum = values.map((_, i) => `$${i + 1}::int`).join(',')
    const { rows } = await tenancy.query<{ n: number }>(
      'acme',
      `select cardinality(array[${sum}]) as n`,
      values,
    )
    expect(rows[0]?.n).toBe(65_535)
  })

  it('leaves the scope usable after a refusal', async () => {
    await tenancy.withTenant('acme', async (db) => {
      expect(await codeOf(db.query('commit'))).toBe('STATEMENT_REFUSED')
      expect(await codeOf(db.query('select 1', 'x' as unknown as unknown[]))).toBe('VALIDATION_ERROR')
      expect((await db.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    })
  })
})

describe('errors of the database', () => {
  const failing = async (sql: string, values: unknown[] = []): Promise<TenancyError> => {
    const error = await tenancy.query('acme', sql, values).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(TenancyError)
    return error as TenancyError
  }

  it('say what a developer needs and hold no value', async () => {
    const secret = 's3cr3t'
    const errors = [
      await failing('select $1::int', [secret]),
      await failing('insert into notes (body) values ($1), ($1)', [secret]),
      await failing('select $1::regclass', [secret]),
      await failing(`select set_config('role', $1, true)`, [secret]),
      await failing(`do $$ begin raise exception '${secret}'; end $$`),
      await failing('select ($1::jsonb)', [secret]),
    ]
    for (const error of errors) {
      const { inspect } = await import('node:util')
      const shown = inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error) + error.stack
      expect(shown).not.toContain(secret)
      expect(error.details.sqlState).toMatch(/^[0-9A-Z]{5}$/)
      expect(
        String((driverError(error) as Error).message + (driverError(error) as { detail?: string }).detail),
      ).toContain(secret)
    }
  })

  it('have the codes of the contract', async () => {
    await tenancy.query('acme', `insert into notes (body) values ('twice')`)
    expect(await failing(`insert into notes (body) values ('twice')`)).toMatchObject({
      code: 'DUPLICATE_RESOURCE',
      status: 409,
      details: { sqlState: '23505', constraint: 'notes_body_key', table: 'notes' },
    })
    expect(await failing('insert into notes (body) values (null)')).toMatchObject({
      code: 'VALIDATION_ERROR',
      details: { column: 'body', field: 'body', rule: 'required' },
    })
    expect((await failing('select * from nowhere')).message).toContain('relation "nowhere" does not exist')
    expect(await failing('select 1; select 2')).toMatchObject({ code: 'STATEMENT_REFUSED' })
    expect(await failing('select * from c_globex.notes')).toMatchObject({
      code: 'DATABASE_ERROR',
      details: { sqlState: '42501' },
    })
  })

  it('do not let a type parser bring the process down, and say the statement is committed', async () => {
    const types = {
      getTypeParser: () => () => {
        throw new Error('parser')
      },
    }
    const write = tenancy.query('acme', {
      text: `insert into notes (body) values ('parsed') returning body`,
      types,
    })
    await expect(write).rejects.toMatchObject({ code: 'RESULT_UNREADABLE', details: { committed: true } })
    expect((await tenancy.query('acme', `select 1 from notes where body = 'parsed'`)).rowCount).toBe(1)
  })
})

function circular(): object {
  const object: Record<string, unknown> = {}
  object.self = object
  return object
}

describe('a named statement', () => {
  it('recovers when the shape of its result has changed', async () => {
    const single = world.tenancy({ pool: world.pool({ max: 1 }) })
    await single.query('acme', 'create table drifting (a int)')
    const read = () => single.query('acme', { name: 'drift', text: 'select * from drifting' })
    for (let i = 0; i < 3; i++) await read()
    await single.query('acme', 'alter table drifting add column b text')
    const first = await read().then(
      () => 'fine',
      (error: TenancyError) => error.details.sqlState,
    )
    expect(['fine', '0A000']).toContain(first)
    expect((await read()).fields.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  it('recovers when somebody emptied the session', async () => {
    const pool = world.pool({ max: 1 })
    const single = world.tenancy({ pool })
    const read = () => single.query('acme', { name: 'emptied', text: 'select 1 as one' })
    for (let i = 0; i < 3; i++) await read()
    await pool.query('discard all')
    expect((await read()).rows).toEqual([{ one: 1 }])
    await pool.query('deallocate all')
    expect((await single.withTenant('acme', () => read())).rows).toEqual([{ one: 1 }])
  })
})
