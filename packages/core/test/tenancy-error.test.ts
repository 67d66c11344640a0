import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES, type ErrorCode, isTenancyError, TenancyError, toErrorBody } from '../src/index.ts'

const codes = Object.keys(ERROR_CODES) as ErrorCode[]

describe('TenancyError', () => {
  it.each(codes)('%s carries its status', (code) => {
    const error = new TenancyError(code, 'text')
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'TenancyError', code, message: 'text', details: {} })
    expect(error.status).toBe(ERROR_CODES[code].status)
  })

  it('keeps details and cause, and has no cause when none is given', () => {
    const cause = new Error('first')
    const error = new TenancyError('CONFLICT', 'text', { details: { table: 'notes', n: 1 }, cause })
    expect(error.details).toEqual({ table: 'notes', n: 1 })
    expect(error.cause).toBe(cause)
    expect(new TenancyError('CONFLICT', 'text')).not.toHaveProperty('cause')
  })

  it('is named in its stack', () => {
    expect(String(new TenancyError('CONFLICT', 'text'))).toBe('TenancyError: text')
    expect(new TenancyError('CONFLICT', 'text').stack).toContain('tenancy-error.test.ts')
  })

  it('does not show its mark in JSON', () => {
    expect(JSON.parse(JSON.stringify(new TenancyError('CONFLICT', 'text')))).toEqual({
      name: 'TenancyError',
      code: 'CONFLICT',
      status: 409,
      details: {},
    })
  })
})

describe('isTenancyError', () => {
  it('knows its own, of any code or of one', () => {
    const error = new TenancyError('CONFLICT', 'text')
    expect(isTenancyError(error)).toBe(true)
    expect(isTenancyError(error, 'CONFLICT')).toBe(true)
    expect(isTenancyError(error, 'NOT_FOUND')).toBe(false)
  })

  it('knows those of another copy of the package', async () => {
    const path = '../src/tenancy-error.ts?another-copy'
    const copy: { TenancyError: typeof TenancyError } = await import(path)
    const error = new copy.TenancyError('NOT_FOUND', 'text', { details: { id: 1 } })
    expect(error).not.toBeInstanceOf(TenancyError)
    expect(isTenancyError(error, 'NOT_FOUND')).toBe(true)
    expect(toErrorBody(error)).toMatchObject({
      status: 404,
      body: { error: { code: 'NOT_FOUND', details: { id: 1 } } },
    })
  })

  it('knows those of another realm, where even Error is another class', () => {
    const source = `const error = Object.assign(new Error('text'), { code: 'NOT_FOUND', status: 404, details: {} })
      Object.defineProperty(error, Symbol.for('@org/core/TenancyError'), { value: true })
      error`
    const error: unknown = runInNewContext(source)
    expect(error).not.toBeInstanceOf(Error)
    expect(isTenancyError(error, 'NOT_FOUND')).toBe(true)
  })

  it.each([
    undefined,
    null,
    'CONFLICT',
    42,
    {},
    [],
    new Error('CONFLICT'),
    { name: 'TenancyError', code: 'CONFLICT', status: 409, details: {} },
    JSON.parse(JSON.stringify(new TenancyError('CONFLICT', 'text'))),
    () => {},
  ])('does not know %o', (value) => {
    expect(isTenancyError(value)).toBe(false)
  })
})
