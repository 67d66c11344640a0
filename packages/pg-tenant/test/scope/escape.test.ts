import { describe, expect, it } from 'vitest'
import type { IsolationLevel } from '../../src/index.ts'
import { codeOf, POOLED, useWorld } from '../support/world.ts'

const world = useWorld()

/** What a statement changes behind the guard on its first words; each must be found before COMMIT. */
const CHANGES: Readonly<Record<string, string>> = {
  'a path that still begins with the schema': `select set_config('search_path', current_schema() || ', pg_catalog', true)`,
  'a path of another tenant': `select set_config('search_path', 'c_globex', true)`,
  durability: `select set_config('synchronous_commit', 'off', true)`,
}

describe.each<IsolationLevel>(['role', 'schema'])(
  'at level %s the check before COMMIT finds',
  (isolation) => {
    it.each(Object.keys(CHANGES))('%s', async (change) => {
      const tenancy = world.tenancy({ isolation, schemaPrefix: `e${isolation[0]}_` })
      for (const key of ['acme', 'globex']) await tenancy.provision(key)
      const sql = CHANGES[change] as string
      expect(await codeOf(tenancy.query('acme', sql))).toBe('SCOPE_ESCAPED')
      const scope = tenancy.withTenant('acme', async (db) => {
        await db.query(`insert into notes (body) values ('escaped')`)
        await db.query(sql)
      })
      expect(await codeOf(scope)).toBe('SCOPE_ESCAPED')
      expect((await tenancy.query('acme', 'select * from notes')).rows).toEqual([])
    })
  },
)

describe('durability', () => {
  it.each<IsolationLevel>(['role', 'schema'])(
    'is on in a scope at level %s, also where the role has it off',
    async (isolation) => {
      const tenancy = world.tenancy({ isolation, schemaPrefix: `d${isolation[0]}_` })
      await tenancy.provision('acme')
      await world.root.query(`alter role ${world.appRole} set synchronous_commit = off`)
      const { rows } = await world
        .tenancy({ isolation, schemaPrefix: `d${isolation[0]}_` })
        .query('acme', `select current_setting('synchronous_commit') as now`)
      await world.root.query(`alter role ${world.appRole} reset synchronous_commit`)
      expect(rows).toEqual([{ now: 'on' }])
    },
  )
})

// PgBouncer logs the application's role in; this is about a pool of a superuser's.
describe.skipIf(POOLED)('for an application that is a superuser, against advice,', () => {
  it.each<IsolationLevel>(['role', 'schema'])(
    'the check at level %s finds another role',
    async (isolation) => {
      const pool = world.pool({ connectionString: world.url, max: 1 })
      const tenancy = world.tenancy({
        pool,
        adminPool: pool,
        isolation,
        schemaPrefix: `s${isolation[0]}_`,
        // Roles of its own: what is dropped is looked at for what else belongs to them.
        rolePrefix: `${world.rolePrefix}s${isolation[0]}_`,
      })
      await tenancy.provision('acme')
      const other = isolation === 'role' ? 'none' : world.adminRole
      const sql = `select set_config('role', '${other}', true)`
      if (isolation === 'schema')
        await world.root.query(`grant usage on schema ss_acme to ${world.adminRole}`)
      expect(await codeOf(tenancy.query('acme', sql))).toBe('SCOPE_ESCAPED')
      // And a role somebody left on the session does not matter.
      await pool.query(`set role ${world.adminRole}`)
      const { rows } = await tenancy.query<{ role: string }>('acme', 'select current_user as role')
      expect(rows[0]?.role).not.toBe(world.adminRole)
      await pool.query('reset role')
      await tenancy.drop('acme')
    },
  )

  it('a session that a tenant made somebody else’s is the pool’s again', async () => {
    const pool = world.pool({ connectionString: world.url, max: 1 })
    const rolePrefix = `${world.rolePrefix}sa_`
    const tenancy = world.tenancy({ pool, adminPool: pool, schemaPrefix: 'sa_', rolePrefix })
    await tenancy.provision('acme')
    const who = async () => (await pool.query('select session_user as who, current_user as role')).rows
    const own = await who()
    for (let time = 0; time < 2; time++) {
      await tenancy.query(
        'acme',
        `do $$ begin execute 'set session authorization ${rolePrefix}acme'; execute 'set role ${rolePrefix}acme'; end $$`,
      )
      expect(await who()).toEqual(own)
      expect((await tenancy.query('acme', 'select session_user as who')).rows).toEqual([{ who: own[0].who }])
    }
    await tenancy.drop('acme')
  })
})

describe('a channel listened to behind the guard', () => {
  it('is left by the next tenant', async () => {
    const tenancy = world.tenancy({ pool: world.pool({ max: 1 }) })
    const channels = async (key: string) =>
      (await tenancy.query(key, 'select pg_listening_channels() as channel')).rows
    await tenancy.query('acme', `do $$ begin execute 'listen leak'; end $$`)
    // UNLISTEN takes effect with the COMMIT of the scope that sends it.
    await channels('globex')
    expect(await channels('globex')).toEqual([])
  })
})
