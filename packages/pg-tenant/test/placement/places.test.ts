import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { createFleet } from '../../src/placement/fleet.ts'
import { codeOf, useWorld } from '../support/world.ts'

// Two databases stand for two clusters; a third takes connections and never says a word.
const [eu, us] = [useWorld([]), useWorld([])]
let placements: { eu: Tenancy; us: Tenancy }
let hole: Server
let hanging: Tenancy
const sockets: Socket[] = []

beforeAll(async () => {
  placements = { eu: eu.tenancy(), us: us.tenancy() }
  await placements.eu.provision('acme')
  await placements.us.provision('globex')
  hole = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1')
  await once(hole, 'listening')
  const { port } = hole.address() as AddressInfo
  const pool = () => eu.pool({ connectionString: `postgres://u@127.0.0.1:${port}/d`, max: 2 })
  hanging = eu.tenancy({ pool: pool(), adminPool: pool() })
})
// A pool that connects does not end before that.
afterAll(() => {
  hole.close()
  for (const socket of sockets) socket.destroy()
})

/** The clusters, and who was asked for what. */
function watched() {
  const asked: string[] = []
  const watch = (name: string, tenancy: Tenancy): Tenancy => ({
    ...tenancy,
    find: (key: string) => {
      asked.push(`${name} ${key}`)
      return tenancy.find(key)
    },
  })
  return { asked, placements: { eu: watch('eu', placements.eu), us: watch('us', placements.us) } }
}

describe('a cluster that takes connections and never answers', () => {
  it('keeps nobody waiting who is found elsewhere', async () => {
    // Its whole time would be a minute: the test ends long before.
    const fleet = createFleet({ placements: { hanging, ...placements }, answerWithin: 60_000 })
    expect((await fleet.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(await fleet.of('globex')).toBe(placements.us)
  })

  it('is not waited for beyond its time by those who are found nowhere, and nobody guesses', async () => {
    const fleet = createFleet({
      placements: { hanging, ...placements },
      answerWithin: 50,
      defaultPlacement: 'eu',
    })
    expect(await codeOf(fleet.query('nobody', 'select 1'))).toBe('CONNECTION_LOST')
    expect(await codeOf(fleet.provision('newcomer'))).toBe('CONNECTION_LOST')
    expect(await placements.eu.find('newcomer')).toBeUndefined()
  })

  it('is not asked at all where the directory knows', async () => {
    const fleet = createFleet({
      placements: { hanging, ...placements },
      directory: async (key) => (key === 'globex' ? 'us' : 'eu'),
      answerWithin: 60_000,
    })
    expect(await fleet.of('globex')).toBe(placements.us)
  })
})

describe('a directory', () => {
  it('has one cluster asked instead of all', async () => {
    const { asked, placements } = watched()
    const fleet = createFleet({ placements, directory: async () => 'us' })
    expect(await fleet.of('globex')).toBe(placements.us)
    expect(asked).toEqual(['us globex'])
  })

  it.each([
    ['is out of date', 'us'],
    ['names a cluster that is not there', 'mars'],
    ['names what every object has', 'constructor'],
    ['does not know', undefined],
  ])('that %s does no harm', async (_, named) => {
    const { placements } = watched()
    const fleet = createFleet({ placements, directory: async () => named })
    expect(await fleet.of('acme')).toBe(placements.eu)
    expect((await fleet.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })
})

describe('a flood of keys that nobody has', () => {
  it('costs each cluster one question a key, at once and one after the other', async () => {
    const { asked, placements } = watched()
    const fleet = createFleet({ placements, rememberMissing: 60_000 })
    const ask = () => codeOf(fleet.query('no-such-tenant', 'select 1'))
    const codes = await Promise.all(Array.from({ length: 50 }, ask))
    for (let more = 0; more < 50; more++) codes.push(await ask())
    expect(new Set(codes)).toEqual(new Set(['TENANT_NOT_FOUND']))
    expect(asked.toSorted()).toEqual(['eu no-such-tenant', 'us no-such-tenant'])
  })

  it('control: where nothing is remembered of them, each is asked for again', async () => {
    const { asked, placements } = watched()
    const fleet = createFleet({ placements, rememberMissing: 0 })
    for (let more = 0; more < 3; more++) await codeOf(fleet.query('no-such-tenant', 'select 1'))
    expect(asked).toHaveLength(6)
  })

  it('is forgotten when one of them is made', async () => {
    const fleet = createFleet({ placements, rememberMissing: 60_000, defaultPlacement: 'us' })
    expect(await codeOf(fleet.query('late-comer', 'select 1'))).toBe('TENANT_NOT_FOUND')
    await fleet.provision('late-comer')
    expect((await fleet.query('late-comer', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })
})
