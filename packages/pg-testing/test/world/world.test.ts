import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import pg from 'pg'
import { expect, inject, it } from 'vitest'
import { codeOf, testTenancy, testWorld } from '../../src/index.ts'
import { useTestTenancy } from '../../src/vitest/index.ts'
import { createSchemas } from './fixtures/tenancy.ts'

const server = inject('pgTenantServerUrl')
const file = useTestTenancy(createSchemas, { tenants: ['acme'], options: { schema: 'x' } })

/** What of these names is on the server. */
async function found(like: string): Promise<number> {
  const client = new pg.Client(server)
  await client.connect()
  const sql = `select from pg_roles where rolname like $1 union all select from pg_database where datname like $1`
  return (await client.query(sql, [like]).finally(() => client.end())).rowCount ?? 0
}

it('has roles that are no superusers, and an application that may do nothing', async () => {
  const world = await testWorld({ server })
  const { rows } = await world.root.query(
    'select rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb from pg_roles where rolname = any ($1) order by 1 desc',
    [[world.appRole, world.adminRole]],
  )
  expect(rows).toMatchObject([
    { rolsuper: false, rolinherit: false, rolcreaterole: false, rolcreatedb: false },
    { rolsuper: false, rolcreaterole: true, rolcreatedb: false },
  ])
  expect(await codeOf(world.pool().query('create schema mine'))).toBe('42501')
  await world.admin.query('create schema theirs')
  await world.close()
  await world.close()
})

it('leaves nothing behind, roles and databases of tenants included', async () => {
  const world = await testWorld({ server, createdb: true })
  await world.admin.query(`create role ${world.rolePrefix}acme`)
  await world.admin.query(`create database ${world.rolePrefix}acme`)
  expect(await found(`${world.rolePrefix}%`)).toBe(2)
  await world.close()
  expect(await found(`${world.rolePrefix}%`)).toBe(0)
  expect(await found(world.appRole)).toBe(0)
})

it('fails when a session was left in a transaction', { tags: 'slow' }, async () => {
  const world = await testWorld({ server })
  const client = await world.root.connect()
  await client.query('begin')
  const closing = world.close()
  client.release()
  await expect(closing).rejects.toThrow('left in a transaction')
})

it('makes a tenancy with its tenants in one line, and closes it', async () => {
  const { tenancy, open, close, root, rolePrefix } = await testTenancy(createSchemas, {
    server,
    tenants: ['acme'],
  })
  const { rows } = await root.query(`select count(*)::int as n from ${rolePrefix}acme.notes`)
  expect(rows).toEqual([{ n: 0 }])
  const other = open({ migrations: [] })
  expect(other.parts.migrations).toEqual([])
  await close()
  expect([tenancy.closed, other.closed]).toEqual([true, true])
})

it('leaves nothing behind when a tenant cannot be made', async () => {
  const seen: string[] = []
  const create: typeof createSchemas = (parts) => {
    seen.push(parts.rolePrefix)
    return createSchemas(parts)
  }
  await expect(testTenancy(create, { server, tenants: ['acme', 'bad'] })).rejects.toThrow('no such key')
  expect(seen).toHaveLength(1)
  expect(await found(`${seen[0]}%`)).toBe(0)
})

it('gives a vitest file a world of its own', async () => {
  expect(file.tenancy().parts).toMatchObject({ schema: 'x', rolePrefix: file.rolePrefix })
  await file.root.query(`select from ${file.rolePrefix}acme.notes`)
})

it('works under node:test', { tags: 'slow' }, () => {
  const env = { ...process.env, TEST_DATABASE_URL: server }
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--conditions=@org/source', '--test', join(import.meta.dirname, 'fixtures/node-test.ts')],
    { env, encoding: 'utf8' },
  )
  expect(stdout).toMatch(/pass 1/)
  expect(status).toBe(0)
})
