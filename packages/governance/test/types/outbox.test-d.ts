import type { Queryable } from '@org/core'
import type { Tenancy, TenantDb } from '@org/pg-tenant'
import { type Equal, expectType } from '@org/pg-testing/expect-type'
import { outbox } from '../../src/outbox/index.ts'
import { createWorker } from '../../src/outbox/worker/index.ts'

declare const tenancy: Tenancy
declare const control: Queryable
declare const db: TenantDb

const events = outbox<{ 'user.created': { id: string }; 'user.gone': null }>()
await events.publish(db, 'user.created', { id: 'x' })
// @ts-expect-error no such type
await events.publish(db, 'user.creatd', { id: 'x' })
// @ts-expect-error another payload
await events.publish(db, 'user.created', { id: 1 })

createWorker({
  control,
  tenants: tenancy,
  outbox: events,
  handlers: {
    'user.created': async ({ payload }, { withTenant }) => {
      expectType<Equal<typeof payload, { id: string }>>(true)
      await withTenant(async (scope) => expectType<Equal<typeof scope, TenantDb>>(true))
    },
    '*': async ({ payload }) => expectType<Equal<typeof payload, unknown>>(true),
  },
})
createWorker({
  control,
  tenants: tenancy,
  outbox: events,
  // @ts-expect-error no such type
  handlers: { 'user.creatd': async () => {} },
})
createWorker({
  control,
  tenants: tenancy,
  handlers: { whatever: async ({ payload }) => expectType<Equal<typeof payload, unknown>>(true) },
})
