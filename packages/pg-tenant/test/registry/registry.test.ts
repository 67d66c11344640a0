import type { TenantKey } from '@org/core'
import { describe, expect, it } from 'vitest'
import { find } from '../../src/registry/read.ts'
import { codeOf, NOTES, useWorld } from '../support/world.ts'

const world = useWorld([])
const one = async (sql: string, values: unknown[] = []) => (await world.root.query(sql, values)).rows[0]

describe('the registry', () => {
  it('knows every tenant that was provisioned, with plan, placement and version', async () => {
    const tenancy = world.tenancy()
    expect(await tenancy.find('acme')).toBeUndefined()
    expect(await tenancy.list()).toEqual([])
    await tenancy.provision('acme', { plan: 'pro', placement: 'eu-1' })
    await tenancy.provision('globex')
    expect(await tenancy.find('acme')).toEqual({
      key: 'acme',
      status: 'active',
      suspendedReason: null,
      isolation: 'role',
      plan: 'pro',
      placement: 'eu-1',
      schemaVersion: NOTES.id,
      createdAt: expect.any(Date),
      updatedAt: expect.any(Date),
      deletedAt: null,
    })
    expect((await tenancy.list()).map(({ key }) => key)).toEqual(['acme', 'globex'])
    expect((await tenancy.list({ limit: 1 })).map(({ key }) => key)).toEqual(['acme'])
    expect((await tenancy.list({ after: 'acme' })).map(({ key }) => key)).toEqual(['globex'])
    expect(await tenancy.list({ status: 'suspended' })).toEqual([])
    expect(await codeOf(tenancy.list({ limit: 0 }))).toBe('VALIDATION_ERROR')
  })

  it('reads moments whatever the DateStyle of the database', async () => {
    // The administrator's: a pooler takes no options.
    const pool = world.pool({ connectionString: world.adminUrl, options: '-c datestyle=German' })
    const read = () => find(pool, { controlSchema: 'tenancy', prefix: 'c_' }, 'german' as TenantKey)
    await world.tenancy().provision('german')
    const { created_at } = await one(`select created_at from tenancy.tenant where key = 'german'`)
    expect(await read()).toMatchObject({
      createdAt: created_at,
      updatedAt: expect.any(Date),
      deletedAt: null,
    })
    await world.tenancy().drop('german')
    expect(await read()).toMatchObject({ deletedAt: expect.any(Date) })
  })

  it('keeps plan and placement when provision is repeated without them', async () => {
    const tenancy = world.tenancy()
    await tenancy.provision('acme')
    expect(await tenancy.find('acme')).toMatchObject({ plan: 'pro', placement: 'eu-1' })
    await tenancy.provision('acme', { plan: 'basic' })
    expect(await tenancy.find('acme')).toMatchObject({ plan: 'basic', placement: 'eu-1' })
  })

  it('records each migration: who has what, since when, how long it took, by whom', async () => {
    await world.tenancy().provision('acme')
    expect(
      await one(
        `select id, duration_ms >= 0 as timed, applied_by from tenancy.tenant_migration where key = 'acme'`,
      ),
    ).toEqual({ id: NOTES.id, timed: true, applied_by: world.adminRole })
  })

  it('keeps the tenants of each prefix apart', async () => {
    const other = world.tenancy({ schemaPrefix: 'other_', isolation: 'schema' })
    await other.provision('acme')
    expect(await other.list()).toHaveLength(1)
    expect(await other.find('globex')).toBeUndefined()
  })

  it('does not give a dropped key to a new owner by accident', async () => {
    const tenancy = world.tenancy()
    await tenancy.provision('gone')
    await tenancy.drop('gone')
    expect(await tenancy.find('gone')).toMatchObject({ status: 'deleted', deletedAt: expect.any(Date) })
    expect((await tenancy.list()).map(({ key }) => key)).not.toContain('gone')
    expect(await codeOf(tenancy.provision('gone'))).toBe('CONFLICT')
    expect(await one(`select to_regnamespace('c_gone') as schema`)).toEqual({ schema: null })
    expect(await tenancy.provision('gone', { reuseDeletedKey: true })).toMatchObject({ created: true })
    expect(await tenancy.find('gone')).toMatchObject({ status: 'active', deletedAt: null })
  })

  it('refuses to provision a tenant that is being dropped', async () => {
    await world.tenancy().provision('leaving')
    await world.root.query(`update tenancy.tenant set status = 'deleting' where key = 'leaving'`)
    expect(await codeOf(world.tenancy().provision('leaving'))).toBe('CONFLICT')
    expect(await codeOf(world.tenancy().provision('leaving', { reuseDeletedKey: true }))).toBe('CONFLICT')
    expect(await world.tenancy().find('leaving')).toMatchObject({ status: 'deleting' })
  })

  it('is closed to PUBLIC, also where new schemas are not', async () => {
    const defaults = (what: string) =>
      world.root.query(`alter default privileges for role ${world.adminRole} ${what}`)
    await defaults('grant usage on schemas to public')
    try {
      await world.tenancy({ controlSchema: 'closed' }).provision('inside')
    } finally {
      await defaults('revoke usage on schemas from public')
    }
    const { rows } = await world.root.query(
      `select count(*)::int as open from pg_namespace, aclexplode(nspacl) where nspname = 'closed' and grantee = 0`,
    )
    expect(rows).toEqual([{ open: 0 }])
    expect((await world.root.query(`select to_regnamespace('closed') is not null as made`)).rows).toEqual([
      { made: true },
    ])
  })

  it('refuses a tenant at another isolation level than its own', async () => {
    await world.tenancy().provision('level')
    expect(await codeOf(world.tenancy({ isolation: 'schema' }).provision('level'))).toBe('CONFLICT')
  })

  it('can be read by the application and written by nobody but the administrator', async () => {
    const pool = world.pool({ max: 1 })
    expect((await pool.query('select count(*) > 0 as some from tenancy.tenant')).rows).toEqual([
      { some: true },
    ])
    await expect(pool.query(`update tenancy.tenant set status = 'active'`)).rejects.toMatchObject({
      code: '42501',
    })
    const inside = world.tenancy().query('acme', 'select * from tenancy.tenant')
    await expect(inside).rejects.toMatchObject({ code: 'DATABASE_ERROR', details: { sqlState: '42501' } })
  })

  it('refuses to work with a control schema of a newer release', async () => {
    const tenancy = world.tenancy({ controlSchema: 'newer' })
    await tenancy.provision('newer')
    await world.root.query('insert into newer.control_version (version) values (99)')
    expect(await codeOf(world.tenancy({ controlSchema: 'newer' }).provision('newest'))).toBe('CONFLICT')
  })

  it.each(['', 'pg_x', 'Tenancy', 'a"b', '1a', 'x'.repeat(64)])(
    'refuses the name %j for itself',
    (controlSchema) => {
      expect(() => world.tenancy({ controlSchema })).toThrowError(
        expect.objectContaining({ code: 'INVALID_OPTION' }),
      )
    },
  )
})
