import { parseTenantKey } from '@org/core'
import { expect, it } from 'vitest'
import { forgetTenant } from '../../src/store/index.ts'
import { codeOf } from '../support/world.ts'
import { MIGRATIONS } from './migrations.ts'
import { seeded, useRbac } from './rbac-world.ts'

const rbac = useRbac()
const left = parseTenantKey('left')
const stored = async () =>
  (await rbac.world.root.query(`select from rbac.tenant_entitlement where tenant = 'left'`)).rowCount

it('forgets a tenant in the transaction that drops it, or not at all', async () => {
  const store = rbac.store()
  await rbac.tenancy.provision(left)
  await seeded(rbac, store, left)
  expect(await stored()).toBe(1)

  const cut = rbac.world.tenancy({
    migrations: MIGRATIONS,
    onForget: async (control, tenant) => {
      await forgetTenant(control, tenant)
      throw new Error('cut off here')
    },
  })
  expect(await codeOf(cut.drop(left))).toBe('INTERNAL_ERROR')
  expect([await stored(), (await rbac.tenancy.find(left))?.status]).toEqual([1, 'active'])

  expect(await rbac.world.tenancy({ migrations: MIGRATIONS, onForget: forgetTenant }).drop(left)).toBe(true)
  expect([await stored(), (await rbac.tenancy.find(left))?.status]).toEqual([0, 'deleted'])
})

it('takes the name of a schema only', async () => {
  const refused = forgetTenant(rbac.world.admin, left, { controlSchema: 'x"; drop schema public; --' })
  expect(await codeOf(refused)).toBe('INVALID_OPTION')
})
