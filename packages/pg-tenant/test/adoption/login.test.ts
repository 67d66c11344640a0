import { testSealing } from '@org/pg-testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { AdoptionRefused, proposeTenants } from '../../src/admin.ts'
import { scramVerifier } from '../../src/credentials/password.ts'
import type { Adoption, AdoptOptions, Tenancy } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'
import { BASELINE, catalogueOf, LATER, makeOwner, makeSchema, rowsOf } from './legacy.ts'

// A login role and a schema for each client, as on managed PostgreSQL: user_<name>, schema_<name>. The role goes on logging in.

const world = useWorld([])
const sealing = testSealing()
const migrations = [BASELINE, LATER]
let tenancy: Tenancy
const roleOf = (name: string) => `${world.rolePrefix}user_${name}`
const errors = ({ findings }: Adoption) =>
  findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)
const as = (user: string, password: string) =>
  world.pool({
    connectionString: Object.assign(new URL(world.url), { username: user, password }).href,
    max: 2,
  })

/** A tenant as it was: its own login owns its schema, made by an administrator who may manage it. */
async function makeLogin(name: string): Promise<string> {
  const role = await makeOwner(world, `user_${name}`)
  await world.root.query(`grant ${role} to ${world.adminRole} with admin option`)
  await makeSchema(world, role, `schema_${name}`)
  await world.root.query(`alter role ${role} set search_path to schema_${name};
    do $$ begin execute format('revoke create on database %I from ${role}', current_database()); end $$`)
  return role
}

const wanted = (name: string, more: AdoptOptions = {}): AdoptOptions => ({
  schema: `schema_${name}`,
  role: roleOf(name),
  password: 'legacy',
  baseline: BASELINE.id,
  ...more,
})

beforeAll(async () => {
  tenancy = world.tenancy({
    isolation: 'login',
    credentials: sealing,
    migrations,
    rolePrefix: `${world.rolePrefix}t_`,
  })
  for (const name of ['acme', 'farma', 'undone', 'third']) await makeLogin(name)
})

describe('adopting a login with its schema', () => {
  it('is proposed, as far as whoever asks may take it over', async () => {
    const logins = {
      kind: 'logins',
      roles: `${world.rolePrefix}user_*`,
      schemas: 'schema_*',
      count: 4,
    }
    expect(await proposeTenants(world.admin)).toContainEqual(logins)
    expect(await proposeTenants(world.pool())).not.toContainEqual(logins)
  })

  it('says what it would do, then takes it over with its password and its rows', async () => {
    const rows = await rowsOf(world, 'schema_acme')
    const before = as(roleOf('acme'), 'legacy')
    const dry = await tenancy.adopt('acme', wanted('acme', { dryRun: true }))
    expect(errors(dry)).toEqual([])
    const adoption = await tenancy.adopt('acme', wanted('acme'))
    expect(adoption).toMatchObject({ adopted: true, role: roleOf('acme'), earlierOwners: [] })
    expect(adoption.connection).toBeUndefined()
    expect(await rowsOf(world, 'schema_acme')).toEqual(rows)
    const { rows: seen } = await tenancy.query(
      'acme',
      'select session_user as who, current_schema() as home, count(*)::int as n from notes',
    )
    expect(seen).toEqual([{ who: roleOf('acme'), home: 'schema_acme', n: 3 }])
    await before.query(`insert into notes (body) values ('by the application of before')`)
    expect((await tenancy.query('acme', 'select count(*)::int as n from notes')).rows).toEqual([{ n: 4 }])
  })

  it('says that a login it was told of is not there, and is made', async () => {
    const legacy = await makeOwner(world, 'legacy_misspelt')
    await makeSchema(world, legacy, 'client_misspelt')
    const options = { schema: 'client_misspelt', role: roleOf('misspelt'), baseline: BASELINE.id }
    const said = { code: 'ROLE_MADE', severity: 'warning', subject: roleOf('misspelt') }
    expect((await tenancy.adopt('misspelt', { ...options, dryRun: true })).findings).toContainEqual(
      expect.objectContaining(said),
    )
    const adoption = await tenancy.adopt('misspelt', options)
    expect(adoption.findings).toContainEqual(expect.objectContaining(said))
    expect(adoption.connection).toBeDefined()
    await tenancy.undoAdoption('misspelt')
  })

  it('is one tenant, which does not see another', async () => {
    await tenancy.adopt('farma', wanted('farma'))
    expect(await codeOf(tenancy.query('acme', 'select * from schema_farma.notes'))).toBe('DATABASE_ERROR')
    expect(await tenancy.migrate()).toMatchObject({ ok: true, migrated: 2 })
  })

  it('makes a login where there is none yet, and gives its connection once', async () => {
    const legacy = await makeOwner(world, 'legacy')
    await makeSchema(world, legacy, 'client_new')
    const adoption = await tenancy.adopt('new', { schema: 'client_new', baseline: BASELINE.id })
    expect(adoption.earlierOwners).toEqual([legacy])
    expect(JSON.stringify(adoption)).not.toContain(String(adoption.connection?.password))
    const own = world.pool({ connectionString: adoption.connection?.url, max: 1 })
    expect((await own.query('select count(*)::int as n from notes')).rows).toEqual([{ n: 3 }])
    expect((await tenancy.query('new', 'select count(*)::int as n from notes')).rows).toEqual([{ n: 3 }])
    await tenancy.undoAdoption('new')
    await expect(own.query('select 1')).rejects.toBeDefined()
    await tenancy.adopt('new', { schema: 'client_new', baseline: BASELINE.id })
  })

  it('ends with a confirmation, after which doctor and verify find nothing', async () => {
    await tenancy.migrate()
    for (const key of ['acme', 'farma', 'new']) expect(await tenancy.confirmAdoption(key)).toBe(true)
    const { findings } = await tenancy.doctor()
    const found = findings
      .filter(({ severity }) => severity === 'error')
      .map(({ code, subject }) => [code, subject])
    expect(found.filter(([code]) => code !== 'PUBLIC_PRIVILEGE')).toEqual([])
    expect(await tenancy.verify()).toMatchObject({ ok: true })
    const before = as(roleOf('acme'), 'legacy')
    expect((await before.query('select count(*)::int as n from notes')).rows).toEqual([{ n: 4 }])
  })

  it('and its login is suspended and dropped like any other', async () => {
    await tenancy.suspend('farma', 'test')
    expect(await codeOf(tenancy.query('farma', 'select 1'))).toMatch(/SUSPENDED|UNUSABLE/)
    await tenancy.resume('farma')
    expect(await tenancy.drop('farma')).toBe(true)
    expect(
      (await world.root.query('select from pg_roles where rolname = $1', [roleOf('farma')])).rows,
    ).toEqual([])
  })
})

describe('undoing it', () => {
  it('leaves no trace, and the login as it was', async () => {
    const before = as(roleOf('undone'), 'legacy')
    const was = await catalogueOf(world, 'schema_undone')
    const rows = await rowsOf(world, 'schema_undone')
    await tenancy.adopt('undone', wanted('undone'))
    await tenancy.query('undone', `create table mine as select 1 as one; `.replace('; ', ''))
    await tenancy.undoAdoption('undone')
    expect((await before.query('select * from mine')).rows).toEqual([{ one: 1 }])
    await before.query('drop table mine')
    expect(await catalogueOf(world, 'schema_undone')).toEqual(was)
    expect(await rowsOf(world, 'schema_undone')).toEqual(rows)
    expect(await tenancy.find('undone')).toBeUndefined()
    const { rows: left } = await world.root.query(
      `select from tenancy.tenant_credential where key = 'undone'`,
    )
    expect(left).toEqual([])
  })
})

describe('what is in the way of a login', () => {
  const refusedFor = async (options: AdoptOptions, key = 'third') => {
    const error = await tenancy.adopt(key, options).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AdoptionRefused)
    return errors((error as AdoptionRefused).adoption)
  }

  it.each([
    [
      'may do more than a tenant',
      (r: string) => `alter role ${r} createdb`,
      (r: string) => `alter role ${r} nocreatedb`,
      'ROLE_UNFIT',
    ],
    [
      'is a member of another',
      (r: string) => `grant pg_monitor to ${r}`,
      (r: string) => `revoke pg_monitor from ${r}`,
      'ROLE_UNFIT',
    ],
    [
      'has members',
      (r: string) => `grant ${r} to ${world.appRole}`,
      (r: string) => `revoke ${r} from ${world.appRole}`,
      'ROLE_UNFIT',
    ],
    [
      'has members that may give themselves its rights',
      (r: string) => `create role ${r}_giver; grant ${r} to ${r}_giver with admin option;
        do $$ begin if current_setting('server_version_num')::int >= 160000 then
          execute 'grant ${r} to ${r}_giver with inherit false, set false'; end if; end $$`,
      (r: string) => `drop role ${r}_giver`,
      'ROLE_UNFIT',
    ],
    [
      'has rights elsewhere',
      (r: string) => `grant usage on schema schema_acme to ${r}`,
      (r: string) => `revoke usage on schema schema_acme from ${r}`,
      'ROLE_REACHES_OUT',
    ],
    [
      'owns something elsewhere',
      (r: string) => `create schema lair authorization ${r}`,
      () => 'drop schema lair',
      'ROLE_REACHES_OUT',
    ],
    [
      'may write a shared table',
      (r: string) => `create table plans (id int); grant select, insert on plans to ${r}`,
      () => 'drop table plans',
      'SHARED_RIGHTS',
    ],
    [
      'may not log in',
      (r: string) => `alter role ${r} nologin`,
      (r: string) => `alter role ${r} login`,
      'ROLE_UNFIT',
    ],
  ] as const)('it %s: nothing is changed', async (_, plant, end, code) => {
    const role = roleOf('third')
    await world.root.query(plant(role))
    const was = await catalogueOf(world, 'schema_third')
    expect(await refusedFor(wanted('third'))).toContain(code)
    expect(await catalogueOf(world, 'schema_third')).toEqual(was)
    await world.root.query(end(role))
  })

  it('is given more after the adoption: not confirmed', async () => {
    await tenancy.adopt('third', wanted('third'))
    await world.root.query(`alter role ${roleOf('third')} createdb`)
    await expect(tenancy.confirmAdoption('third')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { findings: 'ROLE_UNFIT' },
    })
    await world.root.query(`alter role ${roleOf('third')} nocreatedb`)
    await tenancy.undoAdoption('third')
  })

  it('is the one the server was made with: another role, and no word of making that less', async () => {
    const { rows } = await world.root.query('select rolname from pg_roles where oid = 10')
    const dry = await tenancy.adopt('third', wanted('third', { role: rows[0]?.rolname, dryRun: true }))
    expect(dry.findings).toContainEqual(
      expect.objectContaining({ code: 'ROLE_UNFIT', fix: 'Say another role.' }),
    )
    expect(dry.findings.map(({ fix }) => fix).join()).not.toContain('NOSUPERUSER')
  })

  it('has a password that an earlier owner gave it: not any more', async () => {
    const planter = await makeOwner(world, 'planter')
    await makeSchema(world, planter, 'schema_planted')
    const { connection } = await tenancy.adopt('planted', { schema: 'schema_planted', baseline: BASELINE.id })
    const role = `${world.rolePrefix}t_planted`
    await as(planter, 'legacy').query(`set role ${role}; alter role ${role} password 'planted'; reset role`)
    await tenancy.confirmAdoption('planted')
    const { rows } = await world.root.query('select rolpassword from pg_authid where rolname = $1', [role])
    const [, iterations, salt] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$/.exec(rows[0]?.rolpassword) ?? []
    expect(rows[0]?.rolpassword).toBe(
      await scramVerifier(connection?.password ?? '', Buffer.from(salt ?? '', 'base64'), Number(iterations)),
    )
    await tenancy.drop('planted')
  })

  it('has left itself a door elsewhere since: not confirmed', async () => {
    await tenancy.adopt('third', wanted('third'))
    await world.root.query(`create schema lair; grant usage, create on schema lair to public`)
    await tenancy.query(
      'third',
      `do $do$ begin execute $q$create function lair.door() returns bigint language sql security definer
        as 'select count(*) from schema_third.notes'$q$; end $do$`,
    )
    await expect(tenancy.confirmAdoption('third')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { objects: 'function lair.door()' },
    })
    await world.root.query('drop schema lair cascade')
    await tenancy.undoAdoption('third')
  })

  it('made code that another owner would get: not undone without a word', async () => {
    const second = await makeOwner(world, 'second')
    await world.root.query(
      `alter table schema_third.tags owner to ${second}; grant usage on schema schema_third to ${second}`,
    )
    const was = await catalogueOf(world, 'schema_third')
    const { earlierOwners } = await tenancy.adopt('third', wanted('third'))
    expect(earlierOwners).toEqual([second])
    await as(second, 'legacy').query(`insert into schema_third.tags values (null, 'goes on')`)
    await tenancy.query(
      'third',
      `do $do$ begin execute 'create trigger early before update on tags for each row execute function suppress_redundant_updates_trigger()'; end $do$`,
    )
    await expect(tenancy.undoAdoption('third')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'code', objects: 'trigger early on schema_third.tags' },
    })
    await tenancy.query('third', `do $do$ begin execute 'drop trigger early on tags'; end $do$`)
    await tenancy.undoAdoption('third')
    expect(await catalogueOf(world, 'schema_third')).toEqual(was)
    await world.root.query(`alter table schema_third.tags owner to ${roleOf('third')}`)
  })

  it('is the role of another tenant, or of the application', async () => {
    expect(await refusedFor(wanted('third', { role: roleOf('acme') }))).toContain('OWNER_IS_TENANT')
    expect(await refusedFor(wanted('third', { role: world.appRole, password: 'app' }))).toContain(
      'ROLE_UNFIT',
    )
  })

  it('has a password that nobody says', async () => {
    expect(await refusedFor(wanted('third', { password: undefined }))).toEqual(['PASSWORD_MISSING'])
    expect(await codeOf(tenancy.adopt('third', wanted('third', { password: '' })))).toBe('INVALID_OPTION')
    expect(await codeOf(tenancy.adopt('third', wanted('third', { newPassword: true })))).toBe(
      'INVALID_OPTION',
    )
  })

  it('unless it gets a new one', async () => {
    const { connection } = await tenancy.adopt(
      'third',
      wanted('third', { password: undefined, newPassword: true }),
    )
    const own = world.pool({ connectionString: connection?.url, max: 1 })
    expect((await own.query('select count(*)::int as n from notes')).rows).toEqual([{ n: 3 }])
    expect((await tenancy.query('third', 'select count(*)::int as n from notes')).rows).toEqual([{ n: 3 }])
  })
})
