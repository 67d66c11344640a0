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
