// @module-tag slow: a recipe that others look at by parts.
import { randomBytes } from 'node:crypto'
import type { TenantKey } from '@org/core'
import { createDataKeys, dataKeyBelongings, dataKeyMigration, keyRing, localWrapper } from '@org/crypto'
import { auditBelongings, auditLog, installAudit } from '@org/governance/audit'
import { installOutbox, outbox, outboxBelongings } from '@org/governance/outbox'
import { installPrivacy, privacyBelongings } from '@org/governance/privacy'
import { installRetention, retentionBelongings } from '@org/governance/retention'
import { installUsage, usage, usageBelongings } from '@org/governance/usage'
import { createFleet, createTenancy } from '@org/pg-tenant'
import { eventually } from '@org/pg-testing'
import { useTestTenancy } from '@org/pg-testing/vitest'
import { entitlementBelongings, installRbac } from '@org/rbac/store'
import { beforeAll, expect, it } from 'vitest'

const KEY = 'acme' as TenantKey
const belongings = [
  entitlementBelongings(),
  dataKeyBelongings({ schema: 'keys' }),
  privacyBelongings(),
  auditBelongings(),
  usageBelongings(),
  retentionBelongings(),
  outboxBelongings(),
]
const worlds = {
  eu: useTestTenancy(createTenancy, { options: { belongings } }),
  us: useTestTenancy(createTenancy, { options: { belongings } }),
}
const keys = { k1: randomBytes(32) }
const wrapper = localWrapper(keyRing({ key: randomBytes(32).toString('hex'), format: 'v2' }))
const audit = auditLog({ keys })
const meter = usage({ key: randomBytes(32) })

beforeAll(async () => {
  for (const { admin, rolePrefix, appRole } of Object.values(worlds)) {
    const level = { isolation: 'role', rolePrefix, application: appRole } as const
    await installRbac(admin)
    await admin.query(`create schema keys; ${dataKeyMigration({ schema: 'keys' }).sql}`)
    await admin.query(
      `insert into rbac.plan (key, name) values ('pro', 'Pro'); insert into rbac.package (key, name) values ('base', 'Base')`,
    )
    await installAudit(admin, level)
    await installUsage(admin, level)
    await installRetention(admin)
    await installPrivacy(admin)
    await installOutbox(admin, level)
  }
})

const count = async (name: keyof typeof worlds, table: string) =>
  Number(
    (await worlds[name].admin.query(`select count(*) from ${table} where tenant = 'acme'`)).rows[0].count,
  )
const TABLES = [
  'rbac.tenant_entitlement',
  'rbac.tenant_package',
  'keys.tenant_data_key',
  'governance.audit_log',
  'governance.audit_seal',
  'governance.usage_delta',
  'governance.usage_metrics',
  'governance.tenant_resource',
  'governance.resource_hold',
  'governance.legal_hold',
  'governance.subject_key',
]

it('takes along what control schemas hold, and forgets only that', async () => {
  const placements = { eu: worlds.eu.tenancy(), us: worlds.us.tenancy() }
  const fleet = createFleet({ placements })
  const { admin } = worlds.eu
  for (const key of ['acme', 'stays']) await fleet.provision(key, { placement: 'eu', plan: 'pro' })
  await admin.query(`insert into rbac.tenant_entitlement (tenant, plan_key, limits) values ('acme', 'pro', '{"seats": 5}'), ('stays', null, '{}');
    insert into rbac.tenant_package (tenant, package_key) values ('acme', 'base');
    insert into governance.legal_hold (tenant, reason) values ('acme', 'court');
    insert into governance.subject_key (tenant, subject, sealed) values ('acme', 'p1', 'sealed');
    insert into governance.tenant_resource (tenant, resource_type, limit_value) values ('acme', 'seats', 5)`)
  const dataKeys = (name: keyof typeof worlds) =>
    createDataKeys({ db: worlds[name].admin, wrapper, schema: 'keys' })
  const place = { tenant: KEY, table: 'notes', name: 'body' }
  const sealed = await (await dataKeys('eu').forTenant(KEY)).seal('secret', place)
  const write = (key: string, n: number) =>
    fleet.withTenant(key, async (db) => {
      await audit.record(db, { actor: { type: 'system' }, action: `did.${n}` })
      await meter.meter(db, { requestId: `r${n}`, action: 'export' })
      if (n === 1) await meter.take(db, 'seats', 'chair')
    })
  await write('acme', 1)
  await write('stays', 1)
  // They wait for what is open anywhere in the server: other tests have transactions, too.
  await eventually(async () => {
    await audit.seal(admin)
    await meter.rollUp(admin)
    return (
      (await count('eu', 'governance.audit_seal')) > 0 && (await count('eu', 'governance.usage_metrics')) > 0
    )
  })
  await write('acme', 2)
  const before = await Promise.all(TABLES.map((table) => count('eu', table)))
  expect(before.every((rows) => rows > 0)).toBe(true)

  expect(await fleet.move('acme', 'us', { dryRun: true })).toMatchObject({ moved: false })
  expect(await fleet.move('acme', 'us')).toMatchObject({ moved: true, left: [] })
  expect(await Promise.all(TABLES.map((table) => count('us', table)))).toEqual(before)
  expect(await Promise.all(TABLES.map((table) => count('eu', table)))).toEqual(TABLES.map(() => 0))
  expect(await admin.query(`select from rbac.tenant_entitlement where tenant = 'stays'`)).toMatchObject({
    rowCount: 1,
  })

  const there = worlds.us.admin
  expect(await (await dataKeys('us').forTenant(KEY)).open(sealed, place)).toBe('secret')
  await write('acme', 3)
  const uses = async () =>
    (await there.query(`select sum(count)::int as uses from governance.usage_metrics where tenant = 'acme'`))
      .rows[0].uses
  await eventually(async () => {
    await audit.seal(there)
    await meter.rollUp(there)
    return (await audit.verify(there, KEY)).unsealed === 0 && (await uses()) === 3
  })
  expect(await audit.verify(there, KEY)).toMatchObject({ ok: true, unsealed: 0, faults: [] })
  const { rows: seats } = await there.query(
    `select used::int, limit_value::int from governance.tenant_resource where tenant = 'acme'`,
  )
  expect(seats).toEqual([{ used: 1, limit_value: 5 }])
})

it('is refused before anything is closed where something has no place', async () => {
  const placements = { eu: worlds.eu.tenancy(), us: worlds.us.tenancy() }
  const fleet = createFleet({ placements })
  await fleet.provision('odd', { placement: 'eu' })
  await worlds.eu.admin.query(`insert into rbac.plan (key, name) values ('only-here', 'Only here');
    insert into rbac.tenant_entitlement (tenant, plan_key) values ('odd', 'only-here')`)
  await expect(fleet.move('odd', 'us')).rejects.toMatchObject({
    code: 'CONFLICT',
    details: { constraint: 'fk_tenant_entitlement_plan_key' },
  })
  expect(await placements.eu.find('odd')).toMatchObject({ status: 'active' })
  await worlds.eu.admin.query(`update rbac.tenant_entitlement set plan_key = null where tenant = 'odd'`)
  const without = createFleet({
    placements: { eu: placements.eu, us: worlds.us.tenancy({ belongings: [] }) },
  })
  await expect(without.move('odd', 'us')).rejects.toMatchObject({
    code: 'CONFLICT',
    details: { reason: 'belongings' },
  })
  expect(await placements.eu.find('odd')).toMatchObject({ status: 'active' })
  // An older release here than there: numbers of seals would be lost.
  await worlds.eu.admin.query(`insert into governance.audit_log (id, tenant, actor_type, action, mac)
    values (gen_random_uuid(), 'odd', 'system', 'a', 'm'); alter table governance.audit_log drop column sealed_xid`)
  await expect(fleet.move('odd', 'us')).rejects.toMatchObject({ details: { reason: 'belongings' } })
  await worlds.eu.admin.query('alter table governance.audit_log add column sealed_xid xid8')
  expect(await placements.eu.find('odd')).toMatchObject({ status: 'active' })
})

it('is refused while events wait in the outbox, and leaves them where that is said', async () => {
  const placements = { eu: worlds.eu.tenancy(), us: worlds.us.tenancy() }
  const fleet = createFleet({ placements })
  const events = outbox()
  await fleet.provision('waits', { placement: 'eu' })
  const refusal = {
    code: 'CONFLICT',
    message: expect.stringMatching(/outbox.*: 1 .*workers.*lose/),
    details: { reason: 'stays', belongings: 'outbox', count: 1 },
  }
  // Published behind the first look, by a scope that is open already.
  const checked = Promise.withResolvers<void>()
  const opened = Promise.withResolvers<void>()
  const scope = fleet.withTenant('waits', async (db) => {
    await db.query('select 1')
    opened.resolve()
    await checked.promise
    await events.publish(db, 'order.placed', { n: 1 })
  })
  await opened.promise
  const onProgress = (step: string) => step === 'checked' && checked.resolve()
  await expect(fleet.move('waits', 'us', { onProgress })).rejects.toMatchObject(refusal)
  await scope
  expect(await placements.eu.find('waits')).toMatchObject({ status: 'active' })
  await expect(fleet.move('waits', 'us', { dryRun: true })).rejects.toMatchObject(refusal)
  await expect(fleet.move('waits', 'us')).rejects.toMatchObject(refusal)
  expect(await placements.eu.find('waits')).toMatchObject({ status: 'active' })
  expect(await fleet.move('waits', 'us', { lose: ['outbox'] })).toMatchObject({ moved: true })
  const { rows } = await worlds.eu.admin.query(
    `select count(*)::int as n from governance.outbox where tenant = 'waits'`,
  )
  expect(rows).toEqual([{ n: 1 }])
})
