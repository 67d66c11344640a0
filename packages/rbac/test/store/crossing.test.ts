import { AsyncResource } from 'node:async_hooks'
import type { TenantKey } from '@org/core'
import { beforeAll, describe, expect, it } from 'vitest'
import type { TenantQueries } from '../../src/store/index.ts'
import { eventually } from '../support/world.ts'
import { acme, globex, seeded, useRbac } from './rbac-world.ts'

// Answers of two connections cross: which read began first does not tell which of them looked first.

const rbac = useRbac()
const READ = 'notes.item.read'
const OUTSIDE = new AsyncResource('outside')
/** Requests of others on this process, which do not join the transaction. */
const aside = <T>(work: () => Promise<T>) => OUTSIDE.runInAsyncScope(work)
const ids = { group: '', ana: '', bob: '' }

beforeAll(async () => {
  const store = rbac.store()
  await seeded(rbac, store, acme)
  await rbac.tenancy.withTenant(acme, async (db) => {
    ids.group = (await store.groups.create(db, { name: 'READERS' })).id
    for (const name of ['ana', 'bob'] as const) {
      ids[name] = (await store.users.create(db, { email: `${name}@example.com`, name })).id
      await store.groups.addUser(db, ids.group, ids[name])
    }
  })
})

/** A gate that one statement waits at. */
function gate() {
  let open = () => {}
  let reached = false
  const opened = new Promise<void>((resolve) => (open = resolve))
  const wait = () => {
    reached = true
    return opened
  }
  return { open: () => open(), wait, reached: () => reached }
}

/** A store with memory, whose next statements can be held before they are sent or when they are answered. */
function held(options: { readonly maxTenants?: number } = {}) {
  const time = { ms: 0 }
  const next: { before?: () => Promise<void>; after?: () => Promise<void> }[] = []
  const tenants: TenantQueries = {
    async query<R extends object>(tenant: TenantKey, text: string, values?: readonly unknown[]) {
      const { before, after } = tenant === acme ? (next.shift() ?? {}) : {}
      await before?.()
      const result = await rbac.tenancy.query<R>(tenant, text, values)
      await after?.()
      return result
    },
  }
  const store = rbac.store({ now: () => time.ms, tenants, ...options })
  const can = async (id = ids.ana) =>
    (await store.evaluatorFor({ tenant: acme, actor: { type: 'user', id } })).can(READ)
  return { time, next, store, can }
}

/** Two who may read, a revocation under way, and two reads of the epoch: one late to be sent, one late to arrive. */
async function crossing(here: ReturnType<typeof held>, lateAnswer: boolean) {
  const { store, next, time, can } = here
  await rbac.tenancy.withTenant(acme, (db) => store.groups.grant(db, ids.group, { action: READ }))
  expect([await can(), await can(ids.bob)]).toEqual([true, true])
  time.ms += 1_000
  const [sending, answering, following] = [gate(), gate(), gate()]
  let reads: Promise<unknown>[] = []
  await rbac.tenancy.withTenant(acme, async (db) => {
    const [permission] = await store.groups.permissions(db, ids.group)
    await store.groups.revoke(db, ids.group, String(permission?.id))
    next.push({ before: sending.wait })
    const first = aside(() => can())
    time.ms += 500
    next.push(lateAnswer ? { after: answering.wait } : {})
    // Once the first knows of the change it reads the grants: that is held too, so that it puts nothing right.
    next.push({ before: following.wait })
    const second = aside(() => can(ids.bob))
    reads = [first, second]
    await eventually(sending.reached)
    if (lateAnswer) await eventually(answering.reached)
    else expect(await second).toBe(true)
  })
  sending.open()
  await eventually(following.reached)
  const finish = async () => {
    following.open()
    answering.open()
    return await Promise.all(reads)
  }
  return { answering, reads, finish }
}

describe('a revocation made here, once somebody has seen it', () => {
  it('is not undone by an answer that was there before it, to a question asked later', async () => {
    const here = held()
    const { finish } = await crossing(here, false)
    expect(await here.can(ids.bob)).toBe(false)
    expect(await finish()).toEqual([false, true])
  })

  it('nor by one that arrives after it', async () => {
    const here = held()
    const { answering, reads, finish } = await crossing(here, true)
    answering.open()
    await reads[1]
    expect(await here.can(ids.bob)).toBe(false)
    await finish()
  })

  it('nor by one that arrives when nothing of the tenant is remembered any more', async () => {
    const here = held({ maxTenants: 1 })
    const { answering, reads, finish } = await crossing(here, true)
    await here.store.evaluatorFor({ tenant: globex, actor: { type: 'user', id: ids.ana } })
    answering.open()
    await reads[1]
    expect(await here.can(ids.bob)).toBe(false)
    await finish()
  })

  it('nor does anybody wait with those who asked too early', async () => {
    const here = held()
    const { answering, finish } = await crossing(here, true)
    here.time.ms += 500
    const asked = here.can(ids.bob)
    answering.open()
    expect(await asked).toBe(false)
    await finish()
  })
})
