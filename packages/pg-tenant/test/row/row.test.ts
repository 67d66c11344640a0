import { beforeAll, describe, expect, it } from 'vitest'
import { codeOf, useWorld } from '../support/world.ts'
import { type RowTenancy, rowTenancy } from './row-world.ts'

const world = useWorld([])
let tenancy: RowTenancy
beforeAll(async () => {
  tenancy = rowTenancy(world)
  for (const key of ['acme', 'globex']) await tenancy.provision(key)
})
const bodies = async (key: string) =>
  (await tenancy.query<{ body: string }>(key, 'select body from notes order by body')).rows.map(
    ({ body }) => body,
  )

describe('level row', () => {
  it('keeps what tenants write apart, without naming the tenant in any statement', async () => {
    await tenancy.query('acme', 'insert into notes (body) values ($1)', ['of acme'])
    await tenancy.withTenant('globex', (db) =>
      db.query('insert into notes (body) values ($1)', ['of globex']),
    )
    expect(await bodies('acme')).toEqual(['of acme'])
    expect(await bodies('globex')).toEqual(['of globex'])
  })

  it('opens no scope of a tenant that is not there', async () => {
    expect(await codeOf(tenancy.query('nobody', 'select 1'))).toBe('SCHEMA_MISSING')
    expect(await codeOf(tenancy.withTenant('nobody', async () => 1))).toBe('SCHEMA_MISSING')
  })

  it('provisions again without doing anything', async () => {
    expect(await tenancy.provision('acme')).toEqual({ created: false, migrations: [] })
    expect(await rowTenancy(world).provision('acme')).toEqual({ created: false, migrations: [] })
    expect(await bodies('acme')).toEqual(['of acme'])
  })
})
