// @module-tag sampled
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseTenantKey, type Queryable, type TenantKey } from '@org/core'
import { createTenancy, type Tenancy } from '@org/pg-tenant'
import { codeOf } from '@org/pg-testing'
import { notesAt, useTestLevels } from '@org/pg-testing/vitest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { auditLog, installAudit } from '../src/audit/index.ts'
import { governanceChecks } from '../src/checks/index.ts'
import { IDEMPOTENCY_MIGRATION, IDEMPOTENCY_ROW_MIGRATION } from '../src/idempotency/index.ts'
import { IDEMPOTENCY_KEYS, installRetention, retention } from '../src/retention/index.ts'
import { installUsage, usage } from '../src/usage/index.ts'
import { WEBHOOKS_MIGRATION, WEBHOOKS_ROW_MIGRATION } from '../src/webhooks/index.ts'
import { levelsInTurn } from './support/levels.ts'

const audit = auditLog({ keys: { k1: randomBytes(32) } })
const used = usage({ key: randomBytes(32) })
const keeping = retention({ tenantTables: [IDEMPOTENCY_KEYS] })
const acme = parseTenantKey('acme')

describe.each(levelsInTurn('role'))('level %s: what a tenant needs is there when it is', (level) => {
  const setting = useTestLevels(createTenancy)
  const apart = level === 'database'
  const folder = { path: '' }
  const options = () => ({
    isolation: level,
    schemaPrefix: `${level}_`,
    rolePrefix: `${setting.world.rolePrefix}${level}_`,
    application: setting.world.appRole,
  })
  const install = async (admin: Queryable) => {
    await installAudit(admin, options())
    await installUsage(admin, options())
  }
  const row = level === 'row'
  const migrations = [
    notesAt(level),
    row ? IDEMPOTENCY_ROW_MIGRATION : IDEMPOTENCY_MIGRATION,
    row ? WEBHOOKS_ROW_MIGRATION : WEBHOOKS_MIGRATION,
  ]
  let breaks = false
  const paths: unknown[] = []
  let tenancy: Tenancy
  /** As the documentation has it. */
  const onProvision = async (home: Queryable, tenant: TenantKey) => {
    if (apart) await install(home)
    await used.setLimits(home, tenant, { users: 3 })
    paths.push((await home.query('show search_path')).rows[0])
    if (breaks) throw new Error('holds data')
  }
  beforeAll(async () => {
    folder.path = await mkdtemp(join(tmpdir(), 'provision-'))
    if (!apart) await install(setting.world.admin)
    await installRetention(setting.world.admin)
    tenancy = setting.tenancy(level, {
      migrations,
      onProvision,
      checks: governanceChecks(),
    })
  })
  afterAll(() => rm(folder.path, { recursive: true }))
  const works = async (key: string) =>
    await tenancy.withTenant(key, async (db) => {
      await audit.record(db, { actor: { type: 'system' }, action: 'a' })
      await used.meter(db, { requestId: 'r', action: 'a' })
      await used.take(db, 'users', 'u1')
      await db.query('select from idempotency_key, webhook_endpoint')
    })

  it('made, made again, restored, also under another key', async () => {
    await tenancy.provision(acme)
    await works(acme)
    await tenancy.provision(acme)
    await works(acme)
    const to = join(folder.path, 'acme')
    await tenancy.backup(acme, { to })
    await tenancy.restore('copy', { from: to })
    await works('copy')
    await tenancy.drop(acme)
    await tenancy.restore(acme, { from: to })
    await works(acme)
    await keeping.enrol(setting.world.admin, [acme])
    expect(await keeping.runTenants(setting.world.admin, tenancy)).toMatchObject({ failed: [] })
    const { findings } = await tenancy.doctor()
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
    // What an install leaves behind it is the administrator's own path.
    expect(new Set(paths.map((one) => JSON.stringify(one)))).toEqual(
      new Set([JSON.stringify({ search_path: 'pg_catalog, pg_temp' })]),
    )
  })

  it('where it cannot be made the tenant is not there, and repeating it makes it', async () => {
    breaks = true
    const failed = await tenancy.provision('late').catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'INTERNAL_ERROR', cause: expect.any(Error) })
    expect(String((failed as Error).message)).not.toContain('holds data')
    const status = (await tenancy.find('late'))?.status
    expect(apart ? 'provisioning' : undefined).toBe(status)
    breaks = false
    await tenancy.provision('late')
    await works('late')
  })

  it('the hook can end neither the transaction nor be somebody else', async () => {
    const ending = setting.tenancy(level, {
      migrations,
      onProvision: (home) => home.query('commit; begin'),
    })
    expect(await codeOf(ending.provision('ended'))).toMatch(/STATEMENT_REFUSED|DATABASE_ERROR/)
    const kept: Queryable[] = []
    const keeper = setting.tenancy(level, { migrations, onProvision: async (home) => void kept.push(home) })
    await keeper.provision('kept')
    expect(await codeOf((kept[0] as Queryable).query('select 1'))).toBe('SCOPE_ENDED')
  })
})
