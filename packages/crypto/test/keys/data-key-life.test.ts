import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { thrown } from '../envelope/places.ts'
import { codeOf, eventually } from '../support/world.ts'
import { MASTER, placeOf, testClock, testService, useDataKeys } from './data-key-world.ts'

const { process, row, world } = useDataKeys()

describe('destroying a tenant’s keys', () => {
  it('ends its secrets here at once, elsewhere in time, and nobody else’s', async () => {
    const [clock, elsewhere] = [testClock(), testClock()]
    const keys = process({ now: clock.now })
    const other = process({ now: elsewhere.now, maxAgeMs: 10_000 })
    const place = placeOf('acme')
    const held = await keys.forTenant('acme')
    const sealed = held.seal('hush', place)
    const bystander = (await keys.forTenant('globex')).seal('mine', placeOf('globex'))
    const afar = await other.forTenant('acme')

    await keys.destroy('acme')

    const gone = { code: 'KEY_MISSING', details: { reason: 'destroyed' } }
    expect(thrown(() => held.open(sealed, place))).toMatchObject(gone)
    expect(thrown(() => held.seal('x', place))).toMatchObject(gone)
    await expect(keys.forTenant('acme')).rejects.toMatchObject(gone)
    await expect(process().forTenant('acme')).rejects.toMatchObject(gone)
    expect(afar.open(sealed, place)).toBe('hush')
    elsewhere.pass(10_000)
    expect(thrown(() => afar.open(sealed, place))).toMatchObject({ code: 'KEY_MISSING' })
    await expect(other.forTenant('acme')).rejects.toMatchObject(gone)
    expect((await keys.forTenant('globex')).open(bystander, placeOf('globex'))).toBe('mine')
    expect(await row('acme')).toMatchObject({ keys: [], destroyed_at: expect.any(Date) })
    await keys.destroy('acme')
  })

  it('holds when the envelopes were pushed out of the cache, or are being fetched', async () => {
    const service = testService()
    let release = (): void => {}
    const keys = process({ wrapper: service, maxTenants: 1 })
    const held = await keys.forTenant('initech')
    await keys.forTenant('globex')
    const slow = {
      ...service,
      unwrap: async (...args: Parameters<typeof service.unwrap>) => {
        const bytes = await service.unwrap(...args)
        await new Promise<void>((resolve) => {
          release = resolve
        })
        return bytes
      },
    }
    const late = process({ wrapper: slow })
    const before = service.unwraps
    const fetching = late.forTenant('initech')
    await eventually(() => service.unwraps > before)
    await Promise.all([keys.destroy('initech'), late.destroy('initech')])
    release()
    for (const envelopes of [held, await fetching]) {
      expect(thrown(() => envelopes.seal('x', placeOf('initech')))).toMatchObject({
        details: { reason: 'destroyed' },
      })
    }
    expect(await codeOf(late.forTenant('initech'))).toBe('KEY_MISSING')
  })

  it('also before it has any, and against whoever makes or adds some meanwhile', {
    tags: 'slow',
  }, async () => {
    await process().destroy('hooli')
    expect(await codeOf(process().forTenant('hooli'))).toBe('KEY_MISSING')
    const [one, two] = [process(), process()]
    for (let round = 0; round < 15; round++) {
      const tenant = `racer-${round}`
      if (round % 2) await one.forTenant(tenant)
      await Promise.allSettled([
        one.forTenant(tenant),
        two.rotate(tenant),
        two.destroy(tenant),
        one.rotate(tenant),
      ])
      expect(await row(tenant)).toMatchObject({ keys: [], destroyed_at: expect.any(Date) })
      for (const keys of [two, process()]) expect(await codeOf(keys.forTenant(tenant))).toBe('KEY_MISSING')
    }
  })

  it('a new key only for those who mean it, and when nobody can seal under the old one any more', async () => {
    // Less would be over between two lines of a machine that stalls.
    const keys = process({ maxAgeMs: 2_000 })
    const sealed = (await keys.forTenant('piper')).seal('old', placeOf('piper'))
    expect(await codeOf(keys.startOver('piper'))).toBe('CONFLICT')
    await keys.destroy('piper')
    // With the default life it is far too early.
    expect(await codeOf(process().startOver('piper'))).toBe('CONFLICT')
    for (const method of ['rotate', 'forTenant'] as const)
      expect(await codeOf(keys[method]('piper'))).toBe('KEY_MISSING')
    await eventually(() =>
      keys.startOver('piper').then(
        () => true,
        () => false,
      ),
    )
    const fresh = await keys.forTenant('piper')
    expect(fresh.open(fresh.seal('new', placeOf('piper')), placeOf('piper'))).toBe('new')
    expect(thrown(() => fresh.open(sealed, placeOf('piper'))).code).toBe('ENVELOPE_UNREADABLE')
    expect(await codeOf(keys.startOver('piper'))).toBe('CONFLICT')
  })
})

describe('rotating a tenant’s data key', () => {
  /** As if the newest key of the tenant had begun to seal that long ago. */
  const sealsSince = (tenant: string, ms: number) =>
    world.root.query(
      "update tenant_data_key set keys = jsonb_set(keys, '{-1,from}', to_jsonb($2::bigint)) where tenant = $1",
      [tenant, Date.now() - ms],
    )

  it('seals under the new key only when everybody knows it; the old one still opens', async () => {
    const keys = process()
    const place = placeOf('stark')
    const before = await process().forTenant('stark')
    const first = before.seal('1', place)
    await keys.rotate('stark')
    const [old, next] = (await row('stark'))?.keys ?? []
    // Twice the five minutes that a process may know the old key only; less what this test took.
    expect((next?.from ?? 0) - Date.now()).toBeGreaterThan(300_000)
    const second = (await keys.forTenant('stark')).seal('2', place)
    expect([first, second].map((text) => text.slice(7, 23))).toEqual([old?.id, old?.id])
    expect(before.open(second, place)).toBe('2')

    await sealsSince('stark', 1)
    const later = await process().forTenant('stark')
    const third = later.seal('3', place)
    expect(third.slice(7, 23)).toBe(next?.id)
    // A process that asked before the switch, but after the rotation, opens it.
    expect((await keys.forTenant('stark')).open(third, place)).toBe('3')
    expect(later.examine(first, place)).toMatchObject({ keyId: old?.id, current: false })
    const resealed = later.reseal(first, place) ?? ''
    await sealsSince('stark', 3_600_000)
    await keys.remove('stark', old?.id ?? '')
    const last = await keys.forTenant('stark')
    expect(last.open(resealed, place)).toBe('1')
    expect(thrown(() => last.open(first, place)).code).toBe('ENVELOPE_UNREADABLE')
    expect(await codeOf(keys.remove('stark', old?.id ?? ''))).toBe('KEY_MISSING')
  })

  it('keeps the old key while another process may seal under it', async () => {
    const keys = process({ maxAgeMs: 60_000 })
    await keys.forTenant('tyrell')
    await keys.rotate('tyrell')
    const [old, next] = (await row('tyrell'))?.keys ?? []
    await sealsSince('tyrell', 30_000)
    expect(await codeOf(keys.remove('tyrell', old?.id ?? ''))).toBe('KEY_IN_USE')
    await sealsSince('tyrell', 3_600_000)
    expect(await codeOf(keys.remove('tyrell', next?.id ?? ''))).toBe('KEY_IN_USE')
    await keys.remove('tyrell', old?.id ?? '')
    expect((await row('tyrell'))?.keys.map(({ id }) => id)).toEqual([next?.id])
  })

  it('loses no key when several do it at once, and has a bound', async () => {
    await process().forTenant('wayne')
    await Promise.all(Array.from({ length: 4 }, () => process().rotate('wayne')))
    expect(new Set((await row('wayne'))?.keys.map(({ id }) => id)).size).toBe(5)
    const keys = process()
    for (let more = 5; more < 16; more++) await keys.rotate('wayne')
    expect(await codeOf(keys.rotate('wayne'))).toBe('KEY_IN_USE')
    expect(await codeOf(keys.rotate('nobody'))).toBe('KEY_MISSING')
    const envelopes = await keys.forTenant('wayne')
    expect(envelopes.open(envelopes.seal('x', placeOf('wayne')), placeOf('wayne'))).toBe('x')
  })
})

describe('rotating the master key', () => {
  it('wraps data keys anew, page by page, and touches no secret', async () => {
    const next = randomBytes(32).toString('hex')
    const sealed = new Map<string, string>()
    for (const tenant of ['m1', 'm2', 'm3', 'm4', 'm5']) {
      sealed.set(tenant, (await process().forTenant(tenant)).seal(tenant, placeOf(tenant)))
    }
    await process().rotate('m2')
    await process().destroy('m4')
    const both = process({ wrapper: testService(next, [MASTER]) })
    let after: string | null = 'm'
    let rewrapped = 0
    while (after?.startsWith('m')) {
      const page = await both.rewrap({ after, limit: 2 })
      rewrapped += page.rewrapped
      after = page.next
    }
    expect(rewrapped).toBeGreaterThanOrEqual(4)
    const onlyNew = process({ wrapper: testService(next) })
    for (const tenant of ['m1', 'm2', 'm3', 'm5']) {
      expect((await onlyNew.forTenant(tenant)).open(sealed.get(tenant) ?? '', placeOf(tenant))).toBe(tenant)
      expect(await codeOf(process().forTenant(tenant))).toBe('ENVELOPE_UNREADABLE')
    }
    expect(await row('m4')).toMatchObject({ keys: [] })
  })

  it('never brings back what is destroyed meanwhile', async () => {
    const keys = process()
    for (let round = 0; round < 10; round++) {
      const tenant = `zz-${round}`
      await keys.forTenant(tenant)
      await Promise.all([keys.rewrap({ after: 'zz', limit: 20 }), process().destroy(tenant)])
      expect(await row(tenant)).toMatchObject({ keys: [] })
    }
  })
})

it('the table refuses a destroyed tenant with keys', async () => {
  const forged = "insert into tenant_data_key (tenant, keys, destroyed_at) values ('x', '[1]', now())"
  await expect(world.root.query(forged)).rejects.toMatchObject({ code: '23514' })
})
