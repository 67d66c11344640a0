// @module-tag sampled
import type { TenantQueryable } from '@org/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { rotate } from '../../src/index.ts'
import { KEY_1, KEY_2, ring } from '../support/envelopes.ts'
import { holding, stored, useTenants } from '../support/tenants.ts'
import { fill, intact, SECRETS, settingsWith } from './fleet-world.ts'

const world = useTenants(['a', 'other'])
const [old, both, fresh] = [ring(KEY_1), ring(KEY_2, [KEY_1]), ring(KEY_2)]
/** Every process during a rotation: half of them still seal under the old key. */
const [late, early] = [settingsWith(ring(KEY_1, [KEY_2])), settingsWith(both)]
const a = <T>(fn: (db: TenantQueryable) => Promise<T>): Promise<T> => world.app.withTenant('a', fn)
const get = () => a((db) => early.get(db, 's2'))

beforeEach(() => a((db) => fill(db, old)))

/** A handle that lets `meanwhile` happen once, right before the first statement that matches. */
function interrupted(
  db: TenantQueryable,
  before: RegExp,
  meanwhile: () => Promise<unknown>,
): TenantQueryable {
  return {
    tenant: db.tenant,
    query: async (text, values) => {
      if (before.test(text)) await meanwhile()
      return db.query(text, values)
    },
  }
}

/** Another process: a scope of its own, not one within the rotation's. */
const elsewhere = <T>(fn: (db: TenantQueryable) => Promise<T>): Promise<T> =>
  world.tenancy().withTenant('a', fn)
const write = (value: string) => elsewhere((db) => late.set(db, 's2', value))

describe('a value written between reading and sealing anew', () => {
  it('survives, and is sealed anew itself', async () => {
    let writes = 0
    const report = await rotate({
      tenants: ['a'],
      secrets: both,
      withTenant: (tenant, fn) =>
        world.app.withTenant(tenant, (db) =>
          fn(
            interrupted(db, /update/, async () => (writes++ === 0 ? write('written meanwhile') : undefined)),
          ),
        ),
    })
    expect(writes).toBe(2)
    expect(await get()).toBe('written meanwhile')
    expect(report).toMatchObject({ examined: 5, resealed: 5, current: 0, busy: 0, complete: true })
    expect(report.foundUnder).toEqual({ [old.keyId ?? '']: 5 })
    expect(await a((db) => settingsWith(fresh).get(db, 's2'))).toBe('written meanwhile')
  })

  it('is lost by the obvious loop (the control)', async () => {
    await a(async (plain) => {
      const db = interrupted(plain, /^update/, () => write('written meanwhile'))
      const { rows } = await db.query<{ value: string }>(`select value from app_settings where key = 's2'`)
      const place = { tenant: 'a', table: 'app_settings', name: 's2' }
      const sealed = both.reseal(rows[0]?.value ?? '', place)
      await db.query(`update app_settings set value = $1 where key = 's2'`, [sealed])
    })
    expect(await get()).toBe('a s2')
  })

  it('that is deleted meanwhile stays deleted', async () => {
    let first = true
    const report = await rotate({
      tenants: ['a'],
      secrets: both,
      withTenant: (tenant, fn) =>
        world.app.withTenant(tenant, (db) =>
          fn(
            interrupted(db, /update/, async () => {
              if (first) await elsewhere((other) => early.delete(other, 's2'))
              first = false
            }),
          ),
        ),
    })
    expect(report).toMatchObject({ examined: 4, resealed: 4, complete: true })
    expect(await get()).toBeUndefined()
  })
})

describe('a row that somebody holds', () => {
  it('is not waited for: the others are done, and it is reported', async () => {
    const before = await stored(world, 'a')
    const run = () =>
      rotate({ tenants: ['a'], secrets: both, withTenant: (tenant, fn) => world.app.withTenant(tenant, fn) })
    const report = await holding(world, 'a', 's2', run)
    expect(report).toMatchObject({ examined: 5, resealed: 4, busy: 1, complete: false, failed: 0 })
    expect((await stored(world, 'a')).s2).toBe(before.s2)
    expect(await run()).toMatchObject({ examined: 5, resealed: 1, current: 4, busy: 0, complete: true })
  })

  it('for a moment only is done within the same run', async () => {
    let [release, locked] = [() => {}, () => {}]
    const isLocked = new Promise<void>((resolve) => (locked = resolve))
    const held = holding(world, 'a', 's2', () => {
      locked()
      return new Promise<void>((resolve) => (release = resolve))
    })
    await isLocked
    let batches = 0
    const report = await rotate({
      tenants: ['a'],
      secrets: both,
      withTenant: async (tenant, fn) => {
        if (++batches === 2) {
          release()
          await held
        }
        return world.app.withTenant(tenant, fn)
      },
    })
    expect(batches).toBe(2)
    expect(report).toMatchObject({ examined: 5, resealed: 5, busy: 0, complete: true })
  })
})

const ROTATIONS = process.env.TEST_SLOW ? 30 : 3

describe('readers and writers, old and new, while rotations run back and forth', () => {
  it('never fail, never read anything but what was last written, and lose nothing', async () => {
    const [forth, back] = [both, ring(KEY_1, [KEY_2])]
    let running = true
    const reads = { n: 0 }
    const reader = async (settings: typeof late) => {
      while (running) {
        await a(async (db) => {
          const all = await settings.list(db, { reveal: SECRETS })
          for (const key of ['s0', 's1', 's3'] as const) expect(all[key]?.value).toBe(`a ${key}`)
          reads.n++
        })
      }
    }
    const last = { s2: 0, s4: 0 }
    const writer = async (key: 's2' | 's4', settings: typeof late) => {
      while (running) {
        const next = last[key] + 1
        await a(async (db) => {
          const entry = await settings.getEntry(db, key)
          if (last[key] > 0) expect(entry?.value).toBe(String(last[key]))
          await settings.set(db, key, String(next), entry && { ifUpdatedAt: entry.updatedAt })
        })
        last[key] = next
      }
    }
    const tenancy = world.tenancy({ pool: world.pool({ max: 2 }) })
    const rotations = async () => {
      try {
        for (let i = 0; i < ROTATIONS || reads.n === 0; i++) {
          const secrets = i % 2 === 0 ? forth : back
          const report = await rotate({
            tenants: ['a'],
            secrets,
            batchSize: 2,
            withTenant: (tenant, fn) => tenancy.withTenant(tenant, fn),
          })
          expect(report).toMatchObject({ failed: 0, unreadable: 0 })
        }
      } finally {
        running = false
      }
    }
    await Promise.all([rotations(), reader(late), reader(early), writer('s2', late), writer('s4', early)])
    expect(reads.n).toBeGreaterThan(0)
    await a(async (db) => {
      expect(await early.get(db, 's2')).toBe(String(last.s2))
      expect(await early.get(db, 's4')).toBe(String(last.s4))
      await fill(db, both)
      expect(await intact(db, both)).toBe(true)
    })
  })
})
