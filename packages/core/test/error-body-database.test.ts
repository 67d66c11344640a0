import { describe, expect, it } from 'vitest'
import { TenancyError, toErrorBody } from '../src/index.ts'
import { type Violation, violatedField } from '../src/violated-field.ts'

const INSIDE = {
  schema: 'c_acme',
  table: 'user',
  column: 'email',
  constraint: 'user_email_key',
  dataType: 'text',
}

describe('an error of the database over HTTP', () => {
  it('says which field exists already, and names no part of the database', () => {
    const error = new TenancyError('DUPLICATE_RESOURCE', 'x', { details: { sqlState: '23505', ...INSIDE } })
    expect(toErrorBody(error)).toMatchObject({
      status: 409,
      body: { error: { code: 'DUPLICATE_RESOURCE', details: { field: 'email' } } },
    })
    expect(JSON.stringify(toErrorBody(error))).not.toMatch(/c_acme|constraint|23505|_key/)
  })

  it("prefers the field that was told, and keeps an application's own details", () => {
    const error = new TenancyError('DUPLICATE_RESOURCE', 'x', {
      details: { ...INSIDE, field: 'e-mail', n: 1 },
    })
    expect(toErrorBody(error).body.error.details).toEqual({ field: 'e-mail', n: 1 })
  })

  it('leaves details out when only the inside is known', () => {
    const error = new TenancyError('CONFLICT', 'x', { details: { sqlState: '23503', ...INSIDE } })
    expect(toErrorBody(error)).toMatchObject({ status: 409 })
    expect(toErrorBody(error).body.error).not.toHaveProperty('details')
  })

  it.each([
    ['a serialization failure', 'CONFLICT', { sqlState: '40001' }],
    ['a deadlock', 'CONFLICT', { sqlState: '40P01' }],
    ['a statement timeout', 'TIMEOUT', {}],
    ['a full pool', 'POOL_EXHAUSTED', { reason: null }],
    ['a lost connection', 'CONNECTION_LOST', {}],
    ['a missing schema', 'SCHEMA_MISSING', {}],
  ] as const)('%s will pass: 503 and Retry-After', (_, code, details) => {
    expect(toErrorBody(new TenancyError(code, 'x', { details }))).toMatchObject({
      status: 503,
      retryAfter: 1,
      body: { error: { code: 'SERVICE_UNAVAILABLE' } },
    })
  })

  it('a conflict that stays is none of them', () => {
    const answer = toErrorBody(new TenancyError('CONFLICT', 'x', { details: { sqlState: '23503' } }))
    expect(answer.status).toBe(409)
    expect(answer).not.toHaveProperty('retryAfter')
  })

  it('a lost COMMIT is told apart from what can be tried again', () => {
    const answer = toErrorBody(new TenancyError('UNKNOWN_OUTCOME', 'x'))
    expect(answer).toMatchObject({ status: 500, body: { error: { code: 'UNKNOWN_OUTCOME' } } })
    expect(answer).not.toHaveProperty('retryAfter')
  })

  it.each([
    [12.2, 13],
    [1_000_000, 86_400],
    [0, undefined],
    [-1, undefined],
    [Number.NaN, undefined],
    ['7', undefined],
  ])('Retry-After of a rate limit told as %s is %s', (retryAfter, expected) => {
    const error = new TenancyError('RATE_LIMITED', 'x', { details: { retryAfter } })
    expect(toErrorBody(error).retryAfter).toBe(expected)
  })
})

describe('violatedField', () => {
  it.each<[Violation, string | undefined]>([
    [{ detail: 'Key (email)=(ann@x) already exists.' }, 'email'],
    [{ detail: 'Schlüssel »(email)=(ann@x)« existiert bereits.' }, 'email'],
    [{ detail: 'Key (tenant_id, email)=(acme, ann@x) already exists.' }, 'email'],
    [{ detail: 'Key (tool, action)=(a, b) already exists.' }, 'tool, action'],
    [{ detail: 'Key (lower(email))=(ann@x) already exists.' }, 'email'],
    [{ detail: 'Key (lower((email)::text))=(ann@x) already exists.' }, 'email'],
    // A value that imitates the form comes too late to be taken for a column.
    [{ detail: 'Key (md5(secret))=((password)=(1)) already exists.' }, undefined],
    // The detail of a CHECK is the row, which may imitate the form from its beginning.
    [
      { code: '23514', detail: 'Failing row contains (ann)=().', table: 'word', constraint: 'five' },
      undefined,
    ],
    [{ code: '23505', detail: 'Key (email)=(ann@x) already exists.' }, 'email'],
    [{ detail: 'Key ("odd ""name")=(x) already exists.' }, undefined],
    [{ table: 'user', constraint: 'user_email_key' }, 'email'],
    [{ table: 'user', constraint: 'user_email_key1' }, 'email'],
    [{ table: 'user', constraint: 'idx_user_email' }, 'email'],
    [{ table: 'user', constraint: 'user_tenant_id_email_idx' }, 'email'],
    [{ table: 'user', constraint: 'user_pkey' }, undefined],
    [{ table: 'user', constraint: 'one_boss_key' }, undefined],
    [{ table: 'user', constraint: 'user_email' }, undefined],
    [{ detail: 5, table: null, constraint: {} }, undefined],
    [{}, undefined],
  ])('of %j is %s', (violation, field) => expect(violatedField(violation)).toBe(field))
})
