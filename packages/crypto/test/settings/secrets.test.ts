import { TenancyError } from '@org/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineSettings, type PlaintextUse, secret, text } from '../../src/index.ts'
import { keyRingFromEnv } from '../../src/keys/key-ring.ts'
import { KEY_1, KEY_2, ring, sealedElsewhere } from '../support/envelopes.ts'
import { counting, stored, useTenants } from '../support/tenants.ts'
import { codeOf } from '../support/world.ts'

const world = useTenants(['acme', 'globex'])
const acme = <T>(fn: Parameters<typeof world.app.withTenant<T>>[1]) => world.app.withTenant('acme', fn)

const definitions = { password: secret(z.string()), other: secret(z.string()), open: z.string() }
const settings = defineSettings(definitions, { secrets: ring(KEY_1) })

const put = (tenant: string, key: string, value: string | undefined) =>
  world.app.query(
    tenant,
    'insert into app_settings values ($1, $2) on conflict (key) do update set value = excluded.value',
    [key, value],
  )

afterEach(() => vi.restoreAllMocks())

describe('a secret', () => {
  it('opens only where it was put: not in another tenant, not in another setting', async () => {
    await acme((db) => settings.set(db, 'password', 'hunter2'))
    const { password } = await stored(world, 'acme')
    expect(password).not.toContain('hunter2')
    await put('globex', 'password', password)
    await put('acme', 'other', password)
    const elsewhere = world.app.withTenant('globex', (db) => settings.get(db, 'password'))
    expect(await codeOf(elsewhere)).toBe('ENVELOPE_UNREADABLE')
    expect(await codeOf(acme((db) => settings.get(db, 'other')))).toBe('ENVELOPE_UNREADABLE')
    expect(await acme((db) => settings.get(db, 'password'))).toBe('hunter2')
  })

  it('is bound to the tenant of the handle, whatever tenant a function is asked for', async () => {
    const asked: string[] = []
    const perTenant = defineSettings(definitions, {
      secrets: async (tenant) => {
        asked.push(tenant)
        return ring(tenant === 'acme' ? KEY_1 : KEY_2)
      },
    })
    await acme((db) => perTenant.setMany(db, { password: 'a', other: 'b', open: 'c' }))
    await world.app.withTenant('globex', (db) => perTenant.set(db, 'password', 'g'))
    expect(asked).toEqual(['acme', 'globex'])
    await acme((db) => perTenant.get(db, 'open'))
    expect(asked).toHaveLength(2)
    expect(await acme((db) => settings.get(db, 'password'))).toBe('a')
    const wrongKey = world.app.withTenant('globex', (db) => settings.get(db, 'password'))
    expect(await codeOf(wrongKey)).toBe('ENVELOPE_UNREADABLE')
  })

  it('sealed elsewhere as plain text is read with text() and a ring that accepts it', async () => {
    await put('acme', 'legacy', sealedElsewhere(KEY_1, 'hunter2'))
    const strict = defineSettings({ legacy: secret(text(z.string())) }, { secrets: ring(KEY_1) })
    const lenient = defineSettings(
      { legacy: secret(text(z.string())) },
      { secrets: ring(KEY_1, [], { acceptUnbound: true }) },
    )
    expect(await codeOf(acme((db) => strict.get(db, 'legacy')))).toBe('ENVELOPE_UNREADABLE')
    expect(await acme((db) => lenient.get(db, 'legacy'))).toBe('hunter2')
  })
})

describe('without a key', () => {
  it.each([
    ['no ring', undefined],
    ['a ring without keys', keyRingFromEnv({})],
  ])('storing a secret is refused before anything is sent: %s', async (_, secrets) => {
    const keyless = defineSettings(definitions, { secrets })
    await acme(async (db) => {
      const counted = counting(db)
      expect(await codeOf(keyless.set(counted, 'password', 'hunter2'))).toBe('KEY_MISSING')
      expect(await codeOf(keyless.setMany(counted, { open: 'x', password: 'hunter2' }))).toBe('KEY_MISSING')
      expect(counted.statements()).toBe(0)
      await keyless.set(counted, 'open', 'fine')
    })
  })

  it.each([
    ['no ring', undefined],
    ['a ring without keys', keyRingFromEnv({})],
  ])('allowPlaintext stores it in clear and says so, without the value: %s', async (_, secrets) => {
    const uses: PlaintextUse[] = []
    const plain = defineSettings(definitions, { secrets, allowPlaintext: (use) => void uses.push(use) })
    await acme(async (db) => {
      await plain.setMany(db, { password: 'hunter2', open: 'x' })
      expect(await plain.get(db, 'password')).toBe('hunter2')
    })
    expect((await stored(world, 'acme')).password).toBe('"hunter2"')
    expect(uses).toEqual([
      { tenant: 'acme', key: 'password', action: 'stored' },
      { tenant: 'acme', key: 'password', action: 'read' },
    ])
    // The one that has a key, and was not told to, does not take it.
    expect(await codeOf(acme((db) => settings.get(db, 'password')))).toBe('ENVELOPE_UNREADABLE')
  })

  it('allowPlaintext: true warns the process, once', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const plain = defineSettings(definitions, { allowPlaintext: true })
    await acme(async (db) => {
      await plain.set(db, 'password', 'hunter2')
      await plain.set(db, 'other', 'hunter3')
    })
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn.mock.calls[0]?.[1]).toEqual({ code: 'ORG_CRYPTO_PLAINTEXT' })
    expect(String(warn.mock.calls[0]?.[0])).not.toContain('hunter')
  })

  it('plaintext that reads as an envelope is refused: its reader could not tell', async () => {
    const plain = defineSettings({ raw: secret(text(z.string())) }, { allowPlaintext: () => {} })
    expect(await codeOf(acme((db) => plain.set(db, 'raw', 'enc:v1:not')))).toBe('VALIDATION_ERROR')
  })
})

describe('with a key', () => {
  it('allowPlaintext still seals', async () => {
    const uses: PlaintextUse[] = []
    const both = defineSettings(definitions, {
      secrets: ring(KEY_1),
      allowPlaintext: (use) => void uses.push(use),
    })
    await acme((db) => both.set(db, 'password', 'hunter2'))
    expect((await stored(world, 'acme')).password).toMatch(/^enc:v1:/)
    expect(uses).toEqual([])
  })

  it('allowPlaintext is no way around a failure to seal', async () => {
    const broken = {
      ...ring(KEY_1),
      open: () => '',
      openBytes: () => new Uint8Array(),
      examine: () => ({ format: 'v1', keyId: null, bound: true, current: true }) as const,
      reseal: () => null,
      seal: () => {
        throw new TenancyError('KEY_SERVICE_UNAVAILABLE', 'The key service does not answer.')
      },
    }
    const failing = defineSettings(definitions, { secrets: broken, allowPlaintext: () => {} })
    expect(await codeOf(acme((db) => failing.set(db, 'password', 'hunter2')))).toBe('KEY_SERVICE_UNAVAILABLE')
  })

  it.each(['KEY_MISSING', 'KEY_SERVICE_UNAVAILABLE'] as const)(
    "allowPlaintext is no way around a tenant's own key that fails with %s",
    async (code) => {
      const failing = defineSettings(definitions, {
        secrets: () => {
          throw new TenancyError(code, 'The key of this tenant is gone.')
        },
        allowPlaintext: () => {},
      })
      expect(await codeOf(acme((db) => failing.set(db, 'password', 'hunter2')))).toBe(code)
      const empty = defineSettings(definitions, {
        secrets: () => keyRingFromEnv({}),
        allowPlaintext: () => {},
      })
      expect(await codeOf(acme((db) => empty.set(db, 'password', 'hunter2')))).toBe('KEY_MISSING')
    },
  )
})
