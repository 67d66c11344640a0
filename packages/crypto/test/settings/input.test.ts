import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineSettings, secret, text } from '../../src/index.ts'
import { ANY_CHARACTER } from '../support/characters.ts'
import { KEY_1, ring } from '../support/envelopes.ts'
import { counting, stored, useTenants } from '../support/tenants.ts'
import { codeOf } from '../support/world.ts'

const world = useTenants(['acme'])
const acme = <T>(fn: Parameters<typeof world.app.withTenant<T>>[1]) => world.app.withTenant('acme', fn)

const settings = defineSettings(
  {
    any: z.unknown(),
    sealed: secret(z.unknown()),
    raw: text(z.string()),
    rawSealed: secret(text(z.string())),
  },
  { secrets: ring(KEY_1, [], { format: 'v2' }) },
)

describe('any JSON value', () => {
  it('round-trips, in clear and sealed', { tags: 'slow' }, async () => {
    await acme((db) =>
      fc.assert(
        fc.asyncProperty(fc.jsonValue(), async (value) => {
          const expected: unknown = JSON.parse(JSON.stringify(value))
          await settings.setMany(db, { any: value, sealed: value })
          expect(await settings.get(db, 'any')).toEqual(expected)
          expect(await settings.get(db, 'sealed')).toEqual(expected)
        }),
        { numRuns: 100 },
      ),
    )
  })

  it('that looks like something else round-trips too', async () => {
    for (const value of [
      'enc:v1:',
      'enc:v1:AAAA',
      'enc:v2:k:x',
      '',
      'null',
      '12',
      '"',
      '\\u0000',
      '__proto__',
    ]) {
      await acme((db) => settings.setMany(db, { any: value, sealed: value, raw: value, rawSealed: value }))
      const all = await acme((db) => settings.list(db, { reveal: ['sealed', 'rawSealed'] }))
      expect(Object.values(all).map((entry) => entry.value)).toEqual([value, value, value, value])
    }
    await acme((db) => settings.setMany(db, { any: '\0\ud800', sealed: '\0\ud800', rawSealed: '\0' }))
    expect(await acme((db) => settings.get(db, 'any'))).toBe('\0\ud800')
    expect(await acme((db) => settings.get(db, 'sealed'))).toBe('\0\ud800')
    expect(await acme((db) => settings.get(db, 'rawSealed'))).toBe('\0')
    const nested = JSON.parse('{"__proto__":{"a":1},"constructor":null}') as unknown
    await acme((db) => settings.set(db, 'any', nested))
    expect((await stored(world, 'acme')).any).toBe('{"__proto__":{"a":1},"constructor":null}')
  })

  it('of text round-trips as text', async () => {
    const string = fc.string({ unit: ANY_CHARACTER }).filter((value) => !value.includes('\0'))
    await acme((db) =>
      fc.assert(
        fc.asyncProperty(string, async (value) => {
          await settings.setMany(db, { raw: value, rawSealed: value })
          expect(await settings.get(db, 'raw')).toBe(value)
          expect(await settings.get(db, 'rawSealed')).toBe(value)
        }),
        { numRuns: 50 },
      ),
    )
  })
})

describe('any key', () => {
  it('that fits can be used', { tags: 'slow' }, async () => {
    const key = fc
      .string({ unit: ANY_CHARACTER, minLength: 1, maxLength: 60 })
      .filter((name) => !name.includes('\0'))
    await acme((db) =>
      fc.assert(
        fc.asyncProperty(
          fc.oneof(key, fc.constantFrom('__proto__', 'constructor', "a'b", 'a"b', '$1')),
          async (name) => {
            const one = defineSettings(Object.fromEntries([[name, secret(z.number())]]), {
              secrets: ring(KEY_1),
            })
            await one.set(db, name, 1)
            expect(await one.get(db, name)).toBe(1)
            expect(Object.keys(await one.list(db))).toEqual([name])
            expect(await one.delete(db, name)).toBe(true)
          },
        ),
        { numRuns: 50 },
      ),
    )
  })

  it('that does not is refused', () => {
    for (const name of ['', 'a\0', 'é'.repeat(128), '\ud800']) {
      expect(() => defineSettings({ [name]: z.string() })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION' }),
      )
    }
  })

  it('that is not defined is refused before anything is sent', async () => {
    await acme(async (db) => {
      const counted = counting(db)
      for (const key of ['nope', 'toString', '__proto__', '', undefined, 1, {}]) {
        expect(settings.isKey(key)).toBe(false)
        const unknown = key as 'any'
        expect(await codeOf(settings.get(counted, unknown))).toBe('VALIDATION_ERROR')
        expect(await codeOf(settings.getEntry(counted, unknown))).toBe('VALIDATION_ERROR')
        expect(await codeOf(settings.set(counted, unknown, 1))).toBe('VALIDATION_ERROR')
        expect(await codeOf(settings.delete(counted, unknown))).toBe('VALIDATION_ERROR')
        expect(await codeOf(settings.list(counted, { keys: [unknown] }))).toBe('VALIDATION_ERROR')
        expect(await codeOf(settings.list(counted, { reveal: [unknown as never] }))).toBe('VALIDATION_ERROR')
      }
      expect(await codeOf(settings.setMany(counted, { nope: 1 } as never))).toBe('VALIDATION_ERROR')
      expect(await codeOf(settings.setMany(counted, null as never))).toBe('VALIDATION_ERROR')
      expect(await codeOf(settings.setMany(counted, [] as never))).toBe('VALIDATION_ERROR')
      expect(await codeOf(settings.list(counted, { keys: 'any' as never }))).toBe('VALIDATION_ERROR')
      expect(await codeOf(settings.set(counted, 'any', 1, { ifUpdatedAt: new Date() as never }))).toBe(
        'VALIDATION_ERROR',
      )
      expect(await codeOf(settings.set(counted, 'any', 1, { ifUpdatedAt: 'a\0' }))).toBe('VALIDATION_ERROR')
      expect(counted.statements()).toBe(0)
    })
  })
})

describe('a value that would not come back the same', () => {
  class Thing {
    name = 'hunter2'
  }
  const circle: { self?: unknown } = {}
  circle.self = circle
  let deep: unknown = 'hunter2'
  for (let i = 0; i < 100_000; i++) deep = [deep]
  const throwing = {
    toJSON: () => {
      throw new Error('hunter2')
    },
  }

  it.each([
    undefined,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1n,
    Symbol('hunter2'),
    () => 'hunter2',
    new Map([['hunter2', 1]]),
    new Set(['hunter2']),
    new Thing(),
    Buffer.from('hunter2').subarray(0, 0).buffer,
    new Uint8Array(2),
    [undefined],
    { a: [{ b: Number.NaN }] },
    circle,
    deep,
    throwing,
  ])('is refused: case %#', async (value) => {
    await acme(async (db) => {
      const counted = counting(db)
      const error = await settings.set(counted, 'any', value).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'VALIDATION_ERROR', details: { setting: 'any' } })
      expect(error).not.toHaveProperty('cause')
      expect(String(error)).not.toContain('hunter2')
      expect(counted.statements()).toBe(0)
    })
  })

  it('as text is refused too', async () => {
    await acme(async (db) => {
      for (const value of ['\ud800', 'a\0', 5, null])
        expect(await codeOf(settings.set(db, 'raw', value as string))).toBe('VALIDATION_ERROR')
      expect(await codeOf(settings.set(db, 'rawSealed', '\ud800'))).toBe('VALIDATION_ERROR')
    })
  })

  it('because its reader would see a string, not a Date', async () => {
    const dated = defineSettings({ at: z.date() })
    expect(await codeOf(acme((db) => dated.set(db, 'at', new Date())))).toBe('VALIDATION_ERROR')
  })
})

describe('a validator', () => {
  it('has its words kept back: they may quote the value', async () => {
    const quoting = (message: (value: unknown) => string) =>
      z.record(z.string(), z.unknown()).superRefine((value, context) => {
        context.addIssue({ code: 'custom', message: message(value), path: Object.keys(value), input: value })
      })
    const throwing = z.unknown().refine((value) => {
      throw new Error(`no: ${JSON.stringify(value)}`)
    })
    const chatty = defineSettings(
      { a: quoting((value) => `no: ${JSON.stringify(value)}`), b: secret(throwing), c: throwing },
      { secrets: ring(KEY_1) },
    )
    await acme(async (db) => {
      for (const work of [
        chatty.set(db, 'a', { hunter2: 'hunter3' }),
        chatty.set(db, 'b', { hunter2: 'hunter3' }),
        chatty.set(db, 'c', { hunter2: 'hunter3' }),
      ]) {
        const error = await work.catch((reason: unknown) => reason)
        expect(error).toMatchObject({ code: 'VALIDATION_ERROR' })
        expect(error).not.toHaveProperty('cause')
        expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('hunter')
      }
    })
  })
})

describe('a mistake in the set-up', () => {
  it('is refused at once', () => {
    const refused = (make: () => unknown) =>
      expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', name: 'TenancyError' }))
    refused(() => defineSettings(null as never))
    refused(() => defineSettings({ a: 'string' } as never))
    refused(() => defineSettings({ a: null } as never))
    refused(() => defineSettings({ a: { schema: 1, secret: true, text: false } } as never))
    refused(() => secret(null as never))
    refused(() => text('x' as never))
    refused(() => defineSettings({}, null as never))
    refused(() => defineSettings({}, { secret: ring(KEY_1) } as never))
    refused(() => defineSettings({}, { secrets: 'key' } as never))
    refused(() => defineSettings({}, { secrets: {} } as never))
    refused(() => defineSettings({}, { allowPlaintext: 'yes' } as never))
  })

  it('such as a pool instead of a handle is refused before anything is sent', async () => {
    const sent: string[] = []
    const pool = { query: async (text: string) => void sent.push(text) }
    for (const db of [
      pool,
      { ...pool, tenant: '' },
      { ...pool, tenant: 5 },
      { tenant: 'acme' },
      null,
      undefined,
    ]) {
      const wrong = db as never
      expect(await codeOf(settings.get(wrong, 'any'))).toBe('INVALID_OPTION')
      expect(await codeOf(settings.list(wrong))).toBe('INVALID_OPTION')
      expect(await codeOf(settings.set(wrong, 'any', 1))).toBe('INVALID_OPTION')
      expect(await codeOf(settings.setMany(wrong, { any: 1 }))).toBe('INVALID_OPTION')
      expect(await codeOf(settings.delete(wrong, 'any'))).toBe('INVALID_OPTION')
    }
    expect(sent).toEqual([])
  })
})
