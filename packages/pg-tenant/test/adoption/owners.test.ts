// @module-tag sampled
import { describe, expect, it } from 'vitest'
import { hasTurn, SLOW } from '../support/sample.ts'
import { codeOf, useWorld } from '../support/world.ts'
import { BASELINE, catalogueOf, LATER, makeOwner, makeSchema, rowsOf } from './legacy.ts'

const world = useWorld([])
const migrations = [BASELINE, LATER]
const without = ['DRIFT', 'PUBLIC_PRIVILEGE', 'ORPHAN_ROLE']

const OWNERS = ['quiet', 'application', 'administrator', 'superuser'] as const

describe.each((['role', 'schema'] as const).filter((level) => hasTurn(level, ['role'])))(
  'level %s: whose the tables were',
  (isolation) => {
    const prefix = `${isolation[0]}x_`
    const tenancyOf = () => world.tenancy({ migrations, isolation, schemaPrefix: prefix })
    const key = (name: string) => `${isolation}-${name}`

    it.each(OWNERS)('%s', async (who) => {
      const tenancy = tenancyOf()
      const schema = `${isolation}_of_${who}`
      const owner = await ownerOf(who)
      if (who === 'application' || who === 'quiet')
        await world.root.query(`grant ${owner} to ${world.adminRole}`)
      await makeSchema(world, owner, schema)
      const [was, rows] = [await catalogueOf(world, schema), await rowsOf(world, schema)]
      const adopt = () => tenancy.adopt(key(who), { schema, baseline: BASELINE.id })
      if (who === 'superuser') {
        // Nobody but a superuser may take a superuser's tables.
        expect(await codeOf(adopt())).toBe('CONFLICT')
        const dry = await tenancy.adopt(key(who), { schema, baseline: BASELINE.id, dryRun: true })
        const { fix = '' } = dry.findings.find(({ code }) => code === 'OWNER_OUT_OF_REACH') ?? {}
        await world.root.query(fix.slice(fix.indexOf('alter')))
        expect((await adopt()).adopted).toBe(true)
        return
      }
      await adopt()
      expect(
        (await tenancy.query(key(who), `insert into notes (body) values ('x') returning id`)).rows,
      ).toEqual([{ id: 4 }])
      const as = `do $$ begin set local role ${owner}; perform count(*) from ${schema}.notes; insert into ${schema}.notes (body) values ('y'); end $$`
      await world.root.query(as)
      await tenancy.query(key(who), 'delete from notes where id > 3')
      // The application is a member of the tenant's role by now, where everything was its own.
      expect(await tenancy.suspend(key(who))).toBe(true)
      expect(await codeOf(tenancy.query(key(who), 'select 1'))).toBe('TENANT_SUSPENDED')
      expect(await tenancy.resume(key(who))).toBe(true)
      await tenancy.undoAdoption(key(who))
      expect(await catalogueOf(world, schema)).toEqual(was)
      expect(await rowsOf(world, schema)).toEqual(rows)
      await adopt()
      expect(await tenancy.confirmAdoption(key(who))).toBe(true)
      expect(await tenancy.migrate()).toMatchObject({ ok: true, migrated: 1 })
      expect((await tenancy.query(key(who), 'select done from notes limit 1')).rows).toEqual([
        { done: false },
      ])
      const beside = world.pool().query(`select from ${schema}.notes`)
      // At level `schema` it is the application that scopes run as.
      await (isolation === 'role' ? expect(beside).rejects.toMatchObject({ code: '42501' }) : beside)
      const { rows: owners } = await world.root.query(
        `select distinct pg_get_userbyid(relowner) as owner from pg_class where relnamespace = '${schema}'::regnamespace and relname not like '\\_tenant\\_%'`,
      )
      expect(owners).toEqual([{ owner: expect.stringMatching(`^${world.rolePrefix}.*${who}$`) }])
      if (who === 'quiet') await expect(world.root.query(as)).rejects.toMatchObject({ code: '42501' })
      // The tenants of the other level are in the same database.
      const findings = (await tenancy.doctor()).findings.filter(
        ({ message }) => isolation === 'role' || !message.includes('_role-'),
      )
      expect(
        findings.filter(({ code, severity }) => severity !== 'notice' && !without.includes(code)),
      ).toEqual([])
    })

    it('a session of theirs that has not heard whose member it is goes on', async () => {
      const tenancy = tenancyOf()
      const schema = `${isolation}_unheard`
      const owner = await makeOwner(world, `unheard_${isolation[0]}`)
      await makeSchema(world, owner, schema)
      await world.root.query(`set role ${owner}; set search_path to ${schema}; create function one() returns int language sql as 'select 1';
      create procedure two() language sql as 'insert into tags (tag) values (2)'; create materialized view counted as select count(*) from notes;
      revoke all on function one() from public; revoke all on procedure two() from public; revoke all on type state from public;
      revoke update on items_low from current_user; reset role; reset search_path`)
      const [was, rows] = [await catalogueOf(world, schema), await rowsOf(world, schema)]
      const adopt = () => tenancy.adopt(key('unheard'), { schema, baseline: BASELINE.id, drift: 'accept' })
      await adopt()
      const again = await tenancy.adopt(key('unheard'), { dryRun: true })
      expect(again.findings.filter(({ subject }) => subject === owner)).toEqual([])
      const { rows: roles } = await world.root.query(
        `select c.relowner::regrole::text as role from pg_class c where c.oid = '${schema}.notes'::regclass`,
      )
      // What a lost invalidation looks like, for good.
      await world.admin.query(`revoke ${roles[0]?.role} from ${owner}`)
      expect(
        (
          await world.root.query(
            `select pg_has_role('${owner}', '${roles[0]?.role}'::regrole, 'usage') as member`,
          )
        ).rows,
      ).toEqual([{ member: false }])
      const as = (sql: string) =>
        world.root.query(`set local role ${owner}; set local search_path to ${schema}; ${sql}; rollback`)
      for (const sql of [
        `insert into notes (body) values ('x'); select nextval('notes_id_seq'), setval('notes_id_seq', 99), last_value from notes_id_seq`,
        `update notes set body = 'y' where id = 1; select * from notes for update; lock table notes`,
        `merge into notes n using tags t on n.id = t.note_id when matched then update set body = t.tag`,
        `insert into tags (note_id, tag) values (1, 'x'); delete from tags; delete from notes; truncate notes, tags`,
        `insert into items (what, at) values ('pen', 'open'); update items set at = 'done'; delete from items_low; table items`,
        `select * from recent; select * from counted; select * from notes n join tags on note_id = n.id`,
        `select one(); call two(); create temporary table mine (at state, what short, during span) on commit drop`,
      ])
        await as(sql)
      // No more than they had.
      await expect(as("update items_low set what = 'z'")).rejects.toMatchObject({ code: '42501' })
      await tenancy.undoAdoption(key('unheard'))
      expect(await catalogueOf(world, schema)).toEqual(was)
      expect(await rowsOf(world, schema)).toEqual(rows)
      await adopt()
      expect(await tenancy.confirmAdoption(key('unheard'))).toBe(true)
      const { rows: left } = await world.root.query(
        `select d.classid::regclass, d.objid from pg_shdepend d where d.refclassid = 'pg_authid'::regclass and d.refobjid = '${owner}'::regrole
        and d.dbid = (select oid from pg_database where datname = current_database()) and d.classid <> 'pg_database'::regclass`,
      )
      expect(left).toEqual([])
    })
  },
)

it.skipIf(SLOW)(
  'row-level security would hide rows from an earlier owner who has not heard of its membership: it is told again',
  async () => {
    const tenancy = world.tenancy({ migrations })
    const owner = await makeOwner(world, 'hidden')
    await makeSchema(world, owner, 'hiding')
    await world.root.query(`alter table hiding.notes enable row level security`)
    await tenancy.adopt('hiding', { schema: 'hiding', baseline: BASELINE.id, drift: 'accept' })
    const seen = async () => {
      const client = await world.root.connect()
      await client.query(`begin; set local role ${owner}`)
      const { rows } = await client.query('select count(*)::int as n from hiding.notes')
      await client.query('rollback')
      client.release()
      return rows[0]?.n
    }
    expect(await seen()).toBe(3)
    const { rows } = await world.root.query(
      `select r.rolname as role, r.xmin::text <> a.xmin::text as again from pg_class c join pg_authid r on r.oid = c.relowner
     cross join tenancy.tenant_adoption a where c.oid = 'hiding.notes'::regclass and a.key = 'hiding'`,
    )
    expect(rows).toMatchObject([{ again: true }])
    // What a lost invalidation looks like, for good.
    await world.admin.query(`revoke ${rows[0]?.role} from ${owner}`)
    expect(await seen()).toBe(0)
    await world.admin.query(`grant ${rows[0]?.role} to ${owner}`)
    await tenancy.undoAdoption('hiding')
  },
)

it.skipIf(SLOW)('row-level security that a membership does not pass over is in the way', async () => {
  const tenancy = world.tenancy({ migrations })
  const owner = await makeOwner(world, 'without')
  await makeSchema(world, owner, 'apart')
  await world.root.query(`alter table apart.notes enable row level security; alter role ${owner} noinherit`)
  const errors = async () =>
    (await tenancy.adopt('apart', { schema: 'apart', baseline: BASELINE.id, dryRun: true })).findings.filter(
      ({ code, severity }) => code === 'ROW_SECURITY' && severity === 'error',
    )
  const { rows } = await world.root.query(`select current_setting('server_version_num')::int < 160000 as old`)
  const found = await errors()
  expect(found.length).toBe(rows[0]?.old ? 1 : 0)
  for (const { fix = '' } of found) await world.root.query(fix)
  expect(await errors()).toEqual([])
})

it.skipIf(SLOW)('a receipt names the earlier owners that nobody logs in as, and no other role', async () => {
  const tenancy = world.tenancy({ migrations })
  const [resting, busy] = [await makeOwner(world, 'resting'), await makeOwner(world, 'busy')]
  await makeSchema(world, resting, 'leaving')
  await world.root.query(`alter role ${resting} nologin; alter table leaving.tags owner to ${busy}`)
  await tenancy.adopt('leaving', { schema: 'leaving', baseline: BASELINE.id })
  const { rolesLeft } = await tenancy.offboard('leaving', { confirm: 'leaving', backup: 'skip' })
  expect(rolesLeft).toEqual([resting])
})

async function ownerOf(who: string): Promise<string> {
  if (who === 'application') {
    await world.root.query(
      `do $$ begin execute format('grant create on database %I to ${world.appRole}', current_database()); end $$`,
    )
    return world.appRole
  }
  if (who === 'administrator') return world.adminRole
  if (who === 'superuser')
    return String((await world.root.query('select current_user as name')).rows[0]?.name)
  const { rows } = await world.root.query('select from pg_roles where rolname = $1', [
    `${world.rolePrefix}quiet`,
  ])
  if (rows.length > 0) return `${world.rolePrefix}quiet`
  const role = await makeOwner(world, 'quiet')
  await world.root.query(`alter role ${role} noinherit`)
  return role
}
