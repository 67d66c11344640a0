import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, it } from 'vitest'
import { perTenant } from '../../src/index.ts'
import { useWorld } from '../support/world.ts'

const world = useWorld()
const TENANTS = ['acme', 'globex'] as const

/** What Prisma's client and every DataLoader do: the look-ups of one tick are one query, sent by the first of them. */
class BatchingClient {
  #waiting: Promise<string> | undefined
  readonly #send: () => Promise<string>

  constructor(send: () => Promise<string>) {
    this.#send = send
  }

  find(): Promise<string> {
    this.#waiting ??= Promise.resolve().then(() => {
      this.#waiting = undefined
      return this.#send()
    })
    return this.#waiting
  }
}
const schema = async (key: string): Promise<string> => {
  const { rows } = await world.tenancy().query<{ name: string }>(key, 'select current_schema() as name')
  return rows[0]?.name ?? ''
}

it('control: one batching client over AsyncLocalStorage answers one tenant with another’s rows', async () => {
  const current = new AsyncLocalStorage<string>()
  const shared = new BatchingClient(() => schema(current.getStore() ?? ''))
  const found = await Promise.all(TENANTS.map((key) => current.run(key, () => shared.find())))
  expect(found).toEqual(['c_acme', 'c_acme'])
})

it('a client for each tenant does not', async () => {
  const clients = perTenant((key) => new BatchingClient(() => schema(key)))
  const found = await Promise.all(TENANTS.map((key) => clients.use(key, (client) => client.find())))
  expect(found).toEqual(['c_acme', 'c_globex'])
  await clients.close()
})
