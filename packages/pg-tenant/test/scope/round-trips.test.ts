import { startWireProxy, type WireProxy } from '@org/pg-testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { useWorld } from '../support/world.ts'

const world = useWorld(['acme', 'globex'])
let proxy: WireProxy
let tenancy: Tenancy

beforeAll(async () => {
  proxy = await startWireProxy({ target: world.appUrl })
  tenancy = world.tenancy({ pool: world.pool({ connectionString: proxy.url, max: 1 }) })
  await tenancy.query('acme', 'select 1')
})
afterAll(() => proxy?.close())

/** Round trips counted at the wire while `work` runs. */
async function trips(work: () => Promise<unknown>): Promise<number> {
  proxy.reset()
  await work()
  return proxy.roundTrips()
}

describe('round trips', () => {
  it('of a one-shot query: one, whoever had the connection before', async () => {
    expect(await trips(() => tenancy.query('acme', 'select 1'))).toBe(1)
    expect(await trips(() => tenancy.query('globex', 'select $1::int', [1]))).toBe(1)
    expect(await trips(() => tenancy.query('globex', `insert into notes (body) values ('trip')`))).toBe(1)
  })

  it('of withTenant: one more than it has statements', async () => {
    for (const statements of [1, 2, 5]) {
      const work = () =>
        tenancy.withTenant('acme', async (db) => {
          for (let i = 0; i < statements; i++) await db.query('select $1::int', [i])
        })
      expect(await trips(work)).toBe(statements + 1)
    }
  })

  it('of a scope that runs nothing: one', async () => {
    expect(await trips(() => tenancy.withTenant('acme', async () => {}))).toBe(1)
  })

  it('of savepoints: none of their own', async () => {
    const work = () =>
      tenancy.withTenant('acme', async (db) => {
        await db.query('select 1')
        await db.savepoint((sp) => sp.query('select 2'))
        await db.savepoint((sp) => sp.query('select 3'))
      })
    expect(await trips(work)).toBe(4)
  })

  it('of a stream: one for each batch', async () => {
    const work = () =>
      tenancy.withTenant('acme', async (db) => {
        for await (const _ of db.stream('select generate_series(1, 25)', [], { batchSize: 10 })) {
          // three batches
        }
      })
    expect(await trips(work)).toBe(3 + 1)
  })
})
