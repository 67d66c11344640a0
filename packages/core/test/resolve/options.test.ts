import { describe, expect, it } from 'vitest'
import { fromApiKey, fromClaim, fromHeader, fromPath, fromSubdomain, resolveTenant } from '../../src/index.ts'

/** What calls are given in JavaScript, where no compiler looks. */
const misspelt = (name: string): never => ({ [name]: 1 }) as never

describe('a misspelt option of a resolver', () => {
  it.each([
    ['trustUnautenticated', 'trustUnauthenticated', () => resolveTenant(misspelt('trustUnautenticated'))],
    ['verifyTokens', 'verifyToken', () => fromClaim(misspelt('verifyTokens'))],
    ['authenticateApikey', 'authenticateApiKey', () => fromApiKey(misspelt('authenticateApikey'))],
    ['name', 'names', () => fromHeader(misspelt('name'))],
    ['ingore', 'ignore', () => fromPath(misspelt('ingore'))],
    ['baseDomain', 'baseDomains', () => fromSubdomain(misspelt('baseDomain'))],
  ])('%s is told by name, with %s', (option, nearest, call) => {
    expect(call).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', details: { option, nearest } }) as Error,
    )
  })
})
