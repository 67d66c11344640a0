import { expect, it } from 'vitest'
import { perTenant } from '../../src/index.ts'
import { useWorld } from '../support/world.ts'
import { BatchingClient } from './obvious.ts'

const world = useWorld()
const TENANTS = ['acme', 'globex'] as const

const schema = async (key: string): Promise<string> => {
  const { rows } = await world.tenancy().query<{ name: string }>(key, 'select current_schema() as name')
  return rows[0]?.name ?? ''
}

// One for all is broken by the attack `s.batch`: control.test.ts.
it('a batching client for each tenant answers each with its own rows', async () => {
  const clients = perTenant((key) => new BatchingClient(() => schema(key)))
  const found = await Promise.all(TENANTS.map((key) => clients.use(key, (client) => client.find())))
  expect(found).toEqual(['c_acme', 'c_globex'])
  await clients.close()
})
