// @module-tag slow: e2e.test.ts signs in, makes groups and keys and suspends; logins, keys, tenants and records have files of their own in the default set.
import { expect, it } from 'vitest'
import { useWorld } from './support/world.ts'

const world = useWorld()
const asOperator = (method: string, path: string, body?: unknown) =>
  world.send(method, path, { token: world.operator, body })

it("takes another product's tool, its actions and a package, and tenants get them at once", async () => {
  const shop = await world.onboard('shop')
  expect((await asOperator('POST', '/v1/catalog/tools', { key: 'crm', name: 'CRM' })).status).toBe(201)
  const action = { key: 'crm.leads.read', name: 'See leads', kind: 'read' }
  expect((await asOperator('POST', '/v1/catalog/tools/crm/actions', action)).status).toBe(201)
  expect((await asOperator('POST', '/v1/catalog/packages', { key: 'sales', name: 'Sales' })).status).toBe(201)
  const filled = await asOperator('POST', '/v1/catalog/packages/sales/actions', { actions: ['crm.*'] })
  expect(filled.body.data.actions).toEqual(['crm.leads.read'])

  const allowed = async () =>
    (await asOperator('GET', `/v1/tenants/shop/explain?user=${shop.adminId}&action=crm.leads.read`)).body.data
  expect(await allowed()).toMatchObject({ allowed: false, missing: { link: 'package' } })
  const assigned = await asOperator('POST', '/v1/tenants/shop/packages/sales/assign', {})
  expect(assigned.body.data.packages).toEqual(['essentials', 'sales'])
  // Entitled now; but the tool was not there when the administrators' group was made, so nobody was granted it.
  expect(await allowed()).toMatchObject({ allowed: false, missing: { link: 'group' } })
})

it('refuses what it has, what it cannot place, and changes to its own tools', async () => {
  const twice = { key: 'erp', name: 'ERP' }
  await asOperator('POST', '/v1/catalog/tools', twice)
  const cases = [
    ['/v1/catalog/tools', twice, 409],
    ['/v1/catalog/tools', { key: 'constructor', name: 'X' }, 400],
    ['/v1/catalog/tools', { key: 'prototype', name: 'X' }, 400],
    ['/v1/catalog/tools/none/actions', { key: 'none.a.b', name: 'X', kind: 'read' }, 404],
    ['/v1/catalog/tools/erp/actions', { key: 'crm.a.b', name: 'X', kind: 'read' }, 400],
    ['/v1/catalog/tools/identity/actions', { key: 'identity.a.b', name: 'X', kind: 'read' }, 409],
    ['/v1/catalog/packages/essentials/actions', { actions: ['none.a.b'] }, 400],
    ['/v1/catalog/packages/none/actions', { actions: ['erp.*'] }, 404],
    ['/v1/catalog/packages/constructor/actions', { actions: ['erp.*'] }, 404],
    ['/v1/catalog/packages/platform/actions', { actions: ['erp.*'] }, 409],
    ['/v1/catalog/packages/essentials/actions', { actions: ['catalog.tools.read'] }, 409],
    ['/v1/catalog/packages', { key: 'constructor', name: 'X' }, 400],
    ['/v1/catalog/tools/erp/actions', { key: 'erp.constructor.read', name: 'X', kind: 'read' }, 400],
    ['/v1/catalog/tools/constructor/actions', { key: 'constructor.a.b', name: 'X', kind: 'read' }, 404],
  ] as const
  for (const [path, body, status] of cases) {
    expect([path, body, (await asOperator('POST', path, body)).status]).toEqual([path, body, status])
  }
})

it('lists tools, actions and packages', async () => {
  const { body } = await asOperator('GET', '/v1/catalog/actions?sort=key:asc&q=platform.tenants&limit=2')
  expect(body.data.map(({ key }: { key: string }) => key)).toEqual([
    'platform.tenants.clone',
    'platform.tenants.create',
  ])
  expect(body.meta.hasMore).toBe(true)
  expect((await asOperator('GET', '/v1/plans')).body.data).toContainEqual(
    expect.objectContaining({ key: 'starter', limits: expect.objectContaining({ max_users: 25 }) }),
  )
  const plan = { name: 'Big', limits: { max_users: 1_000, max_api_calls: null } }
  expect((await asOperator('PUT', '/v1/plans/big', plan)).status).toBe(204)
})
