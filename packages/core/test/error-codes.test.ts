import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../src/index.ts'

/** The codes and statuses an API promises its clients. */
const PROMISED = {
  VALIDATION_ERROR: 400,
  TENANT_MISMATCH: 400,
  UNAUTHORIZED: 401,
  INVALID_TOKEN: 401,
  TOKEN_EXPIRED: 401,
  TENANT_NOT_FOUND: 401,
  TENANT_SUSPENDED: 403,
  FORBIDDEN_ACTION: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  DUPLICATE_RESOURCE: 409,
  RATE_LIMITED: 429,
  INTERNAL_ERROR: 500,
  DATABASE_ERROR: 500,
  SERVICE_UNAVAILABLE: 503,
} as const

const entries = Object.entries(ERROR_CODES)

describe('the codes', () => {
  it.each(Object.entries(PROMISED))('%s has status %i', (code, status) => {
    expect(ERROR_CODES).toHaveProperty(`${code}.status`, status)
  })

  it.each(entries)('%s has a status and a text in each language', (code, { status, text }) => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
    expect(status).toSatisfy((value: number) => Number.isInteger(value) && value >= 400 && value <= 599)
    expect(Object.keys(text).sort()).toEqual(['en', 'es', 'pt'])
    expect(new Set(Object.values(text)).size).toBe(3)
    for (const sentence of Object.values(text)) expect(sentence).toMatch(/^\p{Lu}.{5,150}\.$/u)
  })

  it('tell a person nothing of the inside', () => {
    const inside = /sql|postgres|schema|role|savepoint|commit|connection|pool|transaction|query/i
    for (const [, { text }] of entries) {
      for (const sentence of Object.values(text)) expect(sentence).not.toMatch(inside)
    }
  })

  it('say the same for everything that is our own fault', () => {
    const plain = ERROR_CODES.INTERNAL_ERROR.text
    for (const code of ['DATABASE_ERROR', 'SCOPE_ESCAPED', 'CROSS_TENANT', 'STATEMENT_REFUSED'] as const) {
      expect(ERROR_CODES[code].text).toEqual(plain)
    }
  })
})
