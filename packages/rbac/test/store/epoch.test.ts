import { AsyncResource } from 'node:async_hooks'
import type { TenantKey } from '@org/core'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { TenantQueries } from '../../src/store/index.ts'
import { codeOf } from '../support/world.ts'
import { acme, globex, type Store, seeded, useRbac } from './rbac-world.ts'

const rbac = useRbac()
let group = ''
let member = ''
const actor = () => ({ type: 'user', id: member }) as const
const READ = 'notes.item.read'
const OUTSIDE = new AsyncResource('outside')

beforeAll(async () => {
  const store = rbac.store()
  await seeded(rbac, store, acme)
  await rbac.tenancy.withTenant(acme, async (db) => {
    member = (await store.users.create(db, { email: 'm@example.com', name: 'M' })).id
    group = (await store.groups.create(db, { name: 'READERS' })).id
    await store.groups.addUser(db, group, member)
  })
})

/** Counts statements, and can hold or fail them. */
function spied() {
  const nothing = async (_text: string): Promise<void> => {}
  const spy = { count: 0, before: nothing, after: nothing }
  const tenants: TenantQueries = {
    async query<R extends object>(tenant: TenantKey, text: string, values?: readonly unknown[]) {
      spy.count += 1
      await spy.before(text)
      const result = await rbac.tenancy.query<R>(tenant, text, values)
      await spy.after(text)
      return result
    },
  }
  return { spy, tenants }
}

/** Another process: its own store, and a clock in the test's hand. */
function elsewhere() {
  const time = { ms: 0 }
  const { spy, tenants } = spied()
  const store = rbac.store({ now: () => time.ms, tenants })
  return {
    time,
    spy,
    store,
    can: async () => (await store.evaluatorFor({ tenant: acme, actor: actor() })).can(READ),
  }
}

async function set(granted: boolean, store = rbac.store()): Promise<void> {
  await rbac.tenancy.withTenant(acme, async (db) => {
    if (granted) await store.groups.grant(db, group, { action: READ })
    else {
      const [permission] = await store.groups.permissions(db, group)
      if (permission) await store.groups.revoke(db, group, permission.id)
    }
  })
}

describe('a revoked grant', () => {
  it('stops working at the next call here, and within a second elsewhere', async () => {
    const [here, there] = [elsewhere(), elsewhere()]
    await set(true)
    expect([await here.can(), await there.can()]).toEqual([true, true])
    await set(false, here.store)
    expect(await here.can()).toBe(false)
    there.time.ms = 999
    // Still remembered: this is what the bound allows, and shows that the cache is one.
    expect(await there.can()).toBe(true)
    there.time.ms = 1_000
    expect(await there.can()).toBe(false)
  })

  it('also when it was taken by SQL of others', async () => {
    const there = elsewhere()
    await set(true)
    expect(await there.can()).toBe(true)
    for (const sql of [
      `update "user" set status = 'suspended' where id = '${member}'`,
      `update "user" set status = 'active' where id = '${member}'`,
      `update "group" set status = 'suspended' where id = '${group}'`,
      `update "group" set status = 'active' where id = '${group}'`,
      `delete from user_group where user_id = '${member}'`,
      `insert into user_group (user_id, group_id) values ('${member}', '${group}')`,
      `delete from group_permission where group_id = '${group}'`,
    ]) {
      const before = await there.can()
      await rbac.tenancy.query(acme, sql)
      there.time.ms += 1_000
      expect([sql, await there.can()]).toEqual([sql, !before])
    }
  })

  it('and so with packages and overrides', async () => {
    const [here, there] = [elsewhere(), elsewhere()]
    await set(true)
    await here.store.unassignPackage(acme, 'basic')
    expect([await here.can(), await there.can()]).toEqual([true, true])
    await here.store.setOverride(acme, READ, { effect: 'deny' })
    expect(await here.can()).toBe(false)
    there.time.ms += 1_000
    expect(await there.can()).toBe(false)
    await here.store.removeOverride(acme, READ)
    await here.store.assignPackage(acme, 'pro', { status: 'suspended' })
    expect(await here.can()).toBe(false)
    await here.store.assignPackage(acme, 'pro')
    there.time.ms += 1_000
    expect([await here.can(), await there.can()]).toEqual([true, true])
  })
})

describe('what is not committed', () => {
  it('is not remembered when it is rolled back, though it was asked for inside', async () => {
    const here = elsewhere()
    await set(false)
    expect(await here.can()).toBe(false)
    const work = rbac.tenancy.withTenant(acme, async (db) => {
      await here.store.groups.grant(db, group, { action: READ })
      // Joins the transaction, and sees what it wrote.
      expect(await here.can()).toBe(true)
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect(await here.can()).toBe(false)
  })

  it('SQL inside a transaction of another kind: not remembered either', async () => {
    const here = elsewhere()
    await set(false)
    const work = rbac.tenancy.withTenant(acme, async (db) => {
      await db.query('insert into group_permission (group_id, tool_action) values ($1, $2)', [group, READ])
      expect(await here.can()).toBe(true)
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    expect(await here.can()).toBe(false)
  })

  it('what an old snapshot shows is not remembered', async () => {
    const [here, other] = [elsewhere(), elsewhere()]
    await set(true)
    await rbac.tenancy.withTenant(
      acme,
      async (db) => {
        await db.query('select 1 from rbac_epoch')
        await changeOutside()
        expect(await here.can()).toBe(true)
      },
      { isolationLevel: 'repeatable read' },
    )
    expect(await here.can()).toBe(false)
    expect(await other.can()).toBe(false)

    async function changeOutside() {
      const client = await rbac.world.root.connect()
      try {
        await client.query(`delete from c_acme.group_permission where group_id = $1`, [group])
      } finally {
        client.release()
      }
    }
  })

  it('a read that began before a commit and ends after it is not believed', async () => {
    const here = elsewhere()
    await set(true)
    expect(await here.can()).toBe(true)
    here.time.ms = 2_000
    let release = () => {}
    let reached = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    const there = new Promise<void>((resolve) => (reached = resolve))
    let answered: unknown
    const tenants: TenantQueries = {
      async query<R extends object>(tenant: TenantKey, text: string, values?: readonly unknown[]) {
        const result = await rbac.tenancy.query<R>(tenant, text, values)
        if (answered === undefined) {
          answered = result
          reached()
          await held
        }
        return result
      },
    }
    const slow = rbac.store({ now: () => here.time.ms, tenants })
    const can = async () => (await slow.evaluatorFor({ tenant: acme, actor: actor() })).can(READ)
    const first = can()
    await there
    await set(false, slow)
    expect(await can()).toBe(false)
    release()
    await first
    expect(await can()).toBe(false)
  })
})

describe('while a change of ours is not committed', () => {
  /** Somebody else's request on this process, which does not join the transaction. */
  const aside = <T>(work: () => Promise<T>) => OUTSIDE.runInAsyncScope(work)

  it('what others read meanwhile is not taken for what it will be', async () => {
    const here = elsewhere()
    await set(true)
    await rbac.tenancy.withTenant(acme, async (db) => {
      const [permission] = await here.store.groups.permissions(db, group)
      await here.store.groups.revoke(db, group, String(permission?.id))
      expect(await aside(here.can)).toBe(true)
    })
    expect(await here.can()).toBe(false)
  })

  it('nor is what a slow read brings that began before', async () => {
    let [read, release] = [() => {}, () => {}]
    const wasRead = new Promise<void>((resolve) => (read = resolve))
    const held = new Promise<void>((resolve) => (release = resolve))
    let first = true
    const tenants: TenantQueries = {
      async query<R extends object>(tenant: TenantKey, text: string, values?: readonly unknown[]) {
        const wait = first
        first = false
        const result = await rbac.tenancy.query<R>(tenant, text, values)
        if (wait) {
          read()
          await held
        }
        return result
      },
    }
    await set(true)
    const time = { ms: 0 }
    const store = rbac.store({ now: () => time.ms, tenants })
    const can = async () => (await store.evaluatorFor({ tenant: acme, actor: actor() })).can(READ)
    const slow = can()
    // Answered, not only asked: behind the change below it would bring another epoch.
    await wasRead
    // Somebody else moves the epoch on, so that the slow read brings one that our change did not begin with.
    const other = rbac.store()
    await rbac.tenancy.withTenant(acme, (db) => other.users.rename(db, member, 'M2'))
    await rbac.tenancy.withTenant(acme, async (db) => {
      const [permission] = await store.groups.permissions(db, group)
      await store.groups.revoke(db, group, String(permission?.id))
      release()
      await aside(() => slow)
      expect(await aside(can)).toBe(true)
    })
    expect(await can()).toBe(false)
  })
})

it('a change made here is not answered with an epoch that was being read before it', async () => {
  const here = elsewhere()
  await set(true)
  expect(await here.can()).toBe(true)
  here.time.ms = 1_000
  let [read, release] = [() => {}, () => {}]
  const wasRead = new Promise<void>((resolve) => (read = resolve))
  const released = new Promise<void>((resolve) => (release = resolve))
  here.spy.after = async () => {
    here.spy.after = async () => {}
    read()
    await released
  }
  const before = here.can()
  await wasRead
  await set(false, here.store)
  const after = here.can()
  release()
  await before
  expect(await after).toBe(false)
})

describe('what counts as a change', () => {
  it("a tenant's own limits and flags", async () => {
    const there = elsewhere()
    const flag = async () =>
      (await there.store.evaluatorFor({ tenant: acme, actor: actor() })).feature('beta')
    expect(await flag()).toBe(false)
    await rbac.store().setTenant(acme, { flags: { beta: true } })
    there.time.ms += 1_000
    expect(await flag()).toBe(true)
  })

  it('a user who is removed, and one who is there again is not the same', async () => {
    const store = rbac.store()
    const id = await rbac.tenancy.withTenant(acme, async (db) => {
      const { id } = await store.users.create(db, { email: 'gone@example.com', name: 'G' })
      await store.groups.addUser(db, group, id)
      await store.groups.grant(db, group, { action: READ })
      return id
    })
    const can = async () =>
      (await store.evaluatorFor({ tenant: acme, actor: { type: 'user', id } })).can(READ)
    expect(await can()).toBe(true)
    await rbac.tenancy.withTenant(acme, (db) => store.users.remove(db, id))
    expect(await can()).toBe(false)
  })

  it('without the trigger on keys nothing of a key is remembered', async () => {
    const store = rbac.store()
    await store.assignPackage(globex, 'basic')
    await rbac.tenancy.query(globex, 'drop trigger trg_api_key_epoch on api_key')
    const { rows } = await rbac.tenancy.query<{ id: string }>(
      globex,
      `insert into api_key (name, profile) values ('ci', 'read-only') returning id`,
    )
    const service = { type: 'service', id: String(rows[0]?.id) } as const
    const can = async () => (await store.evaluatorFor({ tenant: globex, actor: service })).can(READ)
    expect(await can()).toBe(true)
    await rbac.tenancy.query(globex, `update api_key set status = 'suspended'`)
    expect(await can()).toBe(false)
  })
})

describe('cost and failure', () => {
  it('asks nothing within the second, two small questions after it, and once for all who wait', async () => {
    const here = elsewhere()
    await here.can()
    here.spy.count = 0
    await here.can()
    expect(here.spy.count).toBe(0)
    here.time.ms += 1_000
    await Promise.all([here.can(), here.can(), here.can()])
    expect(here.spy.count).toBe(1)
  })

  it('permits nothing when the epoch cannot be read', async () => {
    const here = elsewhere()
    await set(true)
    expect(await here.can()).toBe(true)
    here.time.ms += 1_000
    here.spy.before = async () => {
      throw Object.assign(new Error('down'), { code: 'CONNECTION_LOST' })
    }
    expect(await codeOf(here.can())).toBe('CONNECTION_LOST')
    here.spy.before = async () => {}
    expect(await here.can()).toBe(true)
  })

  it('permits nothing when the entitlement cannot be read', async () => {
    const store = rbac.store({ control: { query: () => Promise.reject(new Error('down')) } })
    expect(await codeOf(store.evaluatorFor({ tenant: acme, actor: actor() }))).toBe('SERVICE_UNAVAILABLE')
  })

  it('refuses a suspended tenant within the bound', async () => {
    const time = { ms: 0 }
    const store = rbac.store({ now: () => time.ms })
    const who = { tenant: globex, actor: actor() }
    await store.evaluatorFor(who)
    await rbac.tenancy.suspend('globex')
    time.ms = 1_000
    expect(await codeOf(store.evaluatorFor(who))).toBe('TENANT_SUSPENDED')
    await rbac.tenancy.resume('globex')
  })

  it('keeps no more than it was told', async () => {
    const store = rbac.store({ maxActors: 2, maxTenants: 1 })
    for (let i = 0; i < 20; i++) {
      const who = { type: 'user', id: crypto.randomUUID() } as const
      expect((await store.evaluatorFor({ tenant: i % 2 ? acme : globex, actor: who })).list()).toEqual([])
    }
  })

  it.each([1_001, -1, Number.NaN])('refuses a longer memory: %d', (maxAge) => {
    expect(() => rbac.store({ maxAge })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})

async function rolledBack(store: Store): Promise<void> {
  const work = rbac.tenancy.withTenant(acme, async (db) => {
    await store.groups.grant(db, group, { action: READ })
    await store.evaluatorFor({ tenant: acme, actor: actor() })
    throw new Error('no')
  })
  await expect(work).rejects.toThrow('no')
}

it('two processes never permit beyond the bound, whatever changes in whatever order', {
  tags: 'slow',
}, async () => {
  const step = fc.record({
    by: fc.constantFrom(0, 1),
    what: fc.constantFrom('grant', 'revoke', 'package', 'no package', 'rollback', 'ask'),
    pass: fc.constantFrom(0, 1, 500, 999, 1_000),
  })
  const run = async (steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]) => {
    const processes = [elsewhere(), elsewhere()] as const
    let now = 0
    const advance = (ms: number) => {
      now += ms
      for (const { time } of processes) time.ms = now
    }
    // Each half by itself: grants and entitlement may be of different moments within the bound.
    const gone: Record<'grant' | 'package', { at: number; by: number } | undefined> = {
      grant: { at: Number.NEGATIVE_INFINITY, by: -1 },
      package: undefined,
    }
    const setup = processes[0].store
    await set(false, setup)
    await setup.assignPackage(acme, 'pro')
    await setup.unassignPackage(acme, 'basic')
    for (const { by, what, pass } of steps) {
      const { store } = processes[by as 0 | 1]
      if (what === 'grant') await set(true, store)
      if (what === 'revoke') await set(false, store)
      if (what === 'package') await store.assignPackage(acme, 'pro')
      if (what === 'no package') await store.unassignPackage(acme, 'pro')
      if (what === 'rollback') await rolledBack(store)
      if (what === 'grant' || what === 'package') gone[what] = undefined
      if (what === 'revoke') gone.grant ??= { at: now, by }
      if (what === 'no package') gone.package ??= { at: now, by }
      advance(pass)
      for (const [asked, process] of processes.entries()) {
        const can = await process.can()
        const known = Object.values(gone).some((one) => one && (one.by === asked || now - one.at >= 1_000))
        if (known) expect(can).toBe(false)
      }
    }
    advance(1_000)
    for (const process of processes) expect(await process.can()).toBe(!gone.grant && !gone.package)
  }
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), run), { numRuns: 25 })
})
