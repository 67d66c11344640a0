// @module-tag sampled
import { describe, expect, it } from 'vitest'
import { driverError, type TenancyError } from '../../src/index.ts'
import { inTurn, SLOW } from '../support/sample.ts'
import { useWorld } from '../support/world.ts'
import { useFolder } from './support.ts'

// What CREATE TABLE … INHERITS would lay in another order than history did.
const HISTORIES: Record<string, readonly string[]> = {
  'a column that a parent was given later': [
    `create table p (id bigint generated always as identity primary key, a text not null default 'x')`,
    `create table c (own int default 7) inherits (p)`,
    `alter table p add column late numeric(9,2) not null default 1.5, add column twice int generated always as (length(a) * 2) stored`,
    `alter table c add column last text collate "C"`,
    `insert into p (a) values ('p')`,
    `insert into c (id, a, own, late, last) overriding system value values (5, 'c', 1, 2.25, 'z')`,
  ],
  'three generations, each given something late': [
    `create table g (a int)`,
    `create table p (b int, c int) inherits (g)`,
    `create table "C" (d int) inherits (p)`,
    `alter table g add column e int`,
    `alter table p add column f int`,
    `alter table "C" add column a2 int`,
    `alter table g add column h int check (h > 0)`,
    `alter table p drop column c`,
    `insert into "C" (a, b, d, e, f, a2, h) values (1, 2, 3, 4, 5, 6, 7)`,
  ],
  'what an heir must not be without, and its own heirs neither': [
    `create table g (a int, b int)`,
    `create table p () inherits (g)`,
    `create table c (d int) inherits (p)`,
    `alter table p alter column a set not null`,
    `alter table c alter column b set not null`,
  ],
  'a key of an heir, on a column that it inherits with one': [
    `create table p (id int primary key, v text)`,
    `create table c (more text, primary key (id)) inherits (p)`,
    `create table d () inherits (c)`,
    `alter table d alter column v set not null`,
    `insert into d (id, v) values (1, 'd')`,
  ],
  'a check that is not valid, over one of the same name that an heir has, which is': [
    `create table a (n int)`,
    `create table m () inherits (a)`,
    `create table c (constraint bound check (n > 0)) inherits (m)`,
    `insert into c values (1)`,
    `insert into a values (-1)`,
    `alter table a add constraint bound check (n > 0) not valid`,
  ],
  'two parents, and columns that both have': [
    `create table one (id int, x text)`,
    `create table two (id int, y text)`,
    `create table both_of (z int) inherits (one, two)`,
    `alter table one add column w int`,
    `alter table two add column w int`,
    `alter table both_of add column v int`,
    `alter table two add column u int`,
    `insert into both_of (id, x, y, z, w, v, u) values (1, 'x', 'y', 2, 3, 4, 5)`,
  ],
  'a table that became an heir, in its own order': [
    `create table p (a int, b text, c int)`,
    `create table c (own int, c int, b text, a int)`,
    `alter table c inherit p`,
    `alter table p add column late int`,
    `create index on c (late)`,
    `comment on column c.late is 'late'`,
    `insert into c (own, a, b, c, late) values (1, 2, 'b', 3, 4)`,
  ],
  'one that was disowned, and one that has its own of what is inherited': [
    `create table p (a int)`,
    `create table c (own int, a int) inherits (p)`,
    `create table d () inherits (p)`,
    `alter table p add column b int`,
    `alter table d no inherit p`,
    `alter table p add column d int`,
    `create view seen as select own, b, d from c`,
    `insert into c (own, a, b, d) values (1, 2, 3, 4)`,
  ],
}

const LIE = `select c.relname, a.attnum, a.attname, a.attislocal, a.attinhcount, a.attnotnull, a.attidentity, a.attgenerated,
    format_type(a.atttypid, a.atttypmod) as type, pg_get_expr(x.adbin, x.adrelid) as value
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef x on x.adrelid = c.oid and x.adnum = a.attnum
  where c.relnamespace = $1::regnamespace and c.relkind = 'r' and c.relname !~ '^_tenant' order by c.relname, a.attnum`

const world = useWorld([])
const folder = useFolder()

/** Columns as they lie; numbers of dropped ones are closed up. */
async function lie(key: string): Promise<unknown[]> {
  const { rows } = await world.root.query(LIE, [`c_${key}`])
  const last = new Map<string, number>()
  return rows.map(({ relname, attnum: _, ...row }) => {
    const at = (last.get(relname) ?? 0) + 1
    last.set(relname, at)
    return { relname, at, ...row, value: row.value?.replaceAll(`c_${key}`, '') }
  })
}

describe('inheritance', () => {
  it.each(inTurn(Object.entries(HISTORIES), 9))('%s comes back as it lies', async (name, statements) => {
    const at = Object.keys(HISTORIES).indexOf(name)
    const [key, copy] = [`from${at}`, `to${at}`]
    const tenancy = world.tenancy({ migrations: [{ id: '0001', sql: statements.join(';\n') }] })
    await tenancy.provision(key)
    const from = folder.path(`heirs-${at}`)
    await tenancy.backup(key, { to: from })
    await tenancy.restore(copy, { from }).catch((error: TenancyError) => {
      throw new Error(`${error.message} ${driverError(error)}`)
    })
    expect(await lie(copy)).toEqual(await lie(key))
    await tenancy.offboard(key, { confirm: key, backup: { to: folder.path(`again-${at}`) } })
  })

  it.skipIf(SLOW)(
    'of a table that is somebody else’s is told of, where a restore could not take it up again',
    async () => {
      const tenancy = world.tenancy({ migrations: [{ id: '0001', sql: 'create table kept (a int)' }] })
      await tenancy.provision('heir')
      const role = `"${world.rolePrefix}heir"`
      await world.root.query(`create schema away; create table away.events (of text, n int) partition by list (of); create table away.base (n int);
      create table c_heir.events (of text, n int); create table c_heir.heir (n int); create table c_heir.own () inherits (c_heir.kept);
      alter table away.events attach partition c_heir.events for values in ('heir'); alter table c_heir.heir inherit away.base;
      alter table c_heir.events owner to ${role}; alter table c_heir.heir owner to ${role}; alter table c_heir.own owner to ${role};
      insert into away.events values ('heir', 1); insert into c_heir.own values (2);
      create view c_heir.seen as select n from c_heir.events; alter view c_heir.seen owner to ${role}`)
      const from = folder.path('somebody-else')
      const { skipped } = await tenancy.backup('heir', { to: from })
      const kind = 'child of somebody else’s table'
      expect(skipped.slice(0, 2)).toEqual([
        { name: 'events', kind },
        { name: 'heir', kind },
      ])
      expect(skipped.some(({ name }) => name.startsWith('view c_heir.seen'))).toBe(true)
      await tenancy.restore('copied', { from })
      expect((await tenancy.query('copied', 'select a from own')).rows).toEqual([{ a: 2 }])
      const backup = { to: folder.path('off') }
      await expect(tenancy.offboard('heir', { confirm: 'heir', backup })).rejects.toMatchObject({
        code: 'CONFLICT',
      })
      expect((await world.root.query('select n from away.events')).rows).toEqual([{ n: 1 }])
    },
  )
})
