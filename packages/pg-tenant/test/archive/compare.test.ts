import { describe, expect, it } from 'vitest'
import { requireSame } from '../../src/archive/structure/compare.ts'
import { PHASE } from '../../src/archive/structure/statement.ts'

const constraint = (name: string, definition: string) => ({
  what: `constraint ${name} of "t t"`,
  phase: PHASE.privilege - 1,
  sql: `alter table here."t t" add constraint ${name} ${definition}`,
})
const between = { words: false, privileges: true }

describe('structures of two major versions', () => {
  it('are the same where NOT NULL has another name, or is said of the column', () => {
    const column = {
      ...constraint('', ''),
      what: 'column here."t t".body state',
      sql: 'alter table x alter body set not null',
    }
    const named = constraint('"odd NOT NULL name"', 'NOT NULL body NO INHERIT')
    expect(() => requireSame([column], [named], between)).not.toThrow()
  })

  it('are not where a CHECK that speaks of NOT NULL is another', () => {
    const [one, other] = ['first', 'second'].map((name) =>
      constraint(name, 'CHECK ((body IS NOT NULL OR id > 0))'),
    )
    expect(() => requireSame([one as never], [other as never], between)).toThrow(
      expect.objectContaining({ code: 'CONFLICT', details: expect.objectContaining({ count: 2 }) }),
    )
  })
})

describe('a table whose last column with large values was dropped', () => {
  const table = (options: string) => ({
    what: 'table here.t',
    phase: PHASE.privilege - 1,
    sql: `create table here.t (a text)${options}`,
  })
  const within = { words: true, privileges: true }
  const kept = table(" with (fillfactor = '50', toast.autovacuum_enabled = 'off')")

  it.each([
    [kept, " with (fillfactor = '50')", true],
    [table(" with (toast.autovacuum_enabled = 'off')"), '', true],
    [kept, '', false],
    [kept, " with (fillfactor = '50', toast.autovacuum_enabled = 'on')", false],
  ])('%j may come back %j: %j', (before, options, same) => {
    const compare = () => requireSame([before], [table(options)], within)
    if (same) expect(compare).not.toThrow()
    else expect(compare).toThrow(expect.objectContaining({ code: 'CONFLICT' }))
  })
})

describe('a definition that the server words in another way once it has read it', () => {
  const is = (definition: string) => constraint('c', `CHECK (${definition})`)
  const within = { words: true, privileges: true }
  const differs = (before: string, after: string) => {
    try {
      requireSame([is(before)], [is(after)], within)
      return false
    } catch {
      return true
    }
  }

  it.each([
    [
      `(a)::text = ANY ((ARRAY['x'::varchar, '(,]'::varchar])::text[])`,
      `(a)::text = ANY (ARRAY[('x'::varchar)::text, ('(,]'::varchar)::text])`,
    ],
    [
      `a = (ARRAY[(f(b, 1))::int, 2])::numeric(5,2)[]`,
      `a = ARRAY[((f(b, 1))::int)::numeric(5,2), (2)::numeric(5,2)]`,
    ],
    [`a = (ARRAY[ARRAY['b'], ARRAY['c']])::text[]`, `a = ARRAY[ARRAY[('b')::text], ARRAY[('c')::text]]`],
    [`a::text = ANY (ARRAY['x'::varchar]::text[])`, `a::text = ANY (ARRAY['x'::varchar::text])`],
    ['(((n >= 1) AND (n <= 5)) AND (m > 0))', '((n >= 1) AND (n <= 5) AND (m > 0))'],
    [`UNION SELECT b, NULL::"char" FROM b`, `UNION SELECT b, NULL::"char" AS "char" FROM b`],
    ['UNION SELECT b, ((c + 1))::bigint FROM b', 'UNION SELECT b, ((c + 1))::bigint AS int8 FROM b'],
    ['UNION SELECT NULL::s.t, (b)::s.t[]', 'UNION SELECT NULL::s.t AS t, (b)::s.t[] AS t'],
    ['EXTRACT(YEAR FROM d)', 'EXTRACT(year FROM d)'],
    ['(t LEFT JOIN u ON TRUE)', '(t LEFT JOIN u ON (true))'],
    ['((((n < 1) OR (n > 5)) OR (m > 0)) OR (o))', '((n < 1) OR (n > 5) OR (m > 0) OR (o))'],
  ])('%s is the same', (before, after) => expect(differs(before, after)).toBe(false))

  it.each([
    [`a = ANY ((ARRAY['x'::varchar])::text[])`, `a = ANY (ARRAY[('y'::varchar)::text])`],
    [`a = ANY ((ARRAY['x'::varchar])::text[])`, `a = ANY (ARRAY[('x'::varchar)::name])`],
    [`a = '(ARRAY[b])::text[]'`, `a = 'ARRAY[(b)::text]'`],
    ['UNION SELECT NULL::date', 'UNION SELECT NULL::date AS d'],
    ['UNION SELECT NULL::date', 'UNION SELECT NULL::timestamp AS date'],
    ['EXTRACT(year FROM d)', 'EXTRACT(month FROM d)'],
    ['f(YEAR)', 'f("YEAR")'],
    // A cast of columns, which may be arrays; of nothing; of what is no array; to a type that stands further on.
    [`a = ANY ((ARRAY[b, c])::text[])`, `a = ANY (ARRAY[(b)::text, (c)::text])`],
    [`a = ANY ((ARRAY['{1}'::int[]])::text[])`, `a = ANY (ARRAY[('{1}'::int[])::text])`],
    ['f(ARRAY[]::text[])', 'f(ARRAY[]::int[])'],
    [`f((ARRAY['x'])::text, b::int[])`, `f((ARRAY['x']), b::int[])`],
    ['(NOT (a AND b) AND c)', '(NOT a AND b AND c)'],
    ['(x = (a AND b) AND c)', '(x = a AND b AND c)'],
    ['(f(a AND b) AND c)', '(f a AND b AND c)'],
    // However deep.
    [`${'('.repeat(20_000)}a${' AND b)'.repeat(20_000)}`, `(a${' AND b'.repeat(19_999)})`],
    ['(((a) OR (b)) AND (c))', '((a) OR (b) AND (c))'],
    ['((a) AND ((b) OR (c)))', '((a) AND (b) OR (c))'],
    ['(((a) AND (b)) OR (c))', '((a) AND (b) OR (c))'],
  ])('%s is not %s', (before, after) => expect(differs(before, after)).toBe(true))
})
