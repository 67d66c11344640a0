import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ERROR_CODES,
  type ErrorCode,
  messageFor,
  publicCode,
  TenancyError,
  toErrorBody,
} from '../src/index.ts'
import { ANY_CHARACTER } from './characters.ts'

const codes = Object.keys(ERROR_CODES) as ErrorCode[]
const SECRET = 'select * from users where password = hunter2'

const loaded = (code: ErrorCode) =>
  new TenancyError(code, SECRET, { details: { field: SECRET }, cause: new Error(SECRET) })

describe('toErrorBody', () => {
  it.each(codes)('%s: status and text of its public code, never message, cause or stack', (code) => {
    const { status, body } = toErrorBody(loaded(code))
    const { details, ...rest } = body.error
    const shown = publicCode(loaded(code))
    expect(status).toBe(ERROR_CODES[shown].status)
    expect(rest).toEqual({ code: shown, message: ERROR_CODES[shown].text.en })
    expect(details).toEqual(status < 500 ? { field: SECRET } : undefined)
    if (status >= 500) expect(JSON.stringify(body)).not.toContain('hunter2')
  })

  it('tells a client nothing of the inside: of all codes above 499 only four', () => {
    const shown = new Set(codes.map((code) => publicCode(loaded(code))))
    expect([...shown].filter((code) => ERROR_CODES[code].status >= 500).sort()).toEqual([
      'DATABASE_ERROR',
      'INTERNAL_ERROR',
      'SERVICE_UNAVAILABLE',
      'UNKNOWN_OUTCOME',
    ])
  })

  it('answers every code a client can act on by itself', () => {
    for (const code of codes) if (ERROR_CODES[code].status < 500) expect(publicCode(loaded(code))).toBe(code)
  })

  it.each([
    ['an Error', new Error(SECRET)],
    ['a string', SECRET],
    ['undefined', undefined],
    ['null', null],
    ['a number', 404],
    [
      'an object that looks like ours',
      { name: 'TenancyError', code: 'NOT_FOUND', status: 404, details: { SECRET } },
    ],
    ['an error with a status', Object.assign(new Error(SECRET), { status: 404, code: 'NOT_FOUND' })],
    [
      'a marked object with a code there is not',
      { [Symbol.for('@org/core/TenancyError')]: true, code: 'toString', status: 200, details: { SECRET } },
    ],
    [
      'a marked object with the code __proto__',
      { [Symbol.for('@org/core/TenancyError')]: true, code: '__proto__', status: 200, details: { SECRET } },
    ],
  ])('makes an internal error of %s', (_, thrown) => {
    expect(toErrorBody(thrown)).toEqual({
      status: 500,
      body: { error: { code: 'INTERNAL_ERROR', message: ERROR_CODES.INTERNAL_ERROR.text.en } },
    })
  })

  it("takes the status from the code, not from the error's own word", () => {
    const error = Object.assign(new TenancyError('DATABASE_ERROR', SECRET, { details: { field: SECRET } }), {
      status: 400,
    })
    expect(toErrorBody(error).status).toBe(500)
    expect(JSON.stringify(toErrorBody(error))).not.toContain('hunter2')
  })

  it('leaves out details that are empty, and adds the request id', () => {
    const { body } = toErrorBody(new TenancyError('NOT_FOUND', 'text'), { requestId: 'r-1' })
    expect(body).toEqual({ error: { code: 'NOT_FOUND', message: 'Not found.', requestId: 'r-1' } })
  })

  it('speaks the language asked for', () => {
    const message = (locale: string) =>
      toErrorBody(new TenancyError('NOT_FOUND', 'x'), { locale }).body.error.message
    expect([message('en'), message('pt'), message('es')]).toEqual([
      'Not found.',
      'Não encontrado.',
      'No encontrado.',
    ])
  })
})

describe('messageFor', () => {
  const { en, pt, es } = ERROR_CODES.NOT_FOUND.text

  it.each([
    ['pt', pt],
    ['pt-BR', pt],
    ['PT-br', pt],
    ['es-419', es],
    ['en-US,en;q=0.9', en],
    ['pt-BR,pt;q=0.9,en-US;q=0.8,en;q=0.7', pt],
    ['fr-CH, fr;q=0.9, es;q=0.8, de;q=0.7', es],
    [' es ; q=0.5 ,fr', es],
    ['es;q=0.5,pt', pt],
    ['en;q=0.1,es;q=0.9', es],
    ['pt;q=0,es', es],
    ['pt;q=0', en],
    ['pt;q=x,es', es],
    ['est', en],
    [['pt', 'es'], pt],
    [{}, en],
    [null, en],
    ['de,fr', en],
    ['*', en],
    ['', en],
    [',,,;;', en],
    ['__proto__', en],
    ['constructor', en],
    ['toString,valueOf,hasOwnProperty', en],
    ['\0', en],
    ['../../etc/passwd', en],
  ])('%j', (locale, expected) => expect(messageFor('NOT_FOUND', locale)).toBe(expected))

  it('answers in English when asked for nothing', () => {
    expect(messageFor('NOT_FOUND')).toBe(en)
    expect(toErrorBody(new TenancyError('NOT_FOUND', 'x'), {}).body.error.message).toBe(en)
  })

  it('always finds one of its own sentences, whatever the header holds', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...codes),
        fc.string({ unit: ANY_CHARACTER, maxLength: 300 }),
        (code, locale) => {
          expect(Object.values(ERROR_CODES[code].text)).toContain(messageFor(code, locale))
        },
      ),
    )
  })

  it('reads only the beginning of an endless header', () => {
    expect(messageFor('NOT_FOUND', `${'x,'.repeat(50)}pt`)).toBe(pt)
    expect(messageFor('NOT_FOUND', `${'x,'.repeat(100_000)}pt`)).toBe(en)
  })
})
