import { beforeAll, describe, expect, it } from 'vitest'
import { AdoptionRefused } from '../../src/admin.ts'
import type { Adoption, AdoptionFindingCode, Tenancy } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'
import { BASELINE, catalogueOf, LATER, makeOwner, makeSchema, rowsOf } from './legacy.ts'

const world = useWorld([])
let legacy: string
let tenancy: Tenancy
/** The application as it was before: it logs in as the owner of everything. */
let before: ReturnType<typeof world.pool>

const migrations = [BASELINE, LATER]
const codes = ({ findings }: Adoption, severity = 'error') =>
  findings.filter((one) => one.severity === severity).map(({ code }) => code)
const refusal = async (work: Promise<unknown>): Promise<Adoption> => {
  const error = await work.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(AdoptionRefused)
  return (error as AdoptionRefused).adoption
}

beforeAll(async () => {
  legacy = await makeOwner(world, 'legacy')
  for (const schema of ['tenant_001', 'client_acme', 'Client-Big', 'odd "one"', 'undone', 'later', 'drifted'])
    await makeSchema(world, legacy, schema)
  tenancy = world.tenancy({ migrations })
  const url = Object.assign(new URL(world.url), { username: legacy, password: 'legacy' }).href
  before = world.pool({ connectionString: url, max: 2 })
})

describe('adopting a schema', () => {
  it.each([
    ['one', 'tenant_001'],
    ['acme', 'client_acme'],
    ['big', 'Client-Big'],
    ['odd', 'odd "one"'],
  ])('takes %s over under the name %s, with its rows', async (key, schema) => {
    const rows = await rowsOf(world, schema)
    const adoption = await tenancy.adopt(key, { schema, baseline: BASELINE.id })
    expect(adoption).toMatchObject({
      tenant: key,
      schema,
      adopted: true,
      baseline: BASELINE.id,
      earlierOwners: [legacy],
    })
    expect(codes(adoption)).toEqual([])
    expect(await rowsOf(world, schema)).toEqual(rows)
    const { rows: seen } = await tenancy.query(
      key,
      `select current_schema() as schema, count(*)::int as n from notes`,
    )
    expect(seen).toEqual([{ schema, n: 3 }])
    const { rows: made } = await tenancy.query(key, `insert into notes (body) values ('new') returning id`)
    expect(made).toEqual([{ id: 4 }])
    expect(
      (
        await tenancy.query(
          key,
          `select 'open'::state as state, (select count(*)::int from recent) as recent`,
        )
      ).rows,
    ).toEqual([{ state: 'open', recent: 4 }])
    expect((await tenancy.find(key))?.schemaVersion).toBe(BASELINE.id)
  })

  it('leaves those who were there before what they could do', async () => {
    await before.query(`insert into "Client-Big".notes (body) values ('by the one before');
      alter table "Client-Big".tags add column more int; create index on "Client-Big".tags (more); truncate "Client-Big".tags`)
    const { rows } = await tenancy.query(
      'big',
      `select count(*)::int as n from notes where body = 'by the one before'`,
    )
    expect(rows).toEqual([{ n: 1 }])
    await before.query('alter table "Client-Big".tags drop column more')
  })

  it('is found by a process that was never told the name', async () => {
    const other = world.tenancy({ migrations })
    expect((await other.query('acme', 'select count(*)::int as n from notes')).rows).toEqual([{ n: 4 }])
  })

  it('keeps tenants apart, and they are migrated on from the baseline', async () => {
    expect(await codeOf(tenancy.query('acme', 'select * from tenant_001.notes'))).toBe('DATABASE_ERROR')
    const report = await tenancy.migrate()
    expect(report).toMatchObject({ ok: true, migrated: 4 })
    expect((await tenancy.query('one', 'select done from notes limit 1')).rows).toEqual([{ done: false }])
  })

  it('takes over what was made since, and is not confirmed before', async () => {
    await before.query('create table client_acme.since (id int)')
    await expect(tenancy.confirmAdoption('acme')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'adoption', objects: expect.stringContaining('client_acme.since') },
    })
    expect(await codeOf(tenancy.query('acme', 'select * from since'))).toBe('DATABASE_ERROR')
    // By its key alone, also in a process that was never told the name.
    await world.tenancy({ migrations }).adopt('acme')
    expect((await tenancy.query('acme', 'select * from since')).rows).toEqual([])
    await tenancy.query('acme', 'drop table since')
  })

  it.each([
    ['schema', { schema: 'drifted' }],
    ['role', { schema: 'client_acme', role: 'another role' }],
  ])('is not taken over a second time, with another %s', async (_, names) => {
    const [before, owners] = [await catalogueOf(world, 'drifted'), await catalogueOf(world, 'client_acme')]
    const dry = await tenancy.adopt('acme', { ...names, dryRun: true })
    expect(codes(dry)).toContain('TENANT_EXISTS')
    expect(codes(await refusal(tenancy.adopt('acme', names)))).toContain('TENANT_EXISTS')
    expect(await catalogueOf(world, 'drifted')).toEqual(before)
    expect(await catalogueOf(world, 'client_acme')).toEqual(owners)
    expect((await tenancy.find('acme'))?.status).toBe('active')
    expect((await tenancy.query('acme', 'select current_schema() as schema')).rows).toEqual([
      { schema: 'client_acme' },
    ])
  })

  it('ends with a confirmation, after which only the tenant may', async () => {
    await world.root.query(`grant select on client_acme.notes to public; grant update (body) on client_acme.notes to ${world.appRole};
      grant usage on schema client_acme to public`)
    const { rows } = await before.query('select count(*)::int as n from client_acme.notes')
    expect(rows).toEqual([{ n: 4 }])
    for (const key of ['one', 'acme', 'big', 'odd']) expect(await tenancy.confirmAdoption(key)).toBe(true)
    expect(await tenancy.confirmAdoption('acme')).toBe(false)
    for (const table of ['client_acme.notes', 'tenant_001.notes', '"Client-Big".tags'])
      await expect(before.query(`select * from ${table}`)).rejects.toMatchObject({ code: '42501' })
    await expect(world.pool().query('select * from client_acme.notes')).rejects.toMatchObject({
      code: '42501',
    })
    expect((await tenancy.query('acme', 'select count(*)::int as n from notes')).rows).toEqual([{ n: 4 }])
    await expect(tenancy.undoAdoption('acme')).rejects.toMatchObject({ code: 'CONFLICT' })
    expect((await tenancy.query('acme', 'select count(*)::int as n from notes')).rows).toEqual([{ n: 4 }])
  })

  it('leaves nothing for doctor and verify to find', async () => {
    const { findings } = await tenancy.doctor()
    const theirs = findings.filter(({ severity, subject }) => severity !== 'notice' && subject !== legacy)
    expect(theirs.filter(({ code }) => code !== 'PUBLIC_PRIVILEGE')).toEqual([])
    expect(await tenancy.verify()).toMatchObject({ ok: true })
  })
})

describe('undoing an adoption', () => {
  it('leaves no trace of it', async () => {
    await world.root.query(`grant select on undone.notes to ${world.appRole}; grant update (body) on undone.notes to ${world.appRole};
      create statistics undone.s on id, body from undone.notes; create function undone.f() returns int language sql as 'select 1';
      alter statistics undone.s owner to ${legacy}; alter function undone.f() owner to ${legacy};
      create operator undone.=== (leftarg = int, rightarg = int, function = int4eq); alter operator undone.=== (int, int) owner to ${legacy}`)
    const [was, rows] = [await catalogueOf(world, 'undone'), await rowsOf(world, 'undone')]
    await tenancy.adopt('undone', { schema: 'undone', baseline: BASELINE.id, drift: 'accept' })
    expect(await catalogueOf(world, 'undone')).not.toEqual(was)
    await tenancy.undoAdoption('undone')
    expect(await catalogueOf(world, 'undone')).toEqual(was)
    expect(await rowsOf(world, 'undone')).toEqual(rows)
    expect(await tenancy.find('undone')).toBeUndefined()
    expect(await codeOf(tenancy.query('undone', 'select 1'))).toBe('SCHEMA_MISSING')
    const { rows: left } = await world.root.query(`select from tenancy.tenant_migration where key = 'undone'`)
    expect(left).toEqual([])
  })

  it('gives privileges back to roles that have another name by then', async () => {
    const reader = `${world.rolePrefix}reader`
    await world.root.query(
      `create role ${reader}; grant select on undone.notes to ${reader}; revoke all on undone.tags from ${legacy}`,
    )
    await tenancy.adopt('undone', { schema: 'undone', baseline: BASELINE.id, drift: 'accept' })
    await world.root.query(`alter role ${reader} rename to ${reader}_2`)
    await tenancy.undoAdoption('undone')
    const { rows } = await world.root.query(
      `select has_table_privilege('${reader}_2', 'undone.notes', 'select') as reads, (select relacl::text from pg_class
        where oid = 'undone.tags'::regclass) as tags`,
    )
    expect(rows).toEqual([{ reads: true, tags: '{}' }])
    await world.root.query(`grant all on undone.tags to ${legacy}; drop owned by ${reader}_2`)
  })

  it('is what doctor asks for, or a confirmation', async () => {
    await tenancy.adopt('undone', { schema: 'undone', baseline: BASELINE.id, drift: 'accept' })
    const { findings } = await tenancy.doctor()
    expect(findings.filter(({ code }) => code === 'UNCONFIRMED')).toMatchObject([
      { severity: 'warning', subject: 'undone', fix: expect.stringContaining('undoAdoption(key)') },
    ])
    await tenancy.undoAdoption('undone')
  })

  it('keeps what was written and made since', async () => {
    await tenancy.adopt('undone', { schema: 'undone', baseline: BASELINE.id, drift: 'accept' })
    await tenancy.query('undone', `insert into notes (body) values ('meanwhile')`)
    await tenancy.migrate({ only: ['undone'] })
    await tenancy.query('undone', 'create table mine as select 1 as one')
    await tenancy.undoAdoption('undone')
    expect((await before.query(`select body, done from undone.notes where body = 'meanwhile'`)).rows).toEqual(
      [{ body: 'meanwhile', done: false }],
    )
    expect((await before.query('select * from undone.mine')).rows).toEqual([{ one: 1 }])
    await before.query('drop table undone.mine')
  })
})

it('undoing gives way to who holds the tenant’s role as well: its tables are locked already', async () => {
  const { role } = await tenancy.adopt('undone', { schema: 'undone', baseline: BASELINE.id, drift: 'accept' })
  const other = await world.root.connect()
  await other.query(`begin; create table handed (); grant select on handed to "${role}"`)
  // The lock may be waited for longer than the tables may be locked: the latter ends it.
  const bounds = { lockTimeout: 60_000, maxLockTime: 700, attempts: 1 }
  const refused = await tenancy.undoAdoption('undone', bounds).catch((error: unknown) => error)
  await other.query('rollback')
  other.release()
  expect(refused).toMatchObject({ code: 'TIMEOUT', details: { sqlState: '57014' } })
  await tenancy.undoAdoption('undone')
})

describe('what is in the way', () => {
  it('is listed at once, and nothing is changed', async () => {
    const stranger = `${world.rolePrefix}stranger`
    await world.root.query(`create role ${stranger}; grant usage, create on schema drifted to ${stranger};
      create table drifted.theirs (id int); alter table drifted.theirs owner to ${stranger};
      alter table drifted.notes drop column body cascade; create role ${world.rolePrefix}drifted;
      create function drifted.d() returns int language sql security definer as 'select 1'; alter function drifted.d() owner to ${legacy}`)
    const was = await catalogueOf(world, 'drifted')
    const dry = await tenancy.adopt('drifted', { schema: 'drifted', dryRun: true })
    const expected: AdoptionFindingCode[] = ['ROLE_EXISTS', 'OWNER_OUT_OF_REACH', 'BASELINE_MISSING']
    expect(dry.adopted).toBe(false)
    expect(codes(dry)).toEqual(expected)
    expect(codes(dry, 'notice')).toContain('SECURITY_DEFINER')
    const fix = dry.findings.find(({ code }) => code === 'OWNER_OUT_OF_REACH')?.fix
    expect(fix).toContain(`GRANT "${stranger}" TO "${world.adminRole}";`)
    const refused = await refusal(tenancy.adopt('drifted', { schema: 'drifted', baseline: BASELINE.id }))
    expect(new Set(codes(refused))).toEqual(new Set(['ROLE_EXISTS', 'OWNER_OUT_OF_REACH', 'DRIFT']))
    expect(refused.findings.map(({ message }) => message)).toContain(
      'Has besides: relation theirs r p owner tenant',
    )
    expect(await catalogueOf(world, 'drifted')).toEqual(was)
    expect(await tenancy.find('drifted')).toBeUndefined()
    await world.root.query(`${fix?.slice(fix.indexOf('GRANT'))} drop role ${world.rolePrefix}drifted`)
    const adopted = await tenancy.adopt('drifted', {
      schema: 'drifted',
      baseline: BASELINE.id,
      drift: 'accept',
    })
    expect(adopted.earlierOwners).toEqual([legacy, stranger])
    await tenancy.undoAdoption('drifted')
  })

  it.each([
    ['a schema that is not there', { schema: 'nowhere' }, ['SCHEMA_NOT_FOUND']],
    ['a tenant’s', { schema: 'client_acme' }, ['SCHEMA_TAKEN']],
    ['the shared one', { schema: 'public' }, ['SCHEMA_SHARED']],
    ['the registry’s', { schema: 'tenancy' }, ['SCHEMA_SHARED']],
  ])('is that it is %s', async (_, options, expected) => {
    const dry = await tenancy.adopt('other', { ...options, baseline: BASELINE.id, dryRun: true })
    for (const code of expected) expect(codes(dry)).toContain(code)
    const refused = await refusal(tenancy.adopt('other', { ...options, baseline: BASELINE.id }))
    for (const code of expected) expect(codes(refused)).toContain(code)
  })

  it.each([['a tenant that is there', 'acme', { schema: 'later' }, 'TENANT_EXISTS']])(
    'is %s',
    async (_, key, options, expected) => {
      expect(codes(await tenancy.adopt(key, { ...options, baseline: BASELINE.id, dryRun: true }))).toContain(
        expected,
      )
    },
  )

  it.each([
    ['a name that the prefix gives to another', { schema: 'c_other' }],
    ['a name of the catalogue', { schema: 'pg_catalog' }],
    ['a migration that there is not', { schema: 'later', baseline: '9999' }],
    ['drift', { schema: 'later', drift: 'yes' as 'accept' }],
    ['lockTimeout', { schema: 'later', lockTimeout: 0 }],
  ])('%s is a bad option', async (_, options) => {
    expect(await codeOf(tenancy.adopt('some', options))).toBe('INVALID_OPTION')
  })
})

describe('an application that goes on', () => {
  it('is waited for, and nothing of it fails', async () => {
    const client = await before.connect()
    await client.query('begin; select * from later.notes')
    expect(
      await codeOf(
        tenancy.adopt('later', { schema: 'later', baseline: BASELINE.id, attempts: 2, lockTimeout: 20 }),
      ),
    ).toBe('TIMEOUT')
    expect(await tenancy.find('later')).toBeUndefined()
    const adopting = tenancy.adopt('later', { schema: 'later', baseline: BASELINE.id, attempts: 100 })
    await client.query('insert into later.notes (body) values (1); commit')
    client.release()
    expect((await adopting).adopted).toBe(true)
    expect((await tenancy.query('later', 'select count(*)::int as n from notes')).rows).toEqual([{ n: 4 }])
  })
})
