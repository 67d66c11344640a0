import { TenancyError } from '@org/core'
import { startWireProxy } from '@org/pg-testing'
import fc from 'fast-check'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { fingerprintOf } from '../../src/idempotency/fingerprint.ts'
import { IDEMPOTENCY_MIGRATION, type IdempotentRequest, idempotency } from '../../src/idempotency/index.ts'
import { parseIdempotencyKey } from '../../src/idempotency/key.ts'
import { acme, codeOf, useLevel } from '../support/levels.ts'

const world = useLevel('role', async () => {}, [IDEMPOTENCY_MIGRATION])
const made = () => idempotency({ scopes: world.tenancy, sealing: world.setting.sealing })
const request = {
  tenant: acme,
  principal: 'u',
  handler: 'h',
  fingerprint: { method: 'POST', url: '/', body: '' },
}

describe('cost', () => {
  it('is no round trip', async () => {
    const proxy = await startWireProxy({ target: world.setting.directUrl })
    const pool = new pg.Pool({ connectionString: proxy.url, max: 1 })
    const scopes = world.setting.tenancy('role', { pool, adminPool: world.setting.world.admin })
    await scopes.query(acme, 'select 1')
    const trips = []
    const work = async (db: { query(text: string): Promise<unknown> }) => {
      await db.query('select 1')
      return 'x'
    }
    proxy.reset()
    await scopes.withTenant(acme, work)
    trips.push(proxy.roundTrips())
    proxy.reset()
    await idempotency({ scopes, sealing: world.setting.sealing }).once({ ...request, key: 'trips' }, work)
    trips.push(proxy.roundTrips())
    expect(trips).toEqual([2, 2])
    await pool.end()
    await proxy.close()
  })
})

describe('a connection that is lost while it is asked why the claim failed', () => {
  it('is told as that, never as a mistake of the caller’s', async () => {
    await made().once({ ...request, key: 'asked' }, async () => 'first')
    let scopes = 0
    const failing = idempotency({
      sealing: world.setting.sealing,
      scopes: {
        withTenant: (tenant, fn) => {
          scopes += 1
          if (scopes === 2) return Promise.reject(new TenancyError('CONNECTION_LOST', 'lost'))
          return world.tenancy.withTenant(tenant, fn)
        },
      },
    })
    expect(await codeOf(failing.once({ ...request, key: 'asked' }, async () => 'again'))).toBe(
      'CONNECTION_LOST',
    )
    scopes = 2
    expect(await failing.once({ ...request, key: 'asked' }, async () => 'again')).toMatchObject({
      answer: 'first',
    })
  })
})

describe('inside a scope that is open already', () => {
  it('a claim that is awaited ends only its own savepoint', async () => {
    const inner = (body: string) =>
      made().once(
        { ...request, key: 'nested' },
        async (db) => {
          await db.query('insert into notes (body) values ($1)', [body])
          return body
        },
        { awaited: true },
      )
    const outcomes = await world.tenancy.withTenant(acme, async (db) => {
      const both = [await inner('first'), await inner('second')]
      await db.query(`insert into notes (body) values ('outer')`)
      return both
    })
    expect(outcomes).toEqual([
      { answer: 'first', replayed: false },
      { answer: 'first', replayed: true },
    ])
  })
})

describe('input', () => {
  it.each([
    ['tenant', { tenant: 5 }],
    ['principal', { principal: '' }],
    ['handler', { handler: 'x'.repeat(201) }],
    ['key', { key: 'a\0' }],
    ['key', { key: 'x'.repeat(256) }],
    ['fingerprint', { fingerprint: new Uint8Array(31) }],
    ['body', { fingerprint: { method: 'POST', url: '/', body: { n: 1n } } }],
  ])('%s is refused by name', async (field, bad) => {
    const asked = { ...request, key: 'k', ...bad } as IdempotentRequest
    await expect(made().once(asked, async () => 'x')).rejects.toMatchObject({ details: { field } })
  })

  it('options are refused by name', async () => {
    const code = (options: object) => codeOf(Promise.resolve().then(() => idempotency(options as never)))
    const good = { scopes: world.tenancy, sealing: world.setting.sealing }
    for (const bad of [{ scopes: {} }, { sealing: {} }, { keep: 1 }, { wait: 0 }, { lease: 0.5 }]) {
      expect(await code({ ...good, ...bad })).toBe('INVALID_OPTION')
    }
  })

  it('a key is one header of printable characters, in quotes or without', () => {
    expect(parseIdempotencyKey('"8e03978e-40d5"')).toBe('8e03978e-40d5')
    expect(parseIdempotencyKey('abc')).toBe('abc')
    expect(parseIdempotencyKey(undefined)).toBeUndefined()
    for (const bad of ['', '""', 'a b', 'a, b', 'ä', '"a', 'a\n', 'x'.repeat(300), ['a', 'b'], 5, '\\']) {
      expect(() => parseIdempotencyKey(bad)).toThrow(expect.objectContaining({ code: 'VALIDATION_ERROR' }))
    }
  })

  it('equal bodies have one fingerprint, whatever the order of their names; others have another', () => {
    const of = (body: unknown, url = '/') => fingerprintOf({ method: 'POST', url, body }).toString('hex')
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const same = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
        expect(of(a) === of(b)).toBe(same || (a === null && b === null))
        expect(of(sorted(a))).toBe(of(a))
      }),
    )
    expect(of('', '/?a=1&b=2')).toBe(of('', '/?b=2&a=1'))
    expect(of('', '/?a=1')).not.toBe(of('', '/?a=2'))
    // Of one name the order may mean something.
    expect(of('', '/?sort=b&x=1&sort=a')).toBe(of('', '/?x=1&sort=b&sort=a'))
    expect(of('', '/?sort=a&sort=b')).not.toBe(of('', '/?sort=b&sort=a'))
    expect(of('text')).toBe(of(Buffer.from('text')))
  })
})

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, member]) => [name, sorted(member)]))
}
