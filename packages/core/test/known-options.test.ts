import { describe, expect, it } from 'vitest'
import { requireKnownOptions } from '../src/index.ts'

const NAMES = { statementTimeout: true, lockTimeout: true, pool: true, to: true } as const
const refused = (options: unknown, within?: string) => {
  try {
    requireKnownOptions(options, NAMES, within)
    return 'accepted'
  } catch (error) {
    const { code, message, details } = error as Error & { code: string; details: object }
    return { code, message, ...details }
  }
}

describe('requireKnownOptions', () => {
  it.each([{}, { pool: 1, to: 2 }, undefined, null, 5, 'x', []])(
    'leaves %j to whoever reads it',
    (options) => {
      expect(refused(options)).toBe('accepted')
    },
  )

  it.each([
    ['statmentTimeout', 'statementTimeout'],
    ['statementTimeOut', 'statementTimeout'],
    ['statementTiemout', 'statementTimeout'],
    ['locktimeout', 'lockTimeout'],
    ['poll', 'pool'],
    ['POOL', 'pool'],
  ])('%s: did you mean %s?', (name, nearest) => {
    expect(refused({ [name]: 1 })).toEqual({
      code: 'INVALID_OPTION',
      message: `There is no option "${name}". Did you mean "${nearest}"?`,
      option: name,
      nearest,
    })
  })

  it('lists all where none is near, and says which option holds it', () => {
    expect(refused({ colour: 1 }, 'row')).toEqual({
      code: 'INVALID_OPTION',
      message: 'There is no option "row.colour". There are: statementTimeout, lockTimeout, pool, to.',
      option: 'row.colour',
    })
  })

  it('does not take what every object has for a name, nor repeat a long one', () => {
    expect(refused({ toString: 1 })).toMatchObject({ option: 'toString' })
    expect(refused(JSON.parse('{"__proto__": 1}'))).toMatchObject({ option: '__proto__' })
    expect(refused({ ['x'.repeat(9_000)]: 1 })).toMatchObject({ option: 'x'.repeat(40) })
  })
})
