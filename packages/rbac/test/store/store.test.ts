import { parseTenantKey } from '@org/core'
import { describe, expect, it } from 'vitest'
import { createEvaluator, defineCatalog } from '../../src/index.ts'
import { createRbacStore, installRbac, rbacChecks } from '../../src/store/index.ts'
import { catalog } from '../support/product.ts'
import { codeOf } from '../support/world.ts'
import { acme, globex, seeded, useRbac } from './rbac-world.ts'

const rbac = useRbac()
const user = (id: string) => ({ type: 'user', id }) as const

describe('install and catalogue', () => {
  it('may be repeated, by several at once, and syncs once', async () => {
    const { world } = rbac
    for (const controlSchema of ['third', 'fourth', 'second']) {
      const install = () => installRbac(world.admin, { controlSchema, managers: [world.appRole] })
      await Promise.all([install(), install(), install()])
      await install()
    }
    const store = rbac.store({ controlSchema: 'second' })
    const reports = await Promise.all([store.syncCatalog(), store.syncCatalog()])
    expect(reports.filter(({ added }) => added.length > 0)).toHaveLength(1)
    expect(await store.syncCatalog()).toMatchObject({ same: true })
    const epoch = () => world.root.query('select epoch from second.catalog_state')
    const before = (await epoch()).rows
    await store.syncCatalog()
    expect((await epoch()).rows).toEqual(before)
  })

  it('default privileges of the administrator give nobody its tables', async () => {
    const { world } = rbac
    const [all, to] = [`alter default privileges for role ${world.adminRole}`, 'all on tables']
    await world.root.query(`${all} grant ${to} to ${world.appRole}`)
    await installRbac(world.admin, { controlSchema: 'fifth', readers: [world.appRole] })
    await world.root.query(`${all} revoke ${to} from ${world.appRole}`)
    const given = `select distinct a.privilege_type as what from pg_class c cross join lateral aclexplode(c.relacl) a
      where c.relnamespace = 'fifth'::regnamespace and c.relkind = 'r' and a.grantee = $1::regrole`
    expect((await world.root.query(given, [world.appRole])).rows).toEqual([{ what: 'SELECT' }])
  })

  it('rights that no install gives, as default privileges did of an older one, are taken back as the finding says', {
    tags: 'slow',
  }, async () => {
    const { world } = rbac
    const install = () => installRbac(world.admin, { controlSchema: 'sixth', managers: [world.appRole] })
    await install()
    const tenancy = world.tenancy({ checks: rbacChecks({ controlSchema: 'sixth' }) })
    const found = async () => (await tenancy.doctor()).findings.filter(({ code }) => code === 'RBAC_RIGHTS')
    expect(await found()).toEqual([])
    // Tables of the host's own, which no install gives back.
    await world.root.query(`create table sixth.own (); grant select on sixth.own to public`)
    for (const [what, table, who] of [
      ['SELECT', 'rbac_version', world.appRole],
      ['TRIGGER', 'plan', world.appRole],
      ['SELECT', 'plan', 'PUBLIC'],
    ]) {
      await world.root.query(`grant ${what} on sixth.${table} to ${who}`)
      const [told] = await found()
      expect(told?.message).toContain(`${who} may ${what} on 1 tables in sixth (${table} for one)`)
      await world.root.query(told?.fix.split(';')[0] ?? '')
      await install()
      expect(await found()).toEqual([])
    }
    const own = `select has_table_privilege('public', 'sixth.own', 'select') as readable`
    expect((await world.root.query(own)).rows).toEqual([{ readable: true }])
  })

  it('says what was removed and is still granted', async () => {
    const store = rbac.store({ controlSchema: 'second' })
    await store.assignPackage(acme, 'pro')
    await store.setOverride(acme, 'billing.invoice.pay', { effect: 'deny' })
    const smaller = defineCatalog({
      tools: { notes: catalog.tools.notes },
      actions: { 'notes.item.read': catalog.actions['notes.item.read'] },
      packages: { basic: { name: 'Basic', actions: ['notes.item.read'] } },
    })
    const next = createRbacStore({
      catalog: smaller,
      control: rbac.world.pool(),
      controlSchema: 'second',
      tenants: rbac.tenancy,
    })
    const report = await next.syncCatalog()
    expect(report.removedButGranted).toContainEqual({ entity: 'package', key: 'pro', tenants: 1 })
    expect(report.removedButGranted).toContainEqual({
      entity: 'action',
      key: 'billing.invoice.pay',
      tenants: 1,
    })
    const again = await next.syncCatalog()
    expect(again.removed.length).toBeGreaterThan(0)
  })

  it.each(['x"; drop schema public; --', 'pg_x', '', '1a', 'A', 'a'.repeat(64)])(
    'refuses the schema %j',
    async (name) => {
      expect(await codeOf(installRbac(rbac.world.admin, { controlSchema: name }))).toBe('INVALID_OPTION')
      expect(() => rbac.store({ controlSchema: name })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION' }),
      )
    },
  )

  it('refuses a schema of a newer release', async () => {
    await installRbac(rbac.world.admin, { controlSchema: 'newer' })
    await rbac.world.admin.query('insert into newer.rbac_version (version) values (99)')
    expect(await codeOf(installRbac(rbac.world.admin, { controlSchema: 'newer' }))).toBe('CONFLICT')
  })
})

describe('a snapshot', () => {
  it('holds grants, constraints, packages, plan, overrides as the evaluator takes them', async () => {
    const store = rbac.store()
    await store.putPlan('gold', {
      name: 'Gold',
      limits: { max_users: 5, max_notes: 7 },
      features: ['export'],
    })
    await store.setTenant(acme, { plan: 'gold', limits: { max_storage_gb: null }, flags: { beta: true } })
    await store.assignPackage(acme, 'pro', { expiresAt: new Date('2099-01-01T00:00:00Z') })
    await store.setOverride(acme, 'notes.item.delete', { effect: 'deny' })
    const { id, snapshot } = await rbac.tenancy.withTenant(acme, async (db) => {
      const { id } = await store.users.create(db, { email: 'Zoe@Example.com', name: 'Zoe' })
      const group = await store.groups.create(db, { name: "O'Neil; drop table x" })
      await store.groups.addUser(db, group.id, id)
      await store.groups.grant(db, group.id, { action: 'notes.item.read' })
      await store.groups.grant(db, group.id, { action: 'notes.item.create', constraints: { own: true } })
      await store.groups.grant(db, group.id, { action: 'notes.item.delete' })
      return { id, snapshot: await store.loadSnapshot(db, user(id)) }
    })
    const evaluator = createEvaluator(catalog, snapshot)
    expect(evaluator.can('notes.item.read')).toBe(true)
    expect(evaluator.can('notes.item.create', { ownerId: id })).toBe(true)
    expect(evaluator.can('notes.item.create', { ownerId: 'x' })).toBe(false)
    expect(evaluator.can('notes.item.delete')).toBe(false)
    expect(evaluator.limit('max_users').value).toBe(5)
    expect(evaluator.limit('max_notes').value).toBe(7)
    expect(evaluator.feature('export') && evaluator.feature('beta')).toBe(true)
    const other = await rbac.tenancy.withTenant(globex, (db) => store.loadSnapshot(db, user(id)))
    expect(other).toMatchObject({ actor: { status: 'suspended' }, groups: [], packages: [] })
  })

  it.each(['nobody', '', "' or true --", '__proto__', 'x'.repeat(5_000)])(
    'permits %j nothing',
    async (id) => {
      const evaluator = await rbac.store().evaluatorFor({ tenant: acme, actor: user(id) })
      expect(evaluator.list()).toEqual([])
    },
  )

  it('refuses duplicates, whatever the case, and what the catalogue does not know', async () => {
    const store = rbac.store()
    const inAcme = <T>(fn: (db: Parameters<typeof store.users.list>[0]) => Promise<T>) =>
      rbac.tenancy.withTenant(acme, fn)
    await inAcme((db) => store.users.create(db, { email: 'dup@example.com', name: 'D' }))
    expect(
      await codeOf(inAcme((db) => store.users.create(db, { email: 'DUP@example.com', name: 'D' }))),
    ).toBe('DUPLICATE_RESOURCE')
    const group = await inAcme((db) => store.groups.create(db, { name: 'G1' }))
    const unknown = 'notes.item.fly' as 'notes.item.read'
    expect(await codeOf(inAcme((db) => store.groups.grant(db, group.id, { action: unknown })))).toBe(
      'VALIDATION_ERROR',
    )
    expect(
      await codeOf(
        inAcme((db) => store.groups.grant(db, group.id, { action: 'notes.item.read', constraints: {} })),
      ),
    ).toBe('VALIDATION_ERROR')
    expect(await codeOf(store.assignPackage(acme, 'gold' as 'pro'))).toBe('VALIDATION_ERROR')
  })

  it('counts resources up to the limit, also when many take at once', async () => {
    const store = rbac.store()
    const taken = await Promise.all([1, 2, 3, 4, 5].map(() => store.takeResource(globex, 'users', 1, 3)))
    expect(taken.filter((used) => used !== undefined).sort()).toEqual([1, 2, 3])
    expect(await store.takeResource(globex, 'users', -2, 3)).toBe(1)
  })
})

describe('attacks', () => {
  it("a tenant's SQL does not reach the control schema", async () => {
    for (const table of ['tenant_package', 'tenant_entitlement', 'tenant_tool_override', 'catalog_state']) {
      const error = await rbac.tenancy.query(acme, `select * from rbac.${table}`).catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'DATABASE_ERROR', details: { sqlState: '42501' } })
    }
    const error = await rbac.tenancy.query(acme, `select rbac.rbac_catalog()`).catch((e: unknown) => e)
    expect(error).toMatchObject({ details: { sqlState: '42501' } })
  })

  it('who grants itself more than the tenant has gets nothing of it', async () => {
    const store = rbac.store()
    await store.assignPackage(globex, 'basic')
    const id = await rbac.tenancy.withTenant(globex, async (db) => {
      const { id } = await store.users.create(db, { email: 'eve@example.com', name: 'Eve' })
      const { rows } = await db.query<{ id: string }>(
        `insert into "group" (name) values ('EVIL') returning id`,
      )
      await db.query('insert into user_group (user_id, group_id) values ($1, $2)', [id, rows[0]?.id])
      await db.query(`insert into group_permission (group_id, tool_action) select $1, unnest($2::text[])`, [
        rows[0]?.id,
        ['notes.*', 'billing.*', 'system.root.all', 'constructor.proto.x', 'billing.invoice.pay'],
      ])
      return id
    })
    const evaluator = await store.evaluatorFor({ tenant: globex, actor: user(id) })
    expect(evaluator.list().map(({ action }) => action)).toEqual(['notes.item.read', 'notes.item.create'])
    const wide = await rbac.tenancy.withTenant(globex, (db) => store.wideGrants(db))
    expect(wide).toContainEqual({
      holder: 'group',
      name: 'EVIL',
      action: 'billing.*',
      reason: 'not_entitled',
    })
    expect(wide).toContainEqual({
      holder: 'group',
      name: 'EVIL',
      action: 'system.root.all',
      reason: 'unknown',
    })
  })

  it.each([['{}'], ['[]'], ['"x"'], ['null']])('the table refuses constraints %s', async (json) => {
    const work = rbac.tenancy.query(
      acme,
      `insert into group_permission (group_id, tool_action, constraints)
       select id, 'notes.item.read', $1::jsonb from "group" limit 1`,
      [json],
    )
    expect(await codeOf(work)).toBe('VALIDATION_ERROR')
  })

  it('a service has its key, and loses it at once', async () => {
    const store = rbac.store()
    await store.assignPackage(acme, 'basic')
    const { rows } = await rbac.tenancy.query<{ id: string }>(
      acme,
      `insert into api_key (name, actions) values ('ci', '{notes.item.read,billing.invoice.pay}') returning id`,
    )
    const actor = { type: 'service', id: String(rows[0]?.id) } as const
    const can = async (which = store) =>
      (await which.evaluatorFor({ tenant: acme, actor })).list().map(({ action }) => action)
    expect(await can()).toEqual(['notes.item.read'])
    const wide = await rbac.tenancy.withTenant(acme, (db) => store.wideGrants(db))
    expect(wide).toContainEqual({
      holder: 'key',
      name: 'ci',
      action: 'billing.invoice.pay',
      reason: 'not_entitled',
    })
    await rbac.tenancy.query(acme, `update api_key set status = 'revoked'`)
    expect(await can(rbac.store())).toEqual([])
  })
})

it('seeds once, whoever else does, and does not undo what a tenant changed', async () => {
  const initech = parseTenantKey('initech')
  await rbac.tenancy.provision(initech)
  const [one, two] = [rbac.store(), rbac.store()]
  const seeds = { admin: { email: 'boss@example.com', name: 'B' }, package: 'basic' } as const
  const reports = await Promise.all(
    [one, two, one].map((store) => rbac.tenancy.withTenant(initech, (db) => store.seed(db, seeds))),
  )
  expect(new Set(reports.map(({ adminId }) => adminId)).size).toBe(1)
  expect(reports.flatMap(({ groups }) => groups).sort()).toEqual(['ADM_CLIENTE', 'OPERATOR', 'VIEWER'])
  expect(reports.filter(({ packageAssigned }) => packageAssigned)).toHaveLength(1)
  await one.unassignPackage(initech, 'basic')
  await rbac.tenancy.query(
    initech,
    `delete from group_permission p using "group" g where g.id = p.group_id and g.name = 'VIEWER'`,
  )
  const again = await rbac.tenancy.withTenant(initech, (db) => one.seed(db, seeds))
  expect(again).toMatchObject({ groups: [], packageAssigned: false })
  const { rows } = await rbac.tenancy.query(
    initech,
    `select from group_permission p join "group" g on g.id = p.group_id where g.name = 'VIEWER'`,
  )
  expect(rows).toEqual([])
})

it('renames and describes a group, leaving out what is left out', async () => {
  const store = rbac.store()
  await rbac.tenancy.withTenant(acme, async (db) => {
    const { id } = await store.groups.create(db, { name: 'Packers', description: 'They pack.' })
    expect(await store.groups.update(db, id, { name: 'Shippers' })).toMatchObject({
      name: 'Shippers',
      description: 'They pack.',
    })
    expect(await store.groups.update(db, id, { description: null })).toMatchObject({
      name: 'Shippers',
      description: null,
    })
    await store.groups.create(db, { name: 'Others' })
    const taken = db.savepoint((inner) => store.groups.update(inner, id, { name: 'Others' }))
    await expect(taken).rejects.toMatchObject({ code: 'DUPLICATE_RESOURCE' })
    await expect(store.groups.update(db, id, { name: '' })).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
    })
    const nobody = '00000000-0000-4000-8000-000000000000'
    await expect(store.groups.update(db, nobody, { name: 'X' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('the last administrator', () => {
  it.each(['remove', 'suspend', 'leave', 'revoke', 'suspend group', 'deny', 'sql'])(
    'stays: %s',
    async (how) => {
      const store = rbac.store()
      // Every administrator of before goes, on purpose.
      await rbac.tenancy.withTenant(acme, async (db) => {
        await db.query('insert into rbac_epoch default values on conflict do nothing')
        await db.query('update rbac_epoch set administered = false')
        await db.query(`delete from user_group`)
        await db.query(`delete from "group" where name = 'ADM_CLIENTE'`)
      })
      const id = await seeded(rbac, store, acme)
      const work = (options: { allowNoAdministrator?: boolean }) =>
        rbac.tenancy.withTenant(acme, async (db) => {
          const group = (await store.groups.list(db)).find(({ name }) => name === 'ADM_CLIENTE')?.id as string
          const [permission] = (await store.groups.permissions(db, group)).filter(
            ({ action }) => action === 'notes.*',
          )
          if (how === 'remove') await store.users.remove(db, id, options)
          if (how === 'suspend') await store.users.setStatus(db, id, 'suspended', options)
          if (how === 'leave') await store.groups.removeUser(db, group, id, options)
          if (how === 'revoke') await store.groups.revoke(db, group, permission?.id as string, options)
          if (how === 'suspend group') await store.groups.setStatus(db, group, 'suspended', options)
          if (how === 'deny')
            await store.groups.grant(db, group, { action: 'notes.share.manage', effect: 'deny' }, options)
          if (how === 'sql') {
            if (options.allowNoAdministrator) await db.query('update rbac_epoch set administered = false')
            await db.query(`delete from "user"`)
          }
        })
      expect(await codeOf(work({}))).toBe('CONFLICT')
      await work({ allowNoAdministrator: true })
    },
  )

  it('of two who are removed at once, one stays', async () => {
    const store = rbac.store()
    await rbac.tenancy.query(acme, `update rbac_epoch set administered = false`)
    await rbac.tenancy.query(acme, `delete from "user"`)
    await rbac.tenancy.query(acme, `delete from "group" where name = 'ADM_CLIENTE'`)
    const ids = [await seeded(rbac, store, acme), await seeded(rbac, store, acme)]
    for (const how of ['users', 'sql'] as const) {
      const results = await Promise.allSettled(
        ids.map((id) =>
          rbac.tenancy.withTenant(acme, (db) =>
            how === 'users'
              ? store.users.setStatus(db, id, 'suspended').then(() => undefined)
              : db.query(`update "user" set status = 'suspended' where id = $1`, [id]).then(() => undefined),
          ),
        ),
      )
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      await rbac.tenancy.query(acme, `update "user" set status = 'active'`)
    }
  })
})
