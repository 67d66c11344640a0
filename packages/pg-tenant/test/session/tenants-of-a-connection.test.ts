import fc from 'fast-check'
import { expect, it } from 'vitest'
import { DistinctCount } from '../../src/driver/memory.ts'
import { POOLED, useWorld } from '../support/world.ts'

// A connection ends by what it has touched: a backend keeps what it knows of every table of every tenant it has served.

const world = useWorld(['acme', 'globex', 'initech', 'umbrella'])
const PID = 'select pg_backend_pid() as pid'

it.skipIf(POOLED)(
  'a connection that has served so many tenants ends, and another takes its place',
  async () => {
    const pool = world.pool({ connectionString: world.appUrl, max: 1 })
    const tenancy = world.tenancy({ pool, maxTenantsPerConnection: 3 })
    const pidFor = async (key: string) => (await tenancy.query<{ pid: number }>(key, PID)).rows[0]?.pid
    const first = await pidFor('acme')
    for (const key of ['globex', 'acme', 'globex', 'globex', 'acme']) expect(await pidFor(key)).toBe(first)
    expect(await pidFor('initech')).toBe(first)
    const second = await pidFor('acme')
    expect(second).not.toBe(first)
    for (let time = 0; time < 5; time++) expect(await pidFor('acme')).toBe(second)
  },
)

it.each([0, 1.5, 100_001, '7'])('%s is refused', (maxTenantsPerConnection) => {
  const options = { maxTenantsPerConnection: maxTenantsPerConnection as number }
  expect(() => world.tenancy(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
})

it('counts different texts within a tenth, however often each comes', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('c_', 'tenant-', ''),
      fc.integer({ min: 1, max: 20_000 }),
      fc.nat(99_999),
      (prefix, different, from) => {
        const count = new DistinctCount()
        for (let time = 0; time < 2; time++)
          for (let at = 0; at < different; at++) count.add(`${prefix}${from + at}`)
        expect(Math.abs(count.count - different)).toBeLessThanOrEqual(Math.max(2, different / 10))
      },
    ),
    { numRuns: 30 },
  )
})
