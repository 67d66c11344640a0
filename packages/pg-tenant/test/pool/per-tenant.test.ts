import { describe, expect, it } from 'vitest'
import { perTenant } from '../../src/index.ts'

describe('one client for each tenant', () => {
  it('makes one, however many ask at once, and keeps tenants apart', async () => {
    let made = 0
    const clients = perTenant(async (key) => ({ key, n: ++made }))
    const found = await Promise.all(
      ['acme', 'acme', 'globex'].map((key) => clients.use(key, ({ key: own }) => own)),
    )
    expect([found, made, clients.size]).toEqual([['acme', 'acme', 'globex'], 2, 2])
  })

  it('closes the one least recently used, but never while it is used', async () => {
    const closed: string[] = []
    const clients = perTenant((key) => key, { max: 2, close: (key) => void closed.push(key) })
    const held = Promise.withResolvers<void>()
    const using = clients.use('a', () => held.promise)
    for (const key of ['b', 'c', 'd']) await clients.use(key, () => {})
    expect([closed, clients.size]).toEqual([['b'], 2])
    held.resolve()
    await using
    await clients.close()
    expect(closed.sort()).toEqual(['a', 'b', 'c', 'd'])
    await expect(clients.use('a', () => {})).rejects.toMatchObject({ code: 'SCOPE_ENDED' })
  })

  it('forgets one that could not be made', async () => {
    let fail = true
    const clients = perTenant((key) => {
      if (fail) throw new RangeError('mine')
      return key
    })
    await expect(clients.use('acme', () => 1)).rejects.toBeInstanceOf(RangeError)
    fail = false
    expect(await clients.use('acme', (key) => key)).toBe('acme')
  })

  it('refuses what is no key, no function and no number', async () => {
    await expect(perTenant((key) => key).use('No!', () => 1)).rejects.toMatchObject({
      code: 'INVALID_TENANT_KEY',
    })
    for (const [make, options] of [
      [undefined, {}],
      [() => 1, { max: 0 }],
      [() => 1, { max: 1.5 }],
    ] as const)
      expect(() => perTenant(make as never, options)).toThrowError(
        expect.objectContaining({ code: 'INVALID_OPTION' }),
      )
  })
})
