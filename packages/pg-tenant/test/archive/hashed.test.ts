import { dirname } from 'node:path'
import { findProgram } from '@org/pg-testing'
import { expect, it } from 'vitest'
import { driverError, type TenancyError } from '../../src/index.ts'
import { useWorld } from '../support/world.ts'
import { useFolder } from './support.ts'

// What enums and reg… types hash to follows from OIDs, so in another database, or schema, each row belongs elsewhere.
const parts = (table: string) =>
  [0, 1].map(
    (at) => `create table ${table}_${at} partition of ${table} for values with (modulus 2, remainder ${at})`,
  )
const BY_ENUM = [
  `create type e as enum (${Array.from({ length: 16 }, (_, at) => `'v${at}'`).join(', ')})`,
  'create domain de as e',
  'create table by_enum (id int generated always as identity, k e, twice int generated always as (n * 2) stored, n int not null) partition by hash (k)',
  ...parts('by_enum'),
  // Columns that lie otherwise.
  'drop table by_enum_0',
  'create table by_enum_0 (n int not null, gone int, k e, id int not null, twice int generated always as (n * 2) stored)',
  'alter table by_enum_0 drop column gone',
  'alter table by_enum attach partition by_enum_0 for values with (modulus 2, remainder 0)',
  'alter table by_enum add constraint positive check (n >= 0)',
  'create unique index on by_enum (k, n)',
  'insert into by_enum (k, n) select k, 1 from unnest(enum_range(null::e)) k union all select null, 2',
  // A hash below a list below a hash, and one of an expression.
  'create table "By ""both" (k e, d de) partition by hash ((coalesce(k, $$v0$$::e)))',
  `create table "Both; 0" partition of "By ""both" for values with (modulus 2, remainder 0) partition by list (d)`,
  `create table both_1 partition of "By ""both" for values with (modulus 2, remainder 1)`,
  `create table both_0_some partition of "Both; 0" for values in ('v0', 'v1', 'v2') partition by hash (d, k)`,
  'create table both_0_rest partition of "Both; 0" default',
  ...parts('both_0_some'),
  'insert into "By ""both" select k, d from unnest(enum_range(null::e)) k, unnest(array[$$v1$$, $$v2$$, $$v9$$]::e[]) d',
]
const MIXED = [
  `create table mixed (k e, n int, t text) partition by hash (n, (coalesce(k, $$v0$$::e)), t, (array[k, $$v1$$]), (t || $$,'(' $$))`,
  ...parts('mixed'),
  'insert into mixed select k, n, n::text from unnest(enum_range(null::e)) k, generate_series(1, 3) n',
]
const BY_CLASS = [
  'create table by_class (k regclass) partition by hash (k)',
  ...parts('by_class'),
  'insert into by_class select oid from pg_class where relkind in ($$r$$, $$p$$) and relnamespace = current_schema::regnamespace',
]

const world = useWorld([])
const folder = useFolder()
const program = findProgram('pg_dump')

it.each(['archive', 'pg_dump'] as const)(
  'rows that are kept by the hash of an enum go where it puts them in a copy (%s)',
  async (format) => {
    const tables = format === 'archive' ? [...BY_ENUM, ...MIXED, ...BY_CLASS] : [...BY_ENUM, ...MIXED]
    const tenancy = world.tenancy({ migrations: [{ id: '0001', sql: tables.join(';\n') }] })
    const [key, copy] = [`hashed-${format === 'archive'}`, `copy-${format === 'archive'}`]
    await tenancy.provision(key)
    const held = (of: string) =>
      tenancy.withTenant(of, async (db) => [
        (await db.query('select id, k::text, twice, n from by_enum order by id')).rows,
        (await db.query('select k::text, d::text from "By ""both" order by 1, 2')).rows,
        (await db.query('select k::text, n, t from mixed order by 1, 2')).rows,
      ])
    const before = await held(key)
    expect(before.map(({ length }) => length)).toEqual([17, 48, 48])
    const programs = dirname(program ?? 'nowhere/pg_dump')
    const from = folder.path(format)
    try {
      await tenancy.backup(key, { to: from, format, programs })
    } catch (error) {
      // Not installed here, or older than the server.
      if (format === 'pg_dump' && (error as TenancyError).code === 'SERVICE_UNAVAILABLE') return
      throw error
    }
    await tenancy.restore(copy, { from, programs }).catch((error: TenancyError) => {
      throw new Error(`${error.message} ${driverError(error)}`)
    })
    expect(await held(copy)).toEqual(before)
    // By its key each row is found, in the one partition that is looked at.
    const found = await tenancy.withTenant(copy, async (db) => {
      let rows = 0
      for (const { k } of before[0] ?? [])
        rows += (await db.query(`select from by_enum where k = '${k ?? 'v0'}'`)).rows.length
      return rows
    })
    expect(found).toBe(17)
    if (format !== 'archive') return
    const { rows } = await tenancy.query(
      copy,
      'select count(*)::int from by_class c join by_class_0 p using (k)',
    )
    expect(rows[0]?.count).toBeGreaterThan(0)
  },
)
