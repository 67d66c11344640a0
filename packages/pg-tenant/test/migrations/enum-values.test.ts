import { describe, expect, test } from 'vitest'
import { filesOf } from '../../src/migrations/enum-values.ts'
import { parseMigrations } from '../../src/migrations/migrations.ts'
import { readScripts } from '../../src/migrations/script.ts'
import { useFolder } from '../archive/support.ts'
import { useSetting } from '../levels/setting.ts'
import { inTurn } from '../support/sample.ts'
import { useWorld } from '../support/world.ts'

const TYPE = { id: '0001', sql: `create type mood as enum ('sad'); create table notes (id int, mood mood)` }
const ADD = { id: '0002', sql: `alter type mood add value 'calm'` }
const USE = { id: '0003', sql: `alter table notes alter column mood set default 'calm'` }
const more = { id: '0004', sql: `alter type mood add value 'glad'; create table tags (id int)` }
const last = { id: '0005', sql: `alter table notes alter column mood set default 'glad'` }

describe('a new value of an enum that a later migration uses', () => {
  const world = useWorld([])
  const moodOf = async (key: string) => {
    const tenancy = world.tenancy({ migrations: [TYPE, ADD, USE] })
    return (await tenancy.query(key, 'insert into notes (id) values (1) returning mood::text')).rows[0]?.mood
  }

  test('is committed before, by migrate', async () => {
    await world.tenancy({ migrations: [TYPE] }).provision('behind')
    const report = await world.tenancy({ migrations: [TYPE, ADD, USE, more, last] }).migrate()
    expect(report).toMatchObject({ ok: true, tenants: [{ applied: ['0002', '0003', '0004', '0005'] }] })
    expect(await moodOf('behind')).toBe('glad')
  })

  test('is committed before, by provision of a tenant that is behind', async () => {
    await world.tenancy({ migrations: [TYPE] }).provision('late')
    const result = await world.tenancy({ migrations: [TYPE, ADD, USE, more, last] }).provision('late')
    expect(result).toEqual({ created: false, migrations: ['0002', '0003', '0004', '0005'] })
    expect(await moodOf('late')).toBe('glad')
  })

  test('needs no transaction of its own in a tenant that is new', async () => {
    const result = await world.tenancy({ migrations: [TYPE, ADD, USE] }).provision('fresh')
    expect(result).toEqual({ created: true, migrations: ['0001', '0002', '0003'] })
    expect(await moodOf('fresh')).toBe('calm')
  })

  test.each([
    ['a DO block', `do $$ begin execute 'alter type mood add value ''calm'''; end $$`],
    [
      'a DO block that looks first',
      `do $$ begin if not exists (select from pg_enum where enumtypid = 'mood'::regtype and enumlabel = 'calm') then
       alter type mood add value 'calm'; end if; end $$`,
    ],
  ])('is committed before, also where %s adds it', async (name, sql) => {
    const key = `do${name.length}`
    const place = { controlSchema: key, schemaPrefix: `${key}_` }
    await world.tenancy({ ...place, migrations: [TYPE] }).provision(key)
    const all = world.tenancy({ ...place, migrations: [TYPE, { id: '0002', sql }, USE] })
    expect(await all.migrate({ only: [key] })).toMatchObject({ ok: true })
    expect((await all.query(key, 'insert into notes (id) values (1) returning mood::text')).rows).toEqual([
      { mood: 'calm' },
    ])
  })

  test('in the migration that adds it is refused with what to do', async () => {
    const place = { controlSchema: 'same', schemaPrefix: 'same_' }
    await world.tenancy({ ...place, migrations: [TYPE] }).provision('same')
    const both = { id: '0002', sql: `${ADD.sql};\n${USE.sql}` }
    await expect(
      world.tenancy({ ...place, migrations: [TYPE, both] }).migrate({ only: ['same'] }),
    ).rejects.toThrowError(
      /0002, line 2: .*unsafe use of new value "calm" of enum type mood .*Use it in a later migration/,
    )
  })

  test('is committed before in the shared schema of level row too, and no process takes a part for the whole', async () => {
    const column = `tenant_id text not null default current_setting('app.tenant_id')`
    const first = {
      id: '0001',
      sql: `create type mood as enum ('sad'); create table notes (${column}, id int, mood mood, primary key (tenant_id, id))`,
    }
    const place = {
      isolation: 'row',
      controlSchema: 'rows',
      schemaPrefix: 'w_',
      row: { schema: 'shop' },
    } as const
    await world.tenancy({ ...place, migrations: [first] }).provision('acme')
    const next = [first, { ...ADD, sql: `-- pg-tenant: no-transaction\n${ADD.sql}` }, USE]
    await world.tenancy({ ...place, migrations: next }).provision('globex')
    const glad = { ...more, sql: `alter type mood add value 'glad'` }
    const all = { ...place, migrations: [...next, glad, last] }
    expect(await world.tenancy(all).migrate()).toMatchObject({ ok: true })
    const tenancy = world.tenancy(all)
    const { rows } = await tenancy.query('globex', 'insert into notes (id) values (1) returning mood::text')
    expect(rows).toEqual([{ mood: 'glad' }])
  })
})

describe('a tenant that is new', () => {
  const sqlOf = (...files: string[]) => {
    const scripts = readScripts(parseMigrations(files.map((sql, at) => ({ id: String(at), sql }))))
    return filesOf(scripts, true).map((statements) => statements.map(({ text }) => text))
  }

  test.each<[string[], string[][]]>([
    [
      [`create type "Mood" as enum ('sad')`, `alter type "Mood" add value 'it''s' before 'sad'; select 1`],
      [[`create type "Mood" as enum ('it''s', 'sad')`], ['select 1']],
    ],
    [
      [
        'CREATE TYPE mood AS ENUM ()',
        `ALTER TYPE MOOD ADD VALUE IF NOT EXISTS E'a'`,
        `alter type mood add value 'b' after 'a'`,
      ],
      [[`create type mood as enum (E'a', 'b')`], [], []],
    ],
    [
      [`create type m as enum ('a')`, `alter type m add value if not exists 'a'`],
      [[`create type m as enum ('a')`], []],
    ],
    [
      [
        `create type m as enum ('a'); alter type m rename value 'a' to 'b'; alter type m add value 'c' after 'b'`,
      ],
      [
        [
          `create type m as enum ('a')`,
          `alter type m rename value 'a' to 'b'`,
          `alter type m add value 'c' after 'b'`,
        ],
      ],
    ],
    [
      [`create type m as enum ('a'); drop type m; create type m as enum ('z'); alter type m add value 'y'`],
      [[`create type m as enum ('a')`, 'drop type m', `create type m as enum ('z', 'y')`]],
    ],
    [
      [`create type m as enum ('!'); alter type m add value U&'!0041' uescape '!'`],
      [[`create type m as enum ('!')`, `alter type m add value U&'!0041' uescape '!'`]],
    ],
    [[`alter type other add value 'a'`], [[`alter type other add value 'a'`]]],
    [
      [`create type r as range (subtype = int)`, `alter type r owner to x`],
      [['create type r as range (subtype = int)'], ['alter type r owner to x']],
    ],
  ])('has the values of an enum from the start: %j', (files, wanted) => {
    expect(sqlOf(...files)).toEqual(wanted)
  })
})

describe('at levels with a login', () => {
  const setting = useSetting()
  const folder = useFolder()

  test.each(inTurn(['login', 'database'] as const, 2))(
    '%s: made at once, and restored behind an older archive',
    { tags: 'sampled' },
    async (level) => {
      const before = setting.tenancy(level, { migrations: [TYPE] })
      const all = setting.tenancy(level, { migrations: [TYPE, ADD, USE] })
      expect(await all.provision('fresh')).toMatchObject({ migrations: ['0001', '0002', '0003'] })
      await before.provision('older')
      const from = folder.path(level)
      await before.backup('older', { to: from })
      expect(await all.restore('older', { from, force: 'replace' })).toMatchObject({
        migrations: ['0002', '0003'],
      })
      for (const key of ['fresh', 'older'])
        expect((await all.query(key, 'insert into notes (id) values (1) returning mood::text')).rows).toEqual(
          [{ mood: 'calm' }],
        )
    },
  )
})
