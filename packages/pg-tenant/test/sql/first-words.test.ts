import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { refuseUnsafe } from '../../src/scope/refuse.ts'
import { firstWords } from '../../src/sql/first-words.ts'
import { quoteIdentifier } from '../../src/sql/identifier.ts'

let client: pg.Client

beforeAll(async () => {
  client = new pg.Client(inject('pgTenantServerUrl'))
  await client.connect()
})
afterAll(() => client.end())

/** What may stand before the first word of a statement. */
const noise = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ' ',
        '\n',
        '\t',
        '\r',
        '\f',
        ';',
        '; ;',
        '/**/',
        '/* x */',
        '/* a /* nested */ b */',
        '-- line\n',
        '--\r',
      ),
      fc.string({ maxLength: 5 }).map((text) => `/* ${text.replaceAll(/[*/\0]/g, '')} */`),
      fc.string({ maxLength: 5 }).map((text) => `-- ${text.replaceAll(/[\n\r\0]/g, '')}\n`),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))

const mixCase = (word: string) =>
  fc
    .array(fc.boolean(), { minLength: word.length, maxLength: word.length })
    .map((upper) => [...word].map((char, i) => (upper[i] ? char.toUpperCase() : char)).join(''))

describe('firstWords', () => {
  it('finds the word PostgreSQL finds', async () => {
    await fc.assert(
      fc.asyncProperty(noise, noise, mixCase('show'), async (before, between, show) => {
        const gap = between.includes(';') ? ' ' : between || ' '
        const text = `${before}${show}${gap}server_version`
        expect(firstWords(text).words.slice(0, 2)).toEqual(['show', 'server_version'])
        const { rows } = await client.query({ text, queryMode: 'extended' } as pg.QueryConfig)
        expect(rows).toHaveLength(1)
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['', []],
    ['   ', []],
    ['/* never closed', []],
    ['-- to the end', []],
    ['((select 1))', ['select', '1']],
    ['"commit"', []],
    ['commit;', ['commit']],
    ['select*from t', ['select']],
    ['DECLARE c CURSOR WITH HOLD FOR x', ['declare', 'c', 'cursor', 'with', 'hold', 'for', 'x']],
  ])('of %j', (text, words) => {
    expect(firstWords(text).words).toEqual(words)
  })

  it('takes linear time', () => {
    expect(firstWords(`${'/*'.repeat(200_000)}commit`).words).toEqual([])
    expect(firstWords(`${' ;('.repeat(200_000)}commit`).words).toEqual(['commit'])
  })
})

describe('refuseUnsafe', () => {
  const refused = [
    'commit',
    'COMMIT AND CHAIN',
    'end',
    'rollback',
    'rollback to savepoint x',
    'abort',
    'begin',
    'start transaction',
    'savepoint x',
    'release x',
    'prepare transaction $$x$$',
    'prepare p as select 1',
    'execute p',
    'deallocate all',
    'set role x',
    'set session authorization x',
    'set search_path = x',
    'set local search_path = x',
    'set transaction read only',
    'reset all',
    'discard all',
    'listen x',
    'unlisten *',
    `notify x, 'payload'`,
    `notify "x", 'payload'`,
    `notify x /* */ , 'payload'`,
    `notify x, e'a'\n'\\'b'`,
    'load $$x$$',
    'copy notes to stdout',
    'close all',
    'declare c cursor with hold for select 1',
    'declare c no scroll cursor with /* x */ hold for select 1',
  ]
  const allowed = [
    'select 1',
    'with x as (select 1) select * from x',
    'insert into t values (1)',
    'set constraints all deferred',
    'declare c cursor for select 1',
    'declare c cursor without hold for select 1',
    'close c',
    'notify x',
    'notify x; -- a, b',
    'lock table t',
    'create table commit_log (a int)',
    'values (1)',
    'table notes',
    'explain select 1',
    'do $$ begin end $$',
    'show search_path',
  ]

  it.each(refused)('refuses %s behind anything', (text) => {
    fc.assert(
      fc.property(noise, (before) => {
        expect(() => refuseUnsafe(before + text)).toThrow(/does not run/)
      }),
    )
  })

  it.each(allowed)('lets %s through behind anything', (text) => {
    fc.assert(
      fc.property(noise, (before) => {
        expect(() => refuseUnsafe(before + text)).not.toThrow()
      }),
    )
  })
})

describe('quoteIdentifier', () => {
  it('quotes as PostgreSQL does, whatever the name', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1, maxLength: 20 }), async (name) => {
        fc.pre(!name.includes('\0') && !/[\ud800-\udfff]/.test(name))
        const { rows } = await client.query(`select 1 as ${quoteIdentifier(name)}`)
        expect(Object.keys(rows[0] as object)).toEqual([name])
      }),
      { numRuns: 200 },
    )
    expect(() => quoteIdentifier('')).toThrow(RangeError)
    expect(() => quoteIdentifier('a\0b')).toThrow(RangeError)
  })
})
