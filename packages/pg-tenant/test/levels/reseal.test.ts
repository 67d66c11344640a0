import { beforeAll, expect, it } from 'vitest'
import type { Sealing, Tenancy } from '../../src/index.ts'
import { testSealing, useSetting } from './setting.ts'

const setting = useSetting()
const [old, fresh] = [testSealing(), testSealing()]

/** As a key ring does: seals under the new key, opens under both. */
const both: Sealing = {
  seal: fresh.seal,
  open: async (sealed, place) => {
    try {
      return await fresh.open(sealed, place)
    } catch {
      return await old.open(sealed, place)
    }
  },
}
let before: Tenancy
beforeAll(async () => {
  before = setting.tenancy('login', { credentials: old })
  for (const key of ['acme', 'globex']) await before.provision(key)
})

const sealed = async () =>
  (await setting.world.root.query(`select key, sealed from tenancy.tenant_credential order by key`)).rows

it('seals every stored password anew, so that the old key can be taken away', async () => {
  const stored = await sealed()
  const rotating = setting.tenancy('login', { credentials: both })
  expect(await rotating.resealCredentials()).toBe(2)
  const now = await sealed()
  expect(now.map(({ key }) => key)).toEqual(['acme', 'globex'])
  for (const [index, { sealed }] of now.entries()) expect(sealed).not.toBe(stored[index].sealed)
  const after = setting.tenancy('login', { credentials: fresh })
  expect((await after.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  expect((await after.query('globex', 'select 1 as one')).rows).toEqual([{ one: 1 }])
})

it('changes nothing when one cannot be opened', async () => {
  const stored = await sealed()
  await expect(setting.tenancy('login', { credentials: testSealing() }).resealCredentials()).rejects.toThrow()
  expect(await sealed()).toEqual(stored)
})

it('has nothing to do where tenants do not log in', async () => {
  const tenancy = setting.tenancy('role')
  expect(await tenancy.resealCredentials()).toBe(0)
})
