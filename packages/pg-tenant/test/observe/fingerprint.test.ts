import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fingerprint, normalise, operationOf } from '../../src/observe/fingerprint.ts'

describe('fingerprint', () => {
  it('is that of the shape', () => {
    const shape = normalise('select a from t where id in ($1, $2) and b = 7')
    expect(shape).toBe('select a from t where id in ( ? ) and b = ?')
    expect(normalise(`SELECT  a\nfrom t where id in (1,2, 'x',4) and b = $$x$$ -- why`)).toBe(shape)
    expect(fingerprint('select 1')).toBe(fingerprint('select  $1 /* c */'))
    expect(fingerprint('select a')).not.toBe(fingerprint('select "A"'))
  })

  it('has no literal in it, however it is written', () => {
    const literal = fc
      .string({ maxLength: 20 })
      .map((text) => `canary${text}`.replaceAll('\0', ''))
      .chain((text) =>
        fc.constantFrom(
          `'${text.replaceAll("'", "''")}'`,
          `e'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`,
          `$x$${text.replaceAll('$', '')}$x$`,
          `n'${text.replaceAll("'", "''")}'`,
          `u&'${text.replaceAll("'", "''")}'`,
          `/*${text.replaceAll(/[*/]/g, '')}*/ 1`,
          `--${text.replaceAll(/[\r\n]/g, '')}\n 1`,
        ),
      )
    fc.assert(
      fc.property(literal, (sql) => {
        expect(normalise(`select ${sql} as x from t`)).toBe('select ? as x from t')
      }),
    )
  })

  it('says nothing of what cannot be read or is no SQL', () => {
    expect(normalise(`select 'canary`)).toBe('?')
    expect(normalise(`select ${'1,'.repeat(60_000)}`)).toBe('?')
    expect(operationOf('canary 1')).toBe('OTHER')
    expect(operationOf(' -- c\n (Select 1)')).toBe('SELECT')
  })
})
