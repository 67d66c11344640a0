import { setImmediate as tick } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  cachedLookup,
  currentActor,
  currentTenant,
  parseTenantKey,
  parseTrust,
  type RequestContext,
  requestIdOf,
  runResolved,
  type TenantLookup,
  tryCurrentRequest,
} from '../../src/index.ts'
import { nodeRequest, refusal } from './requests.ts'

const acme = parseTenantKey('acme')
const context = (id: string, tenant = acme): RequestContext => ({
  tenant,
  actor: { type: 'user', id },
  source: 'claim',
  requestId: `r-${id}`,
})

describe('the current request', () => {
  it('agrees with the current tenant, and is gone after', async () => {
    await runResolved(context('ann'), async () => {
      await tick()
      expect([currentTenant(), currentActor().id, tryCurrentRequest()?.requestId]).toEqual([
        'acme',
        'ann',
        'r-ann',
      ])
    })
    expect(tryCurrentRequest()).toBeUndefined()
    expect(await refusal(currentActor)).toBe('NO_TENANT_CONTEXT')
  })

  it('is each request its own, however they interleave', async () => {
    const seen = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        runResolved(context(`u${n}`, parseTenantKey(`t${n}`)), async () => {
          for (let turn = 0; turn < n % 5; turn++) await tick()
          return [currentTenant(), currentActor().id]
        }),
      ),
    )
    expect(seen).toEqual(Array.from({ length: 50 }, (_, n) => [`t${n}`, `u${n}`]))
  })

  it('of another tenant cannot begin inside', async () => {
    const inside = () => runResolved(context('bob', parseTenantKey('globex')), () => 1)
    expect(await refusal(() => runResolved(context('ann'), inside))).toBe('CROSS_TENANT')
  })
})

describe('requestIdOf', () => {
  const trusted = parseTrust({ proxies: ['10.0.0.1'] })
  const of = (id: string | string[], from = '10.0.0.1') =>
    requestIdOf(nodeRequest({ 'x-request-id': id }, { from }), trusted)

  it.each(['r-1', '01J9:a.b_c', 'x'.repeat(128)])('accepts %s from a trusted gateway', (id) =>
    expect(of(id)).toBe(id),
  )

  it.each([
    ['from somebody else', of('r-1', '10.0.0.2')],
    ['empty', of('')],
    ['too long', of('x'.repeat(129))],
    ['with a line break', of('a\nlevel=error')],
    ['with a quote', of('a"b')],
    ['sent twice', of(['r-1', 'r-2'])],
  ])('makes a new one when it comes %s', (_, id) => expect(id).toMatch(/^[0-9a-f-]{36}$/))
})

describe('cachedLookup', () => {
  const globex = parseTenantKey('globex')
  function counted(status: () => string | undefined, options: { max?: number } = {}) {
    const clock = { now: 0 }
    const asked: string[] = []
    const lookup: TenantLookup = async (tenant) => {
      asked.push(tenant)
      await tick()
      const found = status()
      return found === undefined ? undefined : { status: found }
    }
    return { clock, asked, find: cachedLookup(lookup, { maxAge: 1_000, now: () => clock.now, ...options }) }
  }

  it('asks once for many, and again when it is too old', async () => {
    const { clock, asked, find } = counted(() => 'active')
    await Promise.all([find(acme), find(acme), find(acme)])
    await find(acme)
    expect(asked).toHaveLength(1)
    clock.now = 999
    await find(acme)
    expect(asked).toHaveLength(1)
    clock.now = 1_000
    await find(acme)
    expect(asked).toHaveLength(2)
  })

  it('remembers nobody who is not active', async () => {
    for (const status of [undefined, 'suspended', 'provisioning']) {
      const { asked, find } = counted(() => status)
      await find(acme)
      await find(acme)
      expect(asked).toHaveLength(2)
    }
  })

  it('forgets the oldest', async () => {
    const { asked, find } = counted(() => 'active', { max: 1 })
    for (const tenant of [acme, globex, globex, acme]) await find(tenant)
    expect(asked).toEqual(['acme', 'globex', 'acme'])
  })

  it('remembers no failure', async () => {
    let calls = 0
    const find = cachedLookup(async () => {
      calls++
      if (calls === 1) throw new Error('down')
      return { status: 'active' }
    })
    await expect(find(acme)).rejects.toThrow('down')
    expect(await find(acme)).toEqual({ status: 'active' })
  })
})
