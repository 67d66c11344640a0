// @module-tag sampled
import { testSealing } from '@org/pg-testing'
import { useTestTenancy } from '@org/pg-testing/vitest'
import { beforeAll, describe, expect, it } from 'vitest'
import { createTenancy, type Tenancy } from '../../src/index.ts'
import { SLOW } from '../support/sample.ts'
import { BASELINE } from './legacy.ts'
import { useLegacyApps } from './legacy-apps.ts'

// Who owns a database sets what every session in it begins with, the administrator's as well (ALTER DATABASE … SET).

const world = useTestTenancy(createTenancy, { createdb: true })
let tenancy: Tenancy
const { databaseOf, roleOf, makeApp, wanted } = useLegacyApps(world)

beforeAll(() => {
  tenancy = world.tenancy({
    isolation: 'database',
    credentials: testSealing(),
    migrations: [BASELINE],
    rolePrefix: `${world.rolePrefix}t_`,
  })
})

/** Something that stands in for the catalogue behind a ROLLBACK, where no path is set, and makes a role if it is ever asked. */
const LAIR = (made: string) => `create schema lair;
  create function lair.strike() returns boolean language plpgsql as $$ begin
    perform pg_catalog.set_config('role', 'none', false);
    execute 'create role ${made}';
    return true;
  end $$;
  create view lair.pg_roles as select current_user as rolname, 0::oid as oid, lair.strike() as rolsuper, true as rolcreaterole, true as rolcreatedb`

describe('the settings of a database that is adopted', () => {
  it('put nothing in the place of the catalogue when the administrator was refused something', async () => {
    const made = `${world.rolePrefix}made`
    const own = await makeApp('path')
    await own.query(LAIR(made))
    await own.query(`alter database ${databaseOf('path')} set search_path to lair, pg_catalog, public`)
    await own.query(`alter database ${databaseOf('path')} set role to ${roleOf('path')}`)
    const { findings } = await tenancy.adopt('path', wanted('path', { dryRun: true }))
    const lacks = findings.filter(({ code }) => code === 'ADMINISTRATOR_LACKS').map(({ fix }) => fix)
    expect(lacks).toEqual([`ALTER DATABASE "${databaseOf('path')}" RESET role;`])
    expect((await world.root.query('select from pg_roles where rolname = $1', [made])).rowCount).toBe(0)
  })

  it.runIf(SLOW)('do not outlive the confirmation where they lead somewhere', async () => {
    const own = await makeApp('kept')
    const name = databaseOf('kept')
    await own.query(
      `alter database ${name} set search_path to lair, pg_catalog; alter database ${name} set work_mem to '5MB'`,
    )
    await tenancy.adopt('kept', wanted('kept'))
    await world.root.query(`alter database ${name} set role to ${world.appRole}`)
    await tenancy.confirmAdoption('kept')
    const { rows } = await world.root.query(
      `select s.setconfig from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase where d.datname = $1 and s.setrole = 0`,
      [name],
    )
    expect(rows).toEqual([{ setconfig: ['work_mem=5MB'] }])
  })
})

describe.runIf(SLOW)('a login that is adopted', () => {
  it('with a schema of its name beside the registry: nothing in it runs when its sessions are ended', async () => {
    const [role, made] = [roleOf('named'), `${world.rolePrefix}ended`]
    const own = await makeApp('named')
    await world.root.query(`create schema ${role}; grant usage on schema ${role} to ${role};
      create function ${role}.pg_terminate_backend(int, int) returns boolean language plpgsql as $$ begin
        perform pg_catalog.set_config('role', 'none', false);
        execute 'create role ${made}';
        return true;
      end $$`)
    await tenancy.adopt('named', wanted('named'))
    await tenancy.confirmAdoption('named')
    const session = await own.connect()
    session.on('error', () => {})
    await tenancy.drop('named').catch(() => {})
    session.release(true)
    expect((await world.root.query('select from pg_roles where rolname = $1', [made])).rowCount).toBe(0)
  })

  it('and has something beside the registry is not dropped with it', async () => {
    const role = roleOf('owner')
    await makeApp('owner')
    await tenancy.adopt('owner', wanted('owner'))
    await tenancy.confirmAdoption('owner')
    const schema = `${role}_own`
    await world.root.query(
      `create schema ${schema}; create table ${schema}.kept (id int); alter table ${schema}.kept owner to ${role}`,
    )
    await expect(tenancy.drop('owner')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'dependents', dependents: `table ${schema}.kept` },
    })
    expect(await tenancy.find('owner')).toMatchObject({ status: 'active' })
    await world.root.query(`drop schema ${schema} cascade`)
    expect(await tenancy.drop('owner')).toBe(true)
  })
})
