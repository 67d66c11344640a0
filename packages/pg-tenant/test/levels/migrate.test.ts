import { beforeEach, describe, expect, it } from 'vitest'
import { codeOf } from '../support/world.ts'
import { notesAt, useSetting } from './setting.ts'

const setting = useSetting()
const KEYS = ['acme', 'bravo', 'charlie']
const BAD = { id: '0002', sql: 'create table more (a int); select 1/0' }
const GOOD = { id: '0002', sql: 'create table more (a int)' }

describe('migrating databases of tenants', () => {
  const at = (...more: { id: string; sql: string }[]) =>
    setting.tenancy('database', { migrations: [notesAt('database'), ...more] })
  beforeEach(async () => {
    for (const key of KEYS) await at().provision(key)
  })

  it.each([[1], [['acme']]])('touches nobody else when a canary fails: %j', async (canary) => {
    const report = await at(BAD).migrate({ canary, connections: 2, maxFailures: 9 })
    expect(report).toMatchObject({ ok: false, failed: 1, migrated: 0, untouched: 2, stopped: 'canary' })
    expect(report.tenants).toMatchObject([{ tenant: 'acme', state: 'failed' }])
  })

  it('shows what would run, and changes nothing', async () => {
    const report = await at(GOOD).migrate({ dryRun: true })
    expect(report).toMatchObject({ behind: 3, migrated: 0, failed: 0, untouched: 3, stopped: null })
    expect(report.tenants.map(({ tenant, state, applied }) => [tenant, state, applied])).toEqual(
      KEYS.map((key) => [key, 'planned', ['0002']]),
    )
    expect(report.tenants[0]?.sql).toContain(GOOD.sql)
    expect((await at(GOOD).migrationStatus())[1]).toMatchObject({ have: 0, lack: 3 })
  })

  it('does not say that something was run which was not', async () => {
    const vacuum = { id: '0002', sql: '-- pg-tenant: no-transaction\nvacuum notes' }
    expect(await codeOf(at(vacuum).migrate())).toBe('STATEMENT_REFUSED')
    expect((await at(vacuum).migrationStatus())[1]).toMatchObject({ have: 0, lack: 3 })
  })

  it('starts nobody when it was stopped before, and goes on after the canaries', async () => {
    const stopped = await at(GOOD).migrate({ signal: AbortSignal.abort() })
    expect(stopped).toMatchObject({ migrated: 0, untouched: 3, stopped: 'aborted' })
    const order: string[] = []
    const onTenant = ({ tenant }: { tenant: string }) => order.push(tenant)
    expect(await at(GOOD).migrate({ canary: ['charlie'], onTenant })).toMatchObject({ ok: true, migrated: 3 })
    expect(order[0]).toBe('charlie')
  })
})

describe('migrating shared tables', () => {
  it.each([
    [{ canary: 1 }],
    [{ only: ['acme'] }],
    [{ except: ['acme'] }],
    [{ limit: 1 }],
    [{ dryRun: true }],
    [{ phase: 'expand' as const }],
    [{ lockTimeout: 50 }],
    [{ statementTimeout: 50 }],
    [{ allowSchemas: ['shared'] }],
  ])('has no part of it, and says so: %j', async (options) => {
    expect(await codeOf(setting.tenancy('row').migrate(options))).toBe('INVALID_OPTION')
  })
})
