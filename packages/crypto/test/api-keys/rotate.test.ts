import { describe, expect, it } from 'vitest'
import { createApiKeys, type IssuedApiKey, type RotateOptions } from '../../src/api-keys/index.ts'
import { aName, failure, NEWER, noDatabase, PEPPER, useKeyWorld } from './support.ts'

const T0 = Date.parse('2030-01-01T00:00:00.000Z')
const clock = { ms: T0 }
const keys = useKeyWorld({ now: () => new Date(clock.ms) })
const { apiKeys, as } = keys

const issue = (expiresAt: Date | null = null): Promise<IssuedApiKey> =>
  as('acme', (db) => apiKeys.create(db, { name: aName(), profile: 'write', expiresAt }))
const rotate = (id: string, options?: RotateOptions) => as('acme', (db) => apiKeys.rotate(db, id, options))
const verify = (key: string) => as('acme', (db) => apiKeys.verify(db, key))
const works = (key: string): Promise<boolean> =>
  verify(key).then(
    () => true,
    (error: { code: string }) => {
      expect(error.code).toBe('INVALID_TOKEN')
      return false
    },
  )

describe('a rotation', () => {
  it('gives the same key a new secret, and the old one works until the overlap ends', async () => {
    const old = await issue()
    const fresh = await rotate(old.record.id, { overlap: 60 })
    expect(fresh.record).toMatchObject({
      id: old.record.id,
      keyId: old.record.keyId,
      name: old.record.name,
      overlapUntil: new Date(clock.ms + 60_000),
    })
    expect(fresh.key).not.toBe(old.key)
    expect(await verify(fresh.key)).toMatchObject({ id: old.record.id, superseded: false })
    expect(await verify(old.key)).toMatchObject({ id: old.record.id, superseded: true })
    clock.ms += 59_999
    expect(await works(old.key)).toBe(true)
    clock.ms += 1
    expect([await works(old.key), await works(fresh.key)]).toEqual([false, true])
  })

  it('without overlap ends every older secret at once, also in an overlap', async () => {
    const first = await issue()
    const second = await rotate(first.record.id)
    const third = await rotate(first.record.id, { overlap: 0 })
    expect([await works(first.key), await works(second.key), await works(third.key)]).toEqual([
      false,
      false,
      true,
    ])
    expect(third.record.overlapUntil).toBeNull()
  })

  it('is refused while the last one overlaps: nobody is cut off who was promised time', async () => {
    const first = await issue()
    const second = await rotate(first.record.id, { overlap: 10 })
    expect(await failure(rotate(first.record.id))).toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'overlap' },
    })
    expect([await works(first.key), await works(second.key)]).toEqual([true, true])
    expect(await as('acme', (db) => apiKeys.endOverlap(db, first.record.id))).toMatchObject({
      overlapUntil: null,
    })
    expect([await works(first.key), await works(second.key)]).toEqual([false, true])
    const third = await rotate(first.record.id)
    expect([await works(second.key), await works(third.key)]).toEqual([true, true])
  })

  it('keeps the expiry, or sets a new one; an expired key needs one', async () => {
    const expiresAt = new Date(clock.ms + 1_000)
    const old = await issue(expiresAt)
    const kept = await rotate(old.record.id, { overlap: 0 })
    expect(kept.record.expiresAt).toEqual(expiresAt)
    clock.ms += 1_000
    expect(await failure(rotate(old.record.id))).toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'expired' },
    })
    const later = new Date(clock.ms + 1_000)
    expect((await rotate(old.record.id, { expiresAt: later, overlap: 0 })).record.expiresAt).toEqual(later)
    expect((await rotate(old.record.id, { expiresAt: null, overlap: 0 })).record.expiresAt).toBeNull()
  })

  it('does not outlive an expiry or a revocation', async () => {
    const old = await issue(new Date(clock.ms + 1_000))
    const fresh = await rotate(old.record.id, { overlap: 3_600 })
    clock.ms += 1_000
    for (const { key } of [old, fresh])
      expect(await failure(verify(key))).toMatchObject({ code: 'TOKEN_EXPIRED' })
    const other = await issue()
    const newer = await rotate(other.record.id, { overlap: 3_600 })
    await as('acme', (db) => apiKeys.revoke(db, other.record.id))
    for (const { key } of [other, newer]) {
      expect(await failure(verify(key))).toMatchObject({
        code: 'INVALID_TOKEN',
        details: { reason: 'revoked' },
      })
    }
    expect(await failure(rotate(other.record.id))).toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'revoked' },
    })
  })

  it('of a key of the other environment is refused', async () => {
    const testing = createApiKeys({ peppers: [PEPPER], env: 'test' })
    const { record } = await as('acme', (db) => testing.create(db, { name: aName(), profile: 'write' }))
    expect(await failure(rotate(record.id))).toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'environment' },
    })
  })

  it('spans two peppers: the old secret under the old one, the new under the new', async () => {
    const old = await issue()
    const both = createApiKeys({ peppers: [NEWER, PEPPER], now: () => new Date(clock.ms) })
    const fresh = await as('acme', (db) => both.rotate(db, old.record.id))
    for (const [key, superseded] of [
      [old.key, true],
      [fresh.key, false],
    ] as const) {
      expect(await as('acme', (db) => both.verify(db, key))).toMatchObject({ superseded })
    }
  })

  it.each([
    { overlap: -1 },
    { overlap: 1.5 },
    { overlap: 2_592_001 },
    { overlap: '60' },
    { overlap: Number.NaN },
    { hours: 1 },
  ])('refuses %j before any SQL', async (options) => {
    const id = '00000000-0000-4000-8000-000000000000'
    const error = await failure(apiKeys.rotate(noDatabase, id, options as RotateOptions))
    expect(error).toMatchObject({ code: 'VALIDATION_ERROR' })
  })
})

describe('ten rotations at once', () => {
  const ten = async (overlap: number) => {
    const old = await issue()
    const tenancy = keys.world.tenancy({ pool: keys.world.pool({ max: 10 }) })
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () =>
        tenancy.withTenant('acme', async (db) => {
          const issued = await apiKeys.rotate(db, old.record.id, { overlap })
          return issued
        }),
      ),
    )
    const issued = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    return { old, issued, refused }
  }

  it('leave one new secret, and the one that everybody holds goes on working', async () => {
    const { old, issued, refused } = await ten(60)
    expect(issued).toHaveLength(1)
    for (const error of refused) {
      expect(error).toMatchObject({ code: 'CONFLICT' })
      expect(['overlap', 'rotated']).toContain(error.details.reason)
    }
    expect(await works(old.key)).toBe(true)
    expect(await works(issued[0]?.key ?? '')).toBe(true)
  })

  it('without overlap leave exactly one that works', async () => {
    const { old, issued } = await ten(0)
    expect(issued.length).toBeGreaterThanOrEqual(1)
    const working = await Promise.all([old, ...issued].map(({ key }) => works(key)))
    expect(working.filter(Boolean)).toHaveLength(1)
    expect(working[0]).toBe(false)
  })

  it('that all read the same secret: one takes its place, nine are told', async () => {
    const { record, key } = await issue()
    const tenancy = keys.world.tenancy({ pool: keys.world.pool({ max: 10 }) })
    // Every scope has read before any one writes.
    let read = 0
    let go = (): void => {}
    const allHaveRead = new Promise<void>((resolve) => {
      go = resolve
    })
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () =>
        tenancy.withTenant('acme', (db) =>
          apiKeys.rotate(
            {
              tenant: db.tenant,
              query: async (text, values) => {
                if (text.trimStart().startsWith('update')) {
                  read += 1
                  if (read === 10) go()
                  await allHaveRead
                }
                return db.query(text, values)
              },
            },
            record.id,
            { overlap: 0 },
          ),
        ),
      ),
    )
    const issued = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.key] : []))
    expect(issued).toHaveLength(1)
    expect(
      results.filter((result) => result.status === 'rejected' && result.reason.details.reason === 'rotated'),
    ).toHaveLength(9)
    expect([await works(key), await works(issued[0] ?? '')]).toEqual([false, true])
  })
})
