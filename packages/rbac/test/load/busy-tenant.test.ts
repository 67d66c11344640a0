// @module-tag slow: a busy tenant; epoch.test.ts asks behind a revocation, also while others read.
import { AsyncResource } from 'node:async_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { MIGRATIONS } from '../store/migrations.ts'
import { acme, seeded, useRbac } from '../store/rbac-world.ts'

const rbac = useRbac()
const READ = 'notes.item.read'
const ROUNDS = process.env.TEST_SLOW ? 30 : 5
const USERS = 8
const REQUESTS = 24
/** Requests, which join no transaction. */
const OUTSIDE = new AsyncResource('outside')

it('whoever asks behind a revocation made here is refused, however many ask at once', async () => {
  const tenancy = rbac.world.tenancy({ pool: rbac.world.pool({ max: 12 }), migrations: MIGRATIONS })
  // A memory this short is read again all the time: answers of many connections cross.
  const store = rbac.store({ tenants: tenancy, maxAge: 3 })
  await seeded(rbac, store, acme)
  const users: string[] = []
  const group = await tenancy.withTenant(acme, async (db) => {
    const { id } = await store.groups.create(db, { name: 'READERS' })
    for (let n = 0; n < USERS; n++) {
      const user = await store.users.create(db, { email: `u${n}@example.com`, name: 'U' })
      await store.groups.addUser(db, id, user.id)
      users.push(user.id)
    }
    return id
  })

  // The revocation that was committed last; `undefined` while the permission is there.
  let revoked: number | undefined
  const state = { running: true, asked: 0, allowed: 0, wrong: 0 }
  const request = async (id: string) => {
    const before = revoked
    const evaluator = await store.evaluatorFor({ tenant: acme, actor: { type: 'user', id } })
    const allowed = evaluator.can(READ)
    state.asked += 1
    if (allowed) state.allowed += 1
    // Begun and ended behind the same revocation.
    if (allowed && before !== undefined && before === revoked) state.wrong += 1
  }
  const requests = OUTSIDE.runInAsyncScope(() =>
    Array.from({ length: REQUESTS }, async (_, at) => {
      for (let n = at; state.running; n++) {
        await request(String(users[n % USERS]))
        if (n % 3 === 0) await turn()
      }
    }),
  )
  const further = async (more: number) => {
    const target = state.asked + more
    while (state.asked < target) await turn()
  }
  try {
    for (let round = 0; round < ROUNDS; round++) {
      revoked = undefined
      await tenancy.withTenant(acme, (db) => store.groups.grant(db, group, { action: READ }))
      await further(20 * REQUESTS)
      await tenancy.withTenant(acme, async (db) => {
        const [permission] = await store.groups.permissions(db, group)
        await store.groups.revoke(db, group, String(permission?.id))
      })
      revoked = round
      await further(20 * REQUESTS)
    }
  } finally {
    state.running = false
    await Promise.all(requests)
  }
  expect(state.allowed).toBeGreaterThan(0)
  expect(state.wrong).toBe(0)
})
