import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { createFleet, type Fleet } from '../../src/placement/fleet.ts'
import { codeOf, useWorld } from '../support/world.ts'

// Two databases stand for two clusters: nothing is shared between their registries.
const [eu, us] = [useWorld([]), useWorld([])]
let placements: { eu: Tenancy; us: Tenancy }
let fleet: Fleet<Tenancy>

beforeAll(() => {
  placements = { eu: eu.tenancy(), us: us.tenancy() }
  fleet = createFleet({ placements, defaultPlacement: 'eu' })
})

describe('a fleet', () => {
  it('places tenants and enters each where it is', async () => {
    await fleet.provision('acme')
    await fleet.provision('globex', { placement: 'us' })
    for (const key of ['acme', 'globex'])
      await fleet.query(key, 'insert into notes (body) values ($1)', [key])
    expect(await placements.eu.find('acme')).toMatchObject({ placement: 'eu' })
    expect(await placements.us.find('globex')).toMatchObject({ placement: 'us' })
    expect(await placements.us.find('acme')).toBeUndefined()
    expect((await placements.us.query('globex', 'select body from notes')).rows).toEqual([{ body: 'globex' }])
    const body = await fleet.withTenant('acme', async (db) => (await db.query('select body from notes')).rows)
    expect(body).toEqual([{ body: 'acme' }])
    expect(await fleet.of('globex')).toBe(placements.us)
  })

  it('knows tenants that others placed', async () => {
    await placements.us.provision('initech')
    expect(await createFleet({ placements }).of('initech')).toBe(placements.us)
    expect(await fleet.provision('initech')).toMatchObject({ created: false })
  })

  it('refuses to make a tenant a second time elsewhere, even after it was dropped', async () => {
    expect(await codeOf(fleet.provision('acme', { placement: 'us' }))).toBe('CONFLICT')
    expect(await placements.us.find('acme')).toBeUndefined()
    await fleet.provision('gone', { placement: 'us' })
    await placements.us.drop('gone')
    expect(await codeOf(fleet.provision('gone', { placement: 'eu' }))).toBe('CONFLICT')
    expect(await codeOf(fleet.provision('gone'))).toBe('CONFLICT')
    expect(await fleet.provision('gone', { reuseDeletedKey: true })).toMatchObject({ created: true })
    expect(await fleet.of('gone')).toBe(placements.us)
  })

  it('finds a tenant again that has moved', async () => {
    await fleet.provision('mover', { placement: 'eu' })
    await fleet.query('mover', 'select 1')
    await placements.eu.drop('mover')
    await placements.us.provision('mover')
    expect((await fleet.query('mover', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(await fleet.of('mover')).toBe(placements.us)
  })

  it('runs nothing when two clusters say they hold a tenant', async () => {
    for (const tenancy of [placements.eu, placements.us]) await tenancy.provision('twice')
    expect(await codeOf(fleet.query('twice', 'select 1'))).toBe('CONFLICT')
  })

  it('refuses unknown tenants, and says so of a dropped one', async () => {
    expect(await codeOf(fleet.query('nobody', 'select 1'))).toBe('TENANT_NOT_FOUND')
    expect(await codeOf(fleet.of('No!'))).toBe('INVALID_TENANT_KEY')
    await fleet.provision('brief')
    await fleet.query('brief', 'select 1')
    await placements.eu.drop('brief')
    expect(await codeOf(fleet.query('brief', 'select 1'))).toBe('TENANT_NOT_FOUND')
  })

  it('goes on with those it finds while a cluster is away, and does not guess of the others', async () => {
    const away = us.tenancy({
      pool: us.pool({ host: '127.0.0.1', port: 1, connectionString: undefined } as never),
    })
    const partial = createFleet({ placements: { eu: placements.eu, us: away }, defaultPlacement: 'eu' })
    expect((await partial.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(await codeOf(partial.query('nobody-here', 'select 1'))).toBe('CONNECTION_LOST')
    expect(await codeOf(partial.provision('new'))).toBe('CONNECTION_LOST')
    expect(await placements.eu.find('new')).toBeUndefined()
    // What it knows already goes on working.
    expect((await fleet.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('remembers so many and no more', async () => {
    let asked = 0
    const counting = {
      ...placements.eu,
      find: (key: string) => placements.eu.find(key).finally(() => asked++),
    }
    const small = createFleet({ placements: { eu: counting, us: placements.us }, remember: 1 })
    for (const key of ['acme', 'acme', 'initech', 'initech', 'acme']) await small.of(key)
    expect(asked).toBe(3)
  })

  it('checks its options', async () => {
    for (const bad of [
      { placements: {} },
      { placements, defaultPlacement: 'mars' },
      { placements, remember: 0 },
    ]) {
      expect(() => createFleet(bad)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    }
    expect(await codeOf(fleet.provision('x1', { placement: 'mars' }))).toBe('INVALID_OPTION')
    expect(await codeOf(createFleet({ placements }).provision('x1'))).toBe('INVALID_OPTION')
  })
})
