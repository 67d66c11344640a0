import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { createFleet, type Fleet } from '../../src/placement/fleet.ts'
import { useWorld } from '../support/world.ts'
import { ADAPTERS, RESOLVE } from './http-world.ts'
import type { Served } from './servers.ts'

// Two databases stand for two clusters. What createFleet made is handed to every adapter in place of a tenancy.
const [eu, us] = [useWorld([]), useWorld([])]
let placements: { eu: Tenancy; us: Tenancy }
let fleet: Fleet<Tenancy>

beforeAll(async () => {
  placements = { eu: eu.tenancy(), us: us.tenancy() }
  fleet = createFleet({ placements, rememberMissing: 0 })
  await fleet.provision('acme', { placement: 'eu' })
  await fleet.provision('globex', { placement: 'us' })
})

const matrix = ADAPTERS.flatMap(([name, how]) =>
  (['call', 'request'] as const).map((scope) => [name, scope, how] as const),
)

describe.each(matrix)('a fleet behind %s, a scope for each %s', (_name, scope, how) => {
  let served: Served
  beforeAll(async () => {
    served = await how(fleet, { resolve: RESOLVE, scope })
  })
  afterAll(() => served.close())
  const call = (tenant: string, route: string, init: RequestInit = {}) =>
    fetch(`${served.url}/t/${route}`, {
      ...init,
      headers: { authorization: `Bearer u.${tenant}`, 'content-type': 'text/plain', connection: 'close' },
    })

  it('enters each tenant in the cluster that holds it', async () => {
    for (const tenant of ['acme', 'globex']) {
      const home = tenant === 'acme' ? placements.eu : placements.us
      await home.query(tenant, 'delete from notes')
      expect((await call(tenant, 'add', { method: 'POST', body: tenant })).status).toBe(201)
      expect(await (await call(tenant, 'list')).json()).toEqual([tenant])
      expect((await home.query(tenant, 'select body from notes')).rows).toEqual([{ body: tenant }])
    }
  })

  it('refuses whom no cluster holds, and who is suspended where it is', async () => {
    expect((await call('nobody', 'list')).status).toBe(401)
    await placements.us.suspend('globex')
    try {
      const refused = await call('globex', 'list')
      expect([refused.status, await refused.json()]).toMatchObject([
        403,
        { error: { code: 'TENANT_SUSPENDED' } },
      ])
    } finally {
      await placements.us.resume('globex')
    }
    expect((await call('globex', 'list')).status).toBe(200)
  })
})

it('looks a tenant up where it has moved to', async () => {
  await fleet.provision('mover', { placement: 'eu' })
  expect(await fleet.lookup('mover')).toMatchObject({ placement: 'eu', status: 'active' })
  await placements.eu.drop('mover')
  expect(await fleet.lookup('mover')).toMatchObject({ status: 'deleted' })
  await placements.us.provision('mover', { placement: 'us' })
  expect(await fleet.lookup('mover')).toMatchObject({ placement: 'us', status: 'active' })
  expect(await fleet.lookup('nobody')).toBeUndefined()
})

it('closes what its clusters opened', async () => {
  const closed: string[] = []
  const closing = (name: 'eu' | 'us') => ({ ...placements[name], close: async () => void closed.push(name) })
  await createFleet({ placements: { eu: closing('eu'), us: closing('us') } }).close()
  expect(closed.sort()).toEqual(['eu', 'us'])
})
