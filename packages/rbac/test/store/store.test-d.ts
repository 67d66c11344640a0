import type { Queryable, TenantKey } from '@org/core'
import type { Tenancy, TenantDb } from '@org/pg-tenant'
import { type AnyIn, type Equal, expectType } from '@org/pg-testing/expect-type'
import { Hono } from 'hono'
import type * as forDrizzle from '../../src/drizzle/index.ts'
import * as forExpress from '../../src/express/index.ts'
import * as forHono from '../../src/hono/index.ts'
import type * as store from '../../src/store/index.ts'
import { createRbacStore } from '../../src/store/index.ts'
import { catalog } from '../support/product.ts'

declare const control: Queryable
declare const tenancy: Tenancy
declare const db: TenantDb
declare const tenant: TenantKey

const rbac = createRbacStore({ catalog, control, tenants: tenancy })
const evaluator = await rbac.evaluatorFor({ tenant, actor: { type: 'user', id: 'u' } })
expectType<Equal<ReturnType<typeof evaluator.can>, boolean>>(true)
await rbac.assignPackage(tenant, 'pay-2026', { expiresAt: new Date() })
await rbac.setOverride(tenant, 'notes.*', { effect: 'deny' })
await rbac.groups.grant(db, 'id', { action: 'notes.item.read', constraints: { own: true } })

// @ts-expect-error a misspelt action
evaluator.can('notes.item.reed')
// @ts-expect-error a package that is not sold
await rbac.assignPackage(tenant, 'gold')
// @ts-expect-error a misspelt action
await rbac.groups.grant(db, 'id', { action: 'notes.item.reed' })
// @ts-expect-error a text is no tenant key
await rbac.assignPackage('acme', 'pro')
// @ts-expect-error a pool is no tenant's handle
await rbac.users.create(control, { email: 'a@example.com', name: 'A' })
expectType<Equal<Awaited<ReturnType<typeof rbac.changing<number>>>, number>>(true)
// @ts-expect-error what is changed belongs to a tenant
await rbac.changing(control, async () => 1)
// @ts-expect-error a moment is a Date
await rbac.assignPackage(tenant, 'pro', { expiresAt: '2030-01-01' })

const express = forExpress.createGuard({ catalog, evaluator: async () => evaluator })
express.requireAction('notes.item.read')
// @ts-expect-error a misspelt action
express.requireAction('notes.item.reed')
const hono = forHono.createGuard({ catalog, evaluator: async () => evaluator })
new Hono().get('/', hono.requireAction('billing.invoice.pay'))
// @ts-expect-error a tool is no action
hono.requireAction('notes.*')

expectType<Equal<AnyIn<typeof store>, never>>(true)
expectType<Equal<ReturnType<typeof forDrizzle.conditionToDrizzle>['_']['brand'], 'SQL'>>(true)
