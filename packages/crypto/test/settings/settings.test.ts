import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineSettings, MASKED, secret, text } from '../../src/index.ts'
import { KEY_1, ring } from '../support/envelopes.ts'
import { counting, stored, useTenants } from '../support/tenants.ts'
import { codeOf } from '../support/world.ts'

const world = useTenants(['acme', 'globex', 'fresh'])

const settings = defineSettings(
  {
    'smtp.host': z.string().min(1),
    'smtp.port': z.number().int().default(587),
    'smtp.password': secret(z.string()),
    'api.token': secret(z.string()),
    'brand.colours': v.object({ primary: v.string(), accents: v.array(v.string()) }),
    'legal.footer': text(z.string()),
    since: z.coerce.date(),
    slug: z.string().refine(async (slug) => slug === slug.toLowerCase()),
  },
  { secrets: ring(KEY_1) },
)

const acme = <T>(fn: Parameters<typeof world.app.withTenant<T>>[1]) => world.app.withTenant('acme', fn)

describe('settings', () => {
  it('come back as they were set, and are readable by other programs', async () => {
    await acme(async (db) => {
      await settings.set(db, 'smtp.host', 'smtp.example.com')
      await settings.set(db, 'smtp.port', 2525)
      await settings.set(db, 'brand.colours', { primary: '#fff', accents: ['#000'] })
      await settings.set(db, 'legal.footer', 'All rights, "reserved"')
      await settings.set(db, 'since', new Date('2026-01-31T00:00:00Z'))
      await settings.set(db, 'smtp.password', 'hunter2')
    })
    await acme(async (db) => {
      expect(await settings.get(db, 'smtp.host')).toBe('smtp.example.com')
      expect(await settings.get(db, 'smtp.port')).toBe(2525)
      expect(await settings.get(db, 'brand.colours')).toEqual({ primary: '#fff', accents: ['#000'] })
      expect(await settings.get(db, 'legal.footer')).toBe('All rights, "reserved"')
      expect(await settings.get(db, 'since')).toEqual(new Date('2026-01-31T00:00:00Z'))
      expect(await settings.get(db, 'smtp.password')).toBe('hunter2')
    })
    expect(await stored(world, 'acme')).toEqual({
      'smtp.host': '"smtp.example.com"',
      'smtp.port': '2525',
      'brand.colours': '{"primary":"#fff","accents":["#000"]}',
      'legal.footer': 'All rights, "reserved"',
      since: '"2026-01-31T00:00:00.000Z"',
      'smtp.password': expect.stringMatching(/^enc:v1:/),
    })
  })

  it('are absent until set: undefined, or the default of the schema', async () => {
    await world.app.withTenant('fresh', async (db) => {
      expect(await settings.get(db, 'smtp.host')).toBeUndefined()
      expect(await settings.get(db, 'smtp.port')).toBe(587)
      expect(await settings.get(db, 'smtp.password')).toBeUndefined()
      expect(await settings.getEntry(db, 'smtp.port')).toBeUndefined()
      expect(await settings.list(db)).toEqual({})
      expect(await settings.delete(db, 'smtp.host')).toBe(false)
    })
  })

  it('belong to one tenant', async () => {
    await acme((db) => settings.set(db, 'slug', 'acme'))
    await world.app.withTenant('globex', async (db) => {
      expect(await settings.get(db, 'slug')).toBeUndefined()
      await settings.set(db, 'slug', 'globex')
    })
    expect(await acme((db) => settings.get(db, 'slug'))).toBe('acme')
  })

  it('are deleted', async () => {
    await acme(async (db) => {
      await settings.set(db, 'slug', 'gone')
      expect(await settings.delete(db, 'slug')).toBe(true)
      expect(await settings.get(db, 'slug')).toBeUndefined()
    })
  })

  it('are part of the transaction', async () => {
    const failing = acme(async (db) => {
      await settings.setMany(db, { 'smtp.host': 'undone', slug: 'undone' })
      throw new Error('after all, no')
    })
    await expect(failing).rejects.toThrow('after all, no')
    expect(await acme((db) => settings.get(db, 'smtp.host'))).not.toBe('undone')
  })

  it('take one statement each, also several at once', async () => {
    await acme(async (db) => {
      const statements = async (work: (db: ReturnType<typeof counting>) => Promise<unknown>) => {
        const counted = counting(db)
        await work(counted)
        return counted.statements()
      }
      const values = { 'smtp.host': 'a', 'smtp.port': 1, 'smtp.password': 'b', slug: 'c' } as const
      expect(await statements((db) => settings.setMany(db, values))).toBe(1)
      expect(await statements((db) => settings.setMany(db, {}))).toBe(0)
      expect(await statements((db) => settings.get(db, 'smtp.password'))).toBe(1)
      expect(await statements((db) => settings.list(db, { reveal: ['smtp.password'] }))).toBe(1)
      expect(await statements((db) => settings.set(db, 'slug', 'd'))).toBe(1)
      expect(await statements((db) => settings.delete(db, 'slug'))).toBe(1)
    })
  })

  it('are all stored or none when one of several is refused', async () => {
    await acme(async (db) => {
      await settings.set(db, 'smtp.host', 'before')
      const counted = counting(db)
      const refused = settings.setMany(counted, { 'smtp.host': 'after', 'smtp.port': 1.5 })
      expect(await codeOf(refused)).toBe('VALIDATION_ERROR')
      expect(counted.statements()).toBe(0)
      expect(await settings.get(db, 'smtp.host')).toBe('before')
    })
  })
})

describe('a list', () => {
  it('masks secrets unless they are asked for by name', async () => {
    await world.app.withTenant('globex', async (db) => {
      await settings.setMany(db, { 'smtp.host': 'h', 'smtp.port': 25, 'smtp.password': 'hunter2' })
      const masked = await settings.list(db, { keys: ['smtp.password', 'smtp.port', 'smtp.host'] })
      expect(Object.keys(masked)).toEqual(['smtp.host', 'smtp.port', 'smtp.password'])
      expect(masked['smtp.password']?.value).toBe(MASKED)
      expect(JSON.stringify(masked)).not.toContain('hunter2')
      expect(JSON.stringify(masked)).not.toContain('enc:')
      await settings.set(db, 'api.token', 'hunter3')
      const revealed = await settings.list(db, { reveal: ['smtp.password'] })
      expect(revealed['api.token']?.value).toBe(MASKED)
      expect(revealed['smtp.password']?.value).toBe('hunter2')
      expect(revealed['smtp.port']?.value).toBe(25)
    })
  })

  it('masks secrets also where no key is at hand', async () => {
    const keyless = defineSettings({ 'smtp.password': secret(z.string()) })
    await world.app.withTenant('globex', async (db) => {
      expect((await keyless.list(db))['smtp.password']?.value).toBe(MASKED)
      expect(await codeOf(keyless.get(db, 'smtp.password'))).toBe('KEY_MISSING')
    })
  })

  it('leaves out what is not defined here', async () => {
    const one = defineSettings({ 'smtp.host': z.string() })
    await world.app.withTenant('globex', async (db) => {
      expect(Object.keys(await one.list(db))).toEqual(['smtp.host'])
    })
  })
})

describe('a stored value', () => {
  it('that no longer fits its schema is refused, named, and not shown', async () => {
    await acme(async (db) => {
      const put = (key: string, value: string) =>
        db.query(
          'insert into app_settings values ($1, $2) on conflict (key) do update set value = excluded.value',
          [key, value],
        )
      for (const value of ['"hunter2"', 'hunter2', '', '{"a":', '12.5']) {
        await put('smtp.port', value)
        const error = await settings.get(db, 'smtp.port').catch((reason: unknown) => reason)
        expect(error).toMatchObject({
          code: 'RESULT_UNREADABLE',
          details: { setting: 'smtp.port', issues: 1 },
        })
        expect(error).not.toHaveProperty('cause')
        expect(JSON.stringify(error) + String(error)).not.toContain('hunter2')
        expect(await codeOf(settings.list(db))).toBe('RESULT_UNREADABLE')
      }
      await settings.set(db, 'smtp.port', 25)
      expect(await settings.get(db, 'smtp.port')).toBe(25)
    })
  })
})
