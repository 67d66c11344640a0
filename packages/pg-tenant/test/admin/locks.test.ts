import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codeOf, NOTES, useWorld } from '../support/world.ts'

// Hazard ad: what a tenant that was broken into can hold, and what goes on all the same.

const world = useWorld(['evil', 'good'])
const NAMES = ['pg_tenant:c_evil', 'pg_tenant:c_good', 'pg_tenant.control:tenancy', 'pg_tenant.staged:c_evil']
let holder: pg.Client

beforeAll(async () => {
  holder = new pg.Client(world.appUrl)
  await holder.connect()
  await holder.query(`set role "${world.rolePrefix}evil"`)
  await holder.query('select pg_advisory_lock(hashtextextended(one, 0)) from unnest($1::text[]) one', [NAMES])
})
afterAll(() => holder.end())

describe('while a tenant holds every advisory lock there was', () => {
  it('it is suspended, others are, and a new process provisions', async () => {
    const fresh = world.tenancy()
    expect(await fresh.suspend('evil', 'broken into')).toBe(true)
    expect(await fresh.suspend('good')).toBe(true)
    expect(await fresh.resume('good')).toBe(true)
    expect(await fresh.provision('newcomer')).toMatchObject({ created: true })
    expect(await fresh.ready.fill(1)).toMatchObject({ made: 1 })
  })

  it('none of the locks of administration can be taken by a tenant', async () => {
    for (const sql of [
      'select from tenancy.tenant for share',
      'lock table tenancy.control_version in access share mode',
      `insert into tenancy.work_lock (name) values ('connect')`,
      'select from tenancy.work_lock for update',
      'lock table c_evil._tenant_migration in access share mode',
      'lock table c_evil._tenant_c_ in share update exclusive mode',
    ])
      await expect(
        holder.query(`do $$ begin ${sql.replace('select from', 'perform 1 from')}; end $$`),
        sql,
      ).rejects.toMatchObject({
        code: '42501',
      })
  })

  it('what it can still delay is bounded: a scope that stays open holds up its drop, and nothing else', async () => {
    const tenancy = world.tenancy()
    await tenancy.resume('evil')
    let states: string[] = []
    const open = tenancy.withTenant('evil', async (db) => {
      await db.query('lock table notes in access exclusive mode')
      expect(await tenancy.suspend('evil')).toBe(true)
      const report = await world
        .tenancy({ migrations: [NOTES, { id: '0002', sql: 'alter table notes add column n int' }] })
        .migrate({
          only: ['evil', 'good'],
          lockTimeout: 500,
          attempts: 2,
          backoff: 1,
          maxFailures: 9,
          throwOnFailure: false,
        })
      states = report.tenants.map(({ tenant, state }) => `${tenant} ${state}`).sort()
    })
    // A session that has heard of the suspension by now commits no more; one that has not does.
    expect(await open.catch((error: { code: string }) => error.code)).toBeOneOf([undefined, 'SCOPE_ESCAPED'])
    expect(states).toEqual(['evil failed', 'good migrated'])
    expect(await codeOf(tenancy.query('evil', 'select 1'))).toBe('TENANT_SUSPENDED')
  })
})
