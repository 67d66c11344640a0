import type { TenantKey } from '@org/core'
import { describe, expect, it } from 'vitest'
import { migrateFleet } from '../../src/fleet/migrate.ts'
import { versionGate } from '../../src/fleet/version.ts'
import { NOTES, useWorld } from '../support/world.ts'
import { EXTRA, lifecycleOf } from './fleet-world.ts'

const world = useWorld(['acme', 'globex'])
const key = (name: string) => name as TenantKey
const gateOf = (options: { minimumVersion: string; waitMs?: number }) => {
  const { pool, registry, migrations } = lifecycleOf(world, [NOTES, EXTRA])
  return versionGate(pool, registry, migrations, options)
}

describe('versionGate', () => {
  it('asks about a tenant once, and then costs neither query nor promise', async () => {
    const gate = gateOf({ minimumVersion: NOTES.id })
    expect(await gate.assertVersion(key('acme'))).toBeUndefined()
    expect(gate.assertVersion(key('acme'))).toBeUndefined()
    gate.forget(key('acme'))
    expect(gate.assertVersion(key('acme'))).toBeInstanceOf(Promise)
  })

  it('refuses a tenant that is behind, or waits until it is not', async () => {
    const gate = gateOf({ minimumVersion: EXTRA.id })
    await expect(gate.assertVersion(key('acme'))).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      details: { tenant: 'acme', minimumVersion: EXTRA.id },
    })
    const waiting = gateOf({ minimumVersion: EXTRA.id, waitMs: 20_000 }).assertVersion(key('globex'))
    await migrateFleet(lifecycleOf(world, [NOTES, EXTRA]))
    await waiting
    await gate.assertVersion(key('acme'))
  })

  it('lets a tenant of a newer release in', async () => {
    const newest = { id: '0003_newest', sql: 'create table newest (a int)' }
    await migrateFleet(lifecycleOf(world, [NOTES, EXTRA, newest]))
    await gateOf({ minimumVersion: EXTRA.id }).assertVersion(key('acme'))
  })

  it('leaves a tenant that is not there to the scope, which says so', async () => {
    await gateOf({ minimumVersion: EXTRA.id }).assertVersion(key('nobody'))
  })

  it('wants a version there is', () => {
    expect(() => gateOf({ minimumVersion: 'typo' })).toThrowError(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  })
})
