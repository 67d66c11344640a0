import { beforeEach, describe, expect, it } from 'vitest'
import { assertKeyUnused, type KeyUseOptions, keysInUse, rotate } from '../../src/index.ts'
import { KEY_1, KEY_2, ring } from '../support/envelopes.ts'
import { stored, useTenants } from '../support/tenants.ts'
import { fill } from './fleet-world.ts'

const world = useTenants(['a', 'b'])
const [old, both] = [ring(KEY_1), ring(KEY_2, [KEY_1])]
const [oldId, newId] = [old.keyId ?? '', both.keyId ?? '']

const fleet = (options: Partial<KeyUseOptions> = {}): KeyUseOptions => ({
  tenants: ['a', 'b'],
  withTenant: (tenant, fn) => world.app.withTenant(tenant, fn),
  secrets: both,
  ...options,
})
const outcome = (keyId: string, options: KeyUseOptions) =>
  assertKeyUnused(keyId, options).then(
    () => 'unused',
    (error: { code: string; details: unknown }) => ({ code: error.code, ...(error.details as object) }),
  )

beforeEach(async () => {
  for (const tenant of ['a', 'b']) await world.app.withTenant(tenant, (db) => fill(db, old))
})

describe('a retired key', () => {
  it('is needed as long as one value of one tenant is sealed under it', async () => {
    expect((await keysInUse(fleet())).foundUnder).toEqual({ [oldId]: 10 })
    expect(await outcome(oldId, fleet())).toEqual({ code: 'KEY_IN_USE', reason: 'values', count: 10 })
    const last = (await stored(world, 'b')).s4
    await rotate(fleet())
    await world.app.query('b', `update app_settings set value = $1 where key = 's4'`, [last])
    expect((await keysInUse(fleet())).foundUnder).toEqual({ [oldId]: 1, [newId]: 9 })
    expect(await outcome(oldId, fleet())).toEqual({ code: 'KEY_IN_USE', reason: 'values', count: 1 })
    await rotate(fleet())
    expect(await outcome(oldId, fleet())).toBe('unused')
    expect(await outcome(newId, fleet())).toMatchObject({ reason: 'values', count: 10 })
  })

  it('is kept when not everything could be looked at', async () => {
    await rotate(fleet())
    const used = { code: 'KEY_IN_USE', reason: 'tenants' }
    expect(await outcome(oldId, fleet({ tenants: ['a', 'b', 'gone'] }))).toMatchObject(used)
    expect(await outcome(oldId, fleet({ tenants: [] }))).toMatchObject(used)
    expect(await outcome(oldId, fleet({ signal: AbortSignal.abort() }))).toMatchObject(used)
    await world.app.query('a', `update app_settings set value = 'enc:v1:AAAA' where key = 's4'`)
    expect(await outcome(oldId, fleet())).toEqual({ code: 'KEY_IN_USE', reason: 'unreadable', count: 1 })
  })

  it('is not proven unused by a part of the tenants', async () => {
    await world.app.withTenant('b', (db) => db.query('delete from app_settings'))
    const part = { ...fleet(), startAfter: 'a' }
    expect(await outcome(oldId, part)).toEqual({ code: 'INVALID_OPTION', option: 'startAfter' })
  })

  it('is looked for without changing anything', async () => {
    const before = [await stored(world, 'a'), await stored(world, 'b')]
    await keysInUse(fleet())
    await outcome(oldId, fleet())
    expect([await stored(world, 'a'), await stored(world, 'b')]).toEqual(before)
  })

  it('may be called anything', async () => {
    for (const id of ['__proto__', 'constructor', '']) expect(await outcome(id, fleet())).toBe('unused')
  })
})
