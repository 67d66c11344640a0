import { isTenancyError, type Row } from '@org/core'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy, TenantDb } from '../../src/index.ts'
import { forbiddenCommands } from '../../src/testing/attack/attacks/forbidden-commands.ts'
import { useWorld } from '../support/world.ts'

const world = useWorld()
let tenancy: Tenancy
beforeAll(() => {
  tenancy = world.tenancy()
})

const codeOrRows = async (db: TenantDb, sql: string): Promise<string | readonly Row[]> => {
  try {
    return (await db.query(sql)).rows
  } catch (error) {
    if (isTenancyError(error)) return error.code
    throw error
  }
}

/** Anything PostgreSQL's scanner skips in front of a statement, and what it does not. */
const space = fc.constantFrom(' ', '\n', '\t', '\r', '\f', '  \n ')
const line = fc.string({ maxLength: 8 }).map((text) => `--${text.replace(/[\n\r\0]/g, '')}\n`)
const block: fc.Arbitrary<string> = fc.letrec<{ block: string }>((tie) => ({
  block: fc
    .tuple(fc.string({ maxLength: 6 }), fc.option(tie('block'), { nil: '' }))
    .map(([text, inner]) => `/*${text.replace(/[*/\0]/g, ' ')}${inner}*/`),
})).block
const prefix = fc
  .array(fc.oneof(space, line, block, fc.constant(';')), { maxLength: 6 })
  .map((parts) => parts.join(''))
const cased = (sql: string) =>
  fc
    .array(fc.boolean(), { minLength: sql.length, maxLength: sql.length })
    .map((upper) => [...sql].map((char, at) => (upper[at] ? char.toUpperCase() : char)).join(''))

const FORBIDDEN = forbiddenCommands('c_globex')

describe('commands a scope does not run', () => {
  it.each(FORBIDDEN)('%s', async (sql) => {
    const code = await tenancy.withTenant('acme', (db) => codeOrRows(db, sql))
    expect(code).toBe('STATEMENT_REFUSED')
  })

  it.each(FORBIDDEN)('%s, in one round trip', async (sql) => {
    await expect(tenancy.query('acme', sql)).rejects.toMatchObject({ code: 'STATEMENT_REFUSED' })
  })

  it('are refused behind any prefix and in any letter case; the scope stays usable', async () => {
    const command = fc.constantFrom(...FORBIDDEN.filter((sql) => !sql.includes('"'))).chain(cased)
    await tenancy.withTenant('acme', async (db) => {
      await fc.assert(
        fc.asyncProperty(prefix, command, async (before, sql) => {
          expect(await codeOrRows(db, before + sql)).toBe('STATEMENT_REFUSED')
        }),
        { numRuns: 300 },
      )
      expect(await codeOrRows(db, 'select 1 as one')).toEqual([{ one: 1 }])
    })
  })

  it('are not seen in what begins alike or holds their words', async () => {
    const harmless = fc.constantFrom(
      `select 'commit' as x`,
      'select 1 as x /* rollback */',
      'table notes',
      '(select 1 as x)',
      'values (1)',
      'select 1 as "begin"',
      'with x as (select 1) select * from x -- commit',
    )
    await tenancy.withTenant('acme', async (db) => {
      await fc.assert(
        fc.asyncProperty(prefix, harmless, async (before, sql) => {
          expect(await codeOrRows(db, before + sql)).toBeInstanceOf(Array)
        }),
        { numRuns: 200 },
      )
    })
  })

  it('never run, whatever stands in front of them', async () => {
    const junk = fc
      .array(
        fc.constantFrom(
          ' ',
          '\n',
          '--',
          '/*',
          '*/',
          ';',
          '(',
          "'",
          '"',
          '$$',
          'e',
          '\v',
          '\u00a0',
          '\ufeff',
          '*',
          '/',
          '-',
        ),
        {
          maxLength: 7,
        },
      )
      .map((parts) => parts.join(''))
    await fc.assert(
      fc.asyncProperty(
        junk,
        fc.constantFrom('commit', 'rollback', 'commit and chain', 'reset role'),
        async (before, sql) => {
          const code = await tenancy
            .withTenant('acme', (db) => codeOrRows(db, before + sql))
            .catch((error) => error.code)
          // Refused by us, refused by the server as nonsense, or all of it a comment: never executed.
          const silenced = Array.isArray(code) && code.length === 0 && /--|\/\*/.test(before)
          if (!silenced) expect(code).toMatch(/^(STATEMENT_REFUSED|DATABASE_ERROR|SILENT_ROLLBACK)$/)
        },
      ),
      { numRuns: 300 },
    )
  })
})
