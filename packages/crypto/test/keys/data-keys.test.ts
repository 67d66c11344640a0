import { randomBytes } from 'node:crypto'
import type { Queryable } from '@org/core'
import { expect, it } from 'vitest'
import type { KeyWrapper } from '../../src/keys/key-wrapper.ts'
import { dataKeyMigration } from '../../src/keys/sql.ts'
import { thrown } from '../envelope/places.ts'
import { codeOf } from '../support/world.ts'
import { MASTER, placeOf, testClock, testService, useDataKeys } from './data-key-world.ts'

const { world, process, row } = useDataKeys()

it('a tenant has a key of its own: its secrets open in no other tenant, whatever the place says', async () => {
  const keys = process()
  const [acme, globex] = [await keys.forTenant('acme'), await keys.forTenant('globex')]
  const sealed = acme.seal('hush', placeOf('acme'))
  expect(sealed).toMatch(/^enc:v2:[0-9a-f]{16}:/)
  expect(acme.open(sealed, placeOf('acme'))).toBe('hush')
  expect(thrown(() => globex.open(sealed, placeOf('acme'))).code).toBe('ENVELOPE_UNREADABLE')
  expect(
    await process()
      .forTenant('acme')
      .then((other) => other.open(sealed, placeOf('acme'))),
  ).toBe('hush')
  expect(sealed).toContain((await row('acme'))?.keys[0]?.id)
})

it('ten processes at once make one key', async () => {
  const service = testService()
  // Each has asked for a key of its own before any of them has stored one.
  let wrapped = 0
  let allWrapped = () => {}
  const together = new Promise<void>((resolve) => (allWrapped = resolve))
  const wrapper: KeyWrapper = {
    wrap: async (dataKey, place, signal) => {
      if (++wrapped === 10) allWrapped()
      await together
      return service.wrap(dataKey, place, signal)
    },
    unwrap: (text, place, signal) => service.unwrap(text, place, signal),
  }
  const all = await Promise.all(Array.from({ length: 10 }, () => process({ wrapper }).forTenant('initech')))
  expect(service.wraps).toBe(10)
  expect((await row('initech'))?.keys).toHaveLength(1)
  const sealed = all.map((envelopes, at) => envelopes.seal(`by ${at}`, placeOf('initech')))
  for (const envelopes of all) {
    expect(sealed.map((text) => envelopes.open(text, placeOf('initech')))).toEqual(
      all.map((_, at) => `by ${at}`),
    )
  }
})

it('a row copied from another tenant is refused, also when the service does not care what a key is for', async () => {
  const careless: KeyWrapper = {
    wrap: async (dataKey) => `w:${Buffer.from(dataKey).toString('base64')}`,
    unwrap: async (wrapped) => Buffer.from(wrapped.slice(2), 'base64'),
  }
  for (const [wrapper, mine, theirs] of [
    [testService(), 'hooli', 'piper'],
    [careless, 'hooli2', 'piper2'],
  ] as const) {
    for (const tenant of [mine, theirs]) await process({ wrapper }).forTenant(tenant)
    await world.root.query(
      'update tenant_data_key set keys = (select keys from tenant_data_key where tenant = $2) where tenant = $1',
      [mine, theirs],
    )
    expect(await codeOf(process({ wrapper }).forTenant(mine))).toBe('ENVELOPE_UNREADABLE')
    expect(await process({ wrapper }).forTenant(theirs)).toBeDefined()
  }
})

it('a wrapped key that gives other bytes, or too few, is refused', async () => {
  await process().forTenant('umbrella')
  for (const bytes of [
    randomBytes(32),
    randomBytes(16),
    Buffer.alloc(0),
    'text',
    undefined,
    { length: 32 },
  ]) {
    const wrapper = { ...testService(), unwrap: async () => bytes as Uint8Array }
    expect(await codeOf(process({ wrapper }).forTenant('umbrella'))).toBe('ENVELOPE_UNREADABLE')
  }
})

it('what a service returns must be text that can be stored', async () => {
  for (const wrapped of ['', 'a\nb', 'a\0b', 'ü', 'x'.repeat(8193), 7, undefined]) {
    const wrapper = { ...testService(), wrap: async () => wrapped as string }
    expect(await codeOf(process({ wrapper }).forTenant('wonka'))).toBe('KEY_SERVICE_UNAVAILABLE')
  }
  expect(await row('wonka')).toBeUndefined()
})

it('the service is down: a coded error that says nothing of it, nothing stored, and cached keys go on', async () => {
  const service = testService()
  const keys = process({ wrapper: service })
  const held = await keys.forTenant('acme')
  service.down = true
  expect((await keys.forTenant('acme')).open(held.seal('x', placeOf('acme')), placeOf('acme'))).toBe('x')
  const error = await keys.forTenant('stark').catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'KEY_SERVICE_UNAVAILABLE', status: 503 })
  expect((error as Error).cause).toBeUndefined()
  expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain(MASTER)
  expect(await row('stark')).toBeUndefined()
  expect(await codeOf(process({ wrapper: service }).forTenant('acme'))).toBe('KEY_SERVICE_UNAVAILABLE')
  service.down = false
  expect(await keys.forTenant('stark')).toBeDefined()
})

it('a service that hangs is given up, whether it listens to its signal or not', async () => {
  const signals: AbortSignal[] = []
  const wrapper: KeyWrapper = {
    wrap: (_, __, { signal }) => {
      signals.push(signal)
      return new Promise(() => {})
    },
    unwrap: () => new Promise(() => {}),
  }
  expect(await codeOf(process({ wrapper, timeoutMs: 20 }).forTenant('wayne'))).toBe('KEY_SERVICE_UNAVAILABLE')
  expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  // One that throws at once leaves no rejection behind for when its time is up (the next one waits longer than that).
  const throws: KeyWrapper = {
    ...wrapper,
    wrap: () => {
      throw new Error('not async')
    },
  }
  expect(await codeOf(process({ wrapper: throws, timeoutMs: 1 }).forTenant('wayne'))).toBe(
    'KEY_SERVICE_UNAVAILABLE',
  )
  expect(await codeOf(process({ wrapper, timeoutMs: 20 }).forTenant('acme'))).toBe('KEY_SERVICE_UNAVAILABLE')
})

it('keys are fetched once for all who ask, again after half their life, and not kept beyond a bound', async () => {
  const [service, clock] = [testService(), testClock()]
  const keys = process({ wrapper: service, maxAgeMs: 10_000, maxTenants: 2, now: clock.now })
  await keys.forTenant('acme')
  service.unwraps = 0
  clock.pass(5_001)
  await Promise.all(Array.from({ length: 20 }, () => keys.forTenant('acme')))
  expect(service.unwraps).toBe(1)
  clock.pass(4_999)
  await keys.forTenant('acme')
  expect(service.unwraps).toBe(1)
  clock.pass(2)
  await keys.forTenant('acme')
  expect(service.unwraps).toBe(2)
  for (const tenant of ['globex', 'initech', 'acme']) await keys.forTenant(tenant)
  expect(service.unwraps).toBe(5)
})

it('envelopes that are kept too long stop working, all of their methods', async () => {
  const clock = testClock()
  const held = await process({ maxAgeMs: 10_000, now: clock.now }).forTenant('acme')
  const sealed = held.seal('x', placeOf('acme'))
  clock.pass(9_999)
  expect(held.open(sealed, placeOf('acme'))).toBe('x')
  clock.pass(1)
  for (const method of ['open', 'openBytes', 'examine', 'reseal', 'seal'] as const) {
    expect(thrown(() => held[method](sealed, placeOf('acme')))).toMatchObject({
      code: 'KEY_MISSING',
      details: { reason: 'expired' },
    })
  }
})

it('wrong options and tenants are refused before any SQL', async () => {
  const db: Queryable = {
    query: () => {
      throw new Error('SQL ran')
    },
  }
  for (const odd of [
    { maxAgeMs: 0 },
    { maxAgeMs: 1.5 },
    { maxTenants: -1 },
    { timeoutMs: Number.POSITIVE_INFINITY },
    { schema: '' },
    { table: 'a\0b' },
    { table: 'é'.repeat(32) },
    { schema: 7 as never },
  ]) {
    expect(thrown(() => process({ db, ...odd }))).toMatchObject({
      code: 'INVALID_OPTION',
      details: { option: Object.keys(odd)[0] },
    })
  }
  const keys = process({ db })
  for (const tenant of ['', 'Acme', '../acme', 'a'.repeat(99), '__proto__', 7 as never]) {
    for (const method of ['forTenant', 'rotate', 'destroy', 'startOver'] as const) {
      expect(await codeOf(keys[method](tenant))).toBe('INVALID_TENANT_KEY')
    }
  }
  expect(await codeOf(keys.rewrap({ limit: 0 }))).toBe('INVALID_OPTION')
})

it('its table may have any name, and a database that refuses is a coded error without values', async () => {
  const at = { schema: 'public', table: 'odd"; drop table tenant_data_key; --' }
  await world.root.query(dataKeyMigration(at).sql)
  const own = process({ ...at, db: world.root })
  const sealed = (await own.forTenant('acme')).seal('x', placeOf('acme'))
  expect((await own.forTenant('acme')).open(sealed, placeOf('acme'))).toBe('x')
  expect(await row('acme')).toBeDefined()
  const missing = await process({ table: 'not_there' })
    .forTenant('acme')
    .catch((reason: unknown) => reason)
  expect(missing).toMatchObject({ code: 'DATABASE_ERROR', details: { sqlstate: '42P01' } })
  expect((missing as Error).cause).toBeUndefined()
})

it("a tenant's own role cannot touch the table", async () => {
  for (const sql of [
    'select * from public.tenant_data_key',
    "update public.tenant_data_key set keys = '[]'",
  ]) {
    await expect(world.tenancy().withTenant('acme', (db) => db.query(sql))).rejects.toMatchObject({
      code: expect.any(String),
    })
  }
  expect((await row('acme'))?.keys).toHaveLength(1)
})

it('nor anybody to whom new tables are given by default', async () => {
  await world.root.query('alter default privileges grant all on tables to public')
  await world.root.query(dataKeyMigration({ table: 'given_to_all' }).sql)
  const { rows } = await world.root.query<{ may: boolean }>(
    "select has_table_privilege($1, 'given_to_all', 'select, insert, update, delete') as may",
    [world.appRole],
  )
  expect(rows[0]?.may).toBe(false)
})
