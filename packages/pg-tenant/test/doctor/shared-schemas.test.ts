import { describe, expect, it } from 'vitest'
import { useSetting } from '../levels/setting.ts'

// Extensions and shared types: where tenants do not find them, or where one of them takes them along.

const setting = useSetting()
const codes = async (tenancy: ReturnType<typeof setting.tenancy>, code: string) =>
  (await tenancy.doctor()).findings.filter((finding) => finding.code === code)

describe.each(['schema', 'role', 'login', 'row'] as const)('level %s', (level) => {
  it('says who has no USAGE on a shared schema with something in it', async () => {
    const { root, appRole } = setting.world
    const schema = `types_${level}`
    await root.query(`create schema ${schema}; create domain ${schema}.email as text`)
    const tenancy = setting.tenancy(level, {
      sharedSchemas: [schema],
      schemaPrefix: `u${level}_`,
      ...(level === 'row' && { row: { schema: 'u_rows' } }),
    })
    await tenancy.provision('acme')
    const who = level === 'role' || level === 'login' ? setting.roleOf(level, 'acme') : appRole
    expect(await codes(tenancy, 'SHARED_USAGE')).toMatchObject([
      { severity: 'warning', subject: schema, message: expect.stringContaining(`${who} has no USAGE`) },
    ])
    await tenancy.drop('acme')
    if (level === 'role' || level === 'login')
      expect(await codes(tenancy, 'SHARED_USAGE')).toMatchObject([
        { message: expect.stringContaining('a new tenant has no USAGE') },
      ])
    await root.query(`grant usage on schema ${schema} to public`)
    expect(await codes(tenancy, 'SHARED_USAGE')).toEqual([])
  })
})

it('says nothing of a shared schema without USAGE and with nothing in it', async () => {
  await setting.world.root.query('create schema bare')
  const tenancy = setting.tenancy('role', { sharedSchemas: ['bare'], schemaPrefix: 'bare_' })
  await tenancy.provision('acme')
  expect(await codes(tenancy, 'SHARED_USAGE')).toEqual([])
})

it('finds an extension in the schema of a tenant', async () => {
  const tenancy = setting.tenancy('schema', { schemaPrefix: 'ext_' })
  await tenancy.provision('acme')
  await setting.world.root.query('create extension citext schema ext_acme')
  expect(await codes(tenancy, 'TENANT_EXTENSION')).toMatchObject([
    { severity: 'error', subject: 'ext_acme', message: expect.stringContaining('extension citext') },
  ])
  await setting.world.root.query('create schema extensions; alter extension citext set schema extensions')
  expect(await codes(tenancy, 'TENANT_EXTENSION')).toEqual([])
})
