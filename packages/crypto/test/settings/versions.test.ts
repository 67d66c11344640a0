import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineSettings } from '../../src/index.ts'
import { holding, useTenants, waiting } from '../support/tenants.ts'
import { codeOf, eventually, POOLED } from '../support/world.ts'

const world = useTenants(['acme'])
const acme = <T>(fn: Parameters<typeof world.app.withTenant<T>>[1]) => world.app.withTenant('acme', fn)
const settings = defineSettings({ a: z.number(), b: z.number(), c: z.number(), d: z.number() })

describe('a version', () => {
  // PgBouncer refuses start-up parameters.
  it.skipIf(POOLED)(
    'has microseconds and is the same wherever it comes from, whatever the session shows',
    async () => {
      const { updatedAt } = await acme((db) => settings.set(db, 'a', 1))
      expect(updatedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
      const pool = world.pool({ options: '-c TimeZone=Asia/Kolkata -c DateStyle=German' })
      const tenancy = world.tenancy({ pool })
      await tenancy.withTenant('acme', async (db) => {
        expect((await settings.getEntry(db, 'a'))?.updatedAt).toBe(updatedAt)
        expect((await settings.list(db)).a?.updatedAt).toBe(updatedAt)
        const next = await settings.set(db, 'a', 2, { ifUpdatedAt: updatedAt })
        expect(next.updatedAt > updatedAt).toBe(true)
      })
    },
  )

  it('is never used twice: not in one transaction, not when the clock went back', async () => {
    await acme(async (db) => {
      const seen = new Set<string>()
      for (let i = 0; i < 50; i++) seen.add((await settings.set(db, 'a', i)).updatedAt)
      expect(seen.size).toBe(50)
      await db.query(`update app_settings set updated_at = '2999-01-01T00:00:00Z' where key = 'a'`)
      const later = await settings.set(db, 'a', 1)
      expect(later.updatedAt).toBe('2999-01-01T00:00:00.000001Z')
      expect((await settings.setMany(db, { a: 2 })).a.updatedAt).toBe('2999-01-01T00:00:00.000002Z')
      const last = await settings.set(db, 'a', 2, { ifUpdatedAt: '2999-01-01T00:00:00.000002Z' })
      expect(last.updatedAt).toBe('2999-01-01T00:00:00.000003Z')
    })
  })

  it('that is not the current one is a conflict, and the scope goes on', async () => {
    await acme(async (db) => {
      const { updatedAt } = await settings.set(db, 'a', 1)
      await settings.set(db, 'a', 2)
      expect(await codeOf(settings.set(db, 'a', 3, { ifUpdatedAt: updatedAt }))).toBe('CONFLICT')
      expect(await codeOf(settings.delete(db, 'a', { ifUpdatedAt: updatedAt }))).toBe('CONFLICT')
      expect(await settings.get(db, 'a')).toBe(2)
      const entry = await settings.getEntry(db, 'a')
      expect(await settings.delete(db, 'a', { ifUpdatedAt: entry?.updatedAt ?? '' })).toBe(true)
      expect(await codeOf(settings.set(db, 'a', 3, { ifUpdatedAt: updatedAt }))).toBe('CONFLICT')
      for (const odd of ['', 'x', "'; drop table app_settings", '2026-13-45T99:99:99.000000Z'])
        expect(await codeOf(settings.set(db, 'a', 3, { ifUpdatedAt: odd }))).toBe('CONFLICT')
    })
  })

  it('of null means: only if it is not there', async () => {
    await acme(async (db) => {
      await settings.delete(db, 'b')
      await settings.set(db, 'b', 1, { ifUpdatedAt: null })
      expect(await codeOf(settings.set(db, 'b', 2, { ifUpdatedAt: null }))).toBe('CONFLICT')
      expect(await settings.get(db, 'b')).toBe(1)
    })
  })

  it.each([
    ['a version', async () => (await acme((db) => settings.set(db, 'c', 0))).updatedAt],
    ['absence', async () => acme((db) => settings.delete(db, 'c')).then(() => null)],
  ])('lets exactly one of ten writers through that saw the same: %s', async (_, prepare) => {
    const ifUpdatedAt = await prepare()
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        acme((db) => settings.set(db, 'c', i, { ifUpdatedAt })).then(
          () => i,
          (error: { code: string }) => error.code,
        ),
      ),
    )
    const winners = outcomes.filter((one) => typeof one === 'number')
    expect(winners).toHaveLength(1)
    expect(outcomes.filter((one) => one === 'CONFLICT')).toHaveLength(9)
    expect(await acme((db) => settings.get(db, 'c'))).toBe(winners[0])
  })
})

describe('two setMany with the keys in opposite order', () => {
  /** Holds row `b`, so that both writers are in the middle of theirs when it lets go. */
  async function collide(first: () => Promise<unknown>, second: () => Promise<unknown>): Promise<string[]> {
    await acme((db) => settings.setMany(db, { a: 0, b: 0, c: 0 }))
    const work: Promise<unknown>[] = []
    await holding(world, 'acme', 'b', async () => {
      work.push(first())
      await eventually(waiting(world, 1))
      work.push(second())
      await eventually(waiting(world, 2))
    })
    const ends = await Promise.allSettled(work)
    return ends.map((end) => (end.status === 'fulfilled' ? 'done' : (end.reason as { code: string }).code))
  }

  it('do not deadlock', async () => {
    const ends = await collide(
      () => acme((db) => settings.setMany(db, { a: 1, b: 1, c: 1 })),
      () => acme((db) => settings.setMany(db, { c: 2, b: 2, a: 2 })),
    )
    expect(ends).toEqual(['done', 'done'])
    const values = await acme((db) => settings.list(db, { keys: ['a', 'b', 'c'] }))
    expect(new Set(Object.values(values).map(({ value }) => value)).size).toBe(1)
  })

  it('would, if they took their rows as given (the control)', async () => {
    const oneByOne = (values: ['a' | 'b' | 'c', number][]) =>
      acme(async (db) => {
        for (const [key, value] of values) await settings.set(db, key, value)
      })
    const ends = await collide(
      () =>
        oneByOne([
          ['a', 1],
          ['b', 1],
          ['c', 1],
        ]),
      () =>
        oneByOne([
          ['c', 2],
          ['b', 2],
          ['a', 2],
        ]),
    )
    expect(ends.sort()).toEqual(['CONFLICT', 'done'])
  })
})
