import { expect, it } from 'vitest'
import { parseTenantKey, requireActive } from '../../src/index.ts'

const acme = parseTenantKey('acme')

it('lets an active tenant pass', async () => {
  await expect(requireActive(async () => ({ status: 'active' }), acme)).resolves.toBeUndefined()
})

it.each([
  ['suspended', { status: 'suspended' }, 'TENANT_SUSPENDED', 403],
  ['being made', { status: 'provisioning' }, 'TENANT_NOT_FOUND', 401],
  ['dropped', { status: 'deleted' }, 'TENANT_NOT_FOUND', 401],
  ['unknown', undefined, 'TENANT_NOT_FOUND', 401],
])('refuses one that is %s', async (_, found, code, status) => {
  await expect(requireActive(async () => found, acme)).rejects.toMatchObject({ code, status })
})

it('fails when nobody can tell', async () => {
  const down = new Error('down')
  await expect(requireActive(() => Promise.reject(down), acme)).rejects.toBe(down)
})
