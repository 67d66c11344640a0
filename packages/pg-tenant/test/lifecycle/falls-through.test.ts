// @module-tag sampled
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { IsolationLevel, Tenancy, TenancyOptions } from '../../src/index.ts'
import { useSetting } from '../levels/setting.ts'
import { looksAt, sampled } from '../support/sample.ts'

// Hazard ae: a scope must not be able to read or write rows of everybody in a shared schema. One schema for each case, so
// that each is told apart.

const setting = useSetting()
const SHARING: readonly IsolationLevel[] = ['schema', 'role', 'login', 'row']
let made = 0
let application: string
beforeAll(async () => {
  application = setting.world.appRole
  await setting.world.root.query(
    'create foreign data wrapper nobody; create server nowhere foreign data wrapper nobody',
  )
})

// At level `row` functions count wherever they are.
afterEach(async () => {
  await setting.world.root.query(`do $$ declare s text; begin
    for s in select nspname from pg_namespace where nspname ~ '^(shared|elsewhere)[0-9]+$'
    loop execute format('drop schema %I cascade', s); end loop; end $$`)
})

/** A shared schema with something in it, and a tenancy that shares it. */
async function sharing(
  level: IsolationLevel,
  sql: string,
  options: Partial<TenancyOptions> = {},
): Promise<{ tenancy: Tenancy; schema: string }> {
  made++
  const schema = `shared${made}`
  await setting.world.root.query(`create schema ${schema}; grant usage on schema ${schema} to public;
    set search_path to ${schema}; ${sql.replaceAll('$S', schema).replaceAll('$APP', application)}; reset search_path`)
  const tenancy = setting.tenancy(level, {
    schemaPrefix: `f${made}_`,
    rolePrefix: `${setting.world.rolePrefix}f${made}_`,
    controlSchema: `control${made}`,
    sharedSchemas: [schema],
    ...(level === 'row' && { row: { schema: `rows${made}` } }),
    ...options,
  })
  return { tenancy, schema }
}

const told = (tenancy: Tenancy) =>
  tenancy.provision('acme').then(
    () => 'made',
    (error: Error) => error,
  )
const TABLE = 'create table invoices (tenant_id uuid, total numeric)'

/** What it is → SQL, and how it is named in the report. */
const OBJECTS: Readonly<Record<string, { sql: string; says: RegExp; row?: false }>> = {
  table: {
    sql: `${TABLE}; grant select on invoices to public`,
    says: /invoices is a table .*PUBLIC .*SELECT/,
  },
  'column of a table': {
    sql: `${TABLE}; grant select (total) on invoices to public`,
    says: /invoices is a table .*PUBLIC .*SELECT/,
  },
  'table to be written only': {
    sql: `${TABLE}; grant insert on invoices to public`,
    says: /invoices is a table .*PUBLIC .*INSERT/,
  },
  'partitioned table': {
    sql: `create table parts (id int) partition by range (id); grant delete on parts to public`,
    says: /parts is a table .*DELETE/,
  },
  view: {
    sql: `${TABLE}; create view recent as select * from invoices; grant select on recent to public`,
    says: /recent is a view /,
  },
  'materialized view': {
    sql: `${TABLE}; create materialized view totals as select * from invoices; grant select on totals to public`,
    says: /totals is a materialized view /,
  },
  'foreign table': {
    sql: 'create foreign table far (id int) server nowhere; grant select on far to public',
    says: /far is a foreign table /,
  },
  sequence: {
    sql: 'create sequence numbers; grant usage on numbers to public',
    says: /numbers is a sequence .*USAGE/,
  },
  'function with its owner’s rights': {
    sql: `${TABLE}; create function total() returns numeric language sql security definer as 'select sum(total) from $S.invoices'`,
    says: /total is a function .*EXECUTE/,
    // Looked at by the checks of that level, wherever it is.
    row: false,
  },
}

describe.each(SHARING.filter((level) => looksAt(level, 'role', 'row')))('level %s', (level) => {
  const objects = Object.entries(OBJECTS).filter(([, { row }]) => level !== 'row' || row !== false)

  it.each(sampled(objects, level === 'role' ? 6 : 12))(
    'provision, doctor and verify refuse: %s',
    async (_, { sql, says }) => {
      const { tenancy, schema } = await sharing(level, 'select 1')
      expect(await told(tenancy)).toBe('made')
      await setting.world.root.query(
        `set search_path to ${schema}; ${sql.replaceAll('$S', schema)}; reset search_path`,
      )
      const again = await sharing(level, sql)
      expect(await told(again.tenancy)).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringMatching(says),
        details: { option: 'sharedTables', finding: 'shared_rights' },
      })
      const { findings } = await tenancy.doctor()
      expect(findings.filter(({ code }) => code === 'SHARED_RIGHTS')).toMatchObject([
        { severity: 'error', message: expect.stringMatching(says) },
      ])
      const { checks, ok } = await tenancy.verify()
      expect(ok).toBe(false)
      expect(checks.filter(({ id }) => id === 'shared_rights')).toMatchObject([
        { outcome: 'failed', evidence: expect.stringMatching(says) },
      ])
      for (const all of ['tables', 'sequences', 'functions'])
        await setting.world.root.query(`revoke all on all ${all} in schema ${schema} from public`)
      expect((await tenancy.doctor()).counts.SHARED_RIGHTS).toBeUndefined()
    },
  )

  it('what is declared may be read, and is refused when it can be written unless that is said', async () => {
    const reading = `${TABLE}; grant select on invoices to public`
    for (const name of ['invoices', `shared${made + 1}.invoices`]) {
      const { tenancy } = await sharing(level, reading, {
        sharedTables: [name.replace(/\d+/, `${made + 1}`)],
      })
      expect(await told(tenancy)).toBe('made')
      expect((await tenancy.doctor()).counts.SHARED_RIGHTS).toBeUndefined()
      expect((await tenancy.verify()).checks.find(({ id }) => id === 'shared_rights')?.outcome).toBe('passed')
    }
    const all = await sharing(level, reading, { sharedTables: [`shared${made + 1}.*`] })
    expect(await told(all.tenancy)).toBe('made')
    const writing = `${TABLE}; grant select, update on invoices to public`
    const refused = await sharing(level, writing, { sharedTables: ['invoices'] })
    expect(await told(refused.tenancy)).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(/invoices is declared as shared, to be read, but PUBLIC may UPDATE/),
    })
    const said = await sharing(level, writing, {
      sharedTables: [{ name: 'invoices', write: true }, `shared${made + 1}.*`],
    })
    expect(await told(said.tenancy)).toBe('made')
  })

  it.each(['references', 'trigger'])('what is declared may not have %s: code would run', async (right) => {
    const sql = `${TABLE}; grant select, ${right} on invoices to public`
    const options = { sharedTables: [{ name: 'invoices', write: true }] }
    for (const more of ['', '; alter table invoices enable row level security']) {
      const { tenancy } = await sharing(level, sql + more, options)
      expect(await told(tenancy), more).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringMatching(new RegExp(`invoices is a table .*PUBLIC .*${right.toUpperCase()}`)),
      })
    }
    const said = await sharing(level, sql, { sharedTables: [{ name: 'invoices', references: true }] })
    expect((await told(said.tenancy)) === 'made').toBe(right === 'references')
  })

  it('says nothing of what no scope can use, of policies that bind, of other schemas, and of what an extension brings to be read', async () => {
    for (const sql of [
      TABLE,
      `create role other${made}; ${TABLE}; grant select on invoices to other${made}; drop owned by other${made}; drop role other${made}`,
      `${TABLE}; alter table invoices enable row level security; grant select, insert on invoices to public`,
      `create schema elsewhere${made}; create table elsewhere${made}.open (id int); grant select on elsewhere${made}.open to public`,
      `create extension if not exists plpgsql; ${TABLE}; grant select on invoices to public;
        alter extension plpgsql add table invoices`,
    ]) {
      const { tenancy } = await sharing(level, sql)
      expect(await told(tenancy), sql).toBe('made')
    }
    await setting.world.root.query(`do $$ declare t text; begin
      for t in select c.oid::regclass from pg_depend d join pg_class c on c.oid = d.objid
        where d.classid = 'pg_class'::regclass and d.deptype = 'e' and c.relname = 'invoices'
      loop execute format('alter extension plpgsql drop table %s', t); end loop; end $$`)
  })
})

describe('whose rights a scope has', () => {
  const TO_THE_APPLICATION = `${TABLE}; grant select on invoices to $APP`

  it.each(['schema', 'row'] as const)(
    'level %s: the application’s, its own and inherited ones',
    async (level) => {
      const direct = await sharing(level, TO_THE_APPLICATION)
      expect(await told(direct.tenancy)).toMatchObject({
        message: expect.stringContaining(`by ${application} every`),
      })
      const group = `${setting.world.rolePrefix}group${made}`
      const granted = `create role ${group}; grant ${group} to $APP; ${TABLE}; grant insert on invoices to ${group}`
      // The application is NOINHERIT: what it is a member of only counts where that is inherited.
      const idle = await sharing(level, granted)
      expect(await told(idle.tenancy)).toBe('made')
      await setting.world.root.query(`revoke ${group} from ${application}; alter role ${application} inherit;
      grant ${group} to ${application}`)
      const inherited = await sharing(
        level,
        `grant usage on schema $S to public; ${TABLE}; grant insert on invoices to ${group}`,
      )
      const outcome = await told(inherited.tenancy)
      await setting.world.root.query(
        `alter role ${application} noinherit; drop owned by ${group}; drop role ${group}`,
      )
      expect(outcome).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining(`by ${group} every`),
      })
    },
  )

  it.each(['role', 'login'] as const)(
    'level %s: not the application’s, but the tenants’ own',
    async (level) => {
      const { tenancy, schema } = await sharing(level, TO_THE_APPLICATION)
      expect(await told(tenancy)).toBe('made')
      const role = `${setting.world.rolePrefix}f${made}_acme`
      await setting.world.root.query(`grant select on ${schema}.invoices to "${role}"`)
      const { findings } = await tenancy.doctor()
      expect(findings.filter(({ code }) => code === 'SHARED_RIGHTS')).toMatchObject([
        { message: expect.stringContaining(`by ${role} every`) },
      ])
      await setting.world.root.query(`revoke all on ${schema}.invoices from "${role}"`)
    },
  )
})

// Why REFERENCES is no small right. PostgreSQL checks a foreign key as the owner of the table it points to (manual 5.5.5), and the
// column's type, with the cast that makes it the other's, is the tenant's.
const FOREIGN_KEY = [
  `create type mine as enum ('a')`,
  'create table heard (who text)',
  'grant insert on heard to public',
  `create function number_of(mine) returns int language plpgsql as $f$ begin
    insert into heard values (current_user); return 1; end $f$`,
  'create cast (mine as int) with function number_of(mine) as implicit',
  'create domain ours as mine',
  'create domain yours as ours',
  'create table keys (country yours references countries)',
]

it.each(['role', 'login'] as const)(
  'level %s: who may make a foreign key to a table runs code as its owner; who may not cannot make one of another’s either',
  async (level) => {
    const { tenancy, schema } = await sharing(
      level,
      `create table countries (id int primary key); insert into countries values (1);
       grant select, references on countries to public`,
      { sharedTables: [{ name: 'countries', references: true }] },
    )
    expect(await told(tenancy)).toBe('made')
    await tenancy.query('acme', 'create table old (country int references countries)')
    for (const sql of FOREIGN_KEY) await tenancy.query('acme', sql)
    const root = setting.world.root
    await root.query(`grant usage on schema "f${made}_acme" to public`)
    await tenancy.query('acme', `insert into keys values ('a')`)
    const { rows } = await tenancy.query<{ who: string }>('acme', 'select distinct who from heard')
    const {
      rows: [owner],
    } = await root.query(
      `select pg_get_userbyid(relowner) as who from pg_class where oid = '${schema}.countries'::regclass`,
    )
    expect(rows).toEqual([owner])
    await root.query(`revoke references on ${schema}.countries from public`)
    for (const sql of [
      'create table more (country mine references countries)',
      `alter table old alter column country type mine using 'a'::mine`,
    ])
      await expect(tenancy.query('acme', sql), sql).rejects.toMatchObject({ details: { sqlState: '42501' } })
    // What is there already stays.
    const { findings } = await tenancy.doctor()
    expect(findings.filter(({ code }) => code === 'SHARED_RIGHTS')).toMatchObject([
      { severity: 'error', subject: `f${made}_acme.keys`, message: expect.stringContaining('the rights of') },
    ])
  },
)

it('level database: a tenant’s own public is nobody else’s', async () => {
  const { tenancy } = await sharing('database', `${TABLE}; grant select on invoices to public`)
  expect(await told(tenancy)).toBe('made')
})

it.each([
  [42],
  [['']],
  [[{ name: 'a', wrote: true }]],
  [[{ name: 'a', write: 'yes' }]],
  [[{ name: 'a', references: 'yes' }]],
  [['a.']],
  [['x'.repeat(300)]],
])('refuses sharedTables %j', (sharedTables) => {
  expect(() => setting.tenancy('role', { sharedTables: sharedTables as never })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', details: { option: 'sharedTables' } }),
  )
})
