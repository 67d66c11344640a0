// @module-tag sampled
import { expect, it } from 'vitest'
import { SLOW } from '../support/sample.ts'
import { useWorld } from '../support/world.ts'
import { useFolder } from './support.ts'

// What a database of somebody else may have been told of how text is written and read (`alter database … set`).
const SETTINGS = [
  'array_nulls = off',
  'transform_null_equals = on',
  'quote_all_identifiers = on',
  'standard_conforming_strings = off',
  'bytea_output = escape',
  "datestyle = 'german, dmy'",
  'intervalstyle = sql_standard',
  'extra_float_digits = -5',
  'xmloption = document',
  'row_security = off',
]

const world = useWorld([])
const folder = useFolder()

// All at once, and in the slow set each by itself.
it.each(SLOW ? SETTINGS.map((one) => [one]) : [SETTINGS])(
  'an archive restores where the database has %s, and is the same as elsewhere',
  async (...settings: string[]) => {
    const told = (sql: string) =>
      world.root.query(
        `do $$ begin execute format('alter database %I ' || $s$${sql}$s$, current_database()); end $$`,
      )
    const key = settings.length > 1 ? 'all' : `n${SETTINGS.indexOf(settings[0] ?? '')}`
    await world.tenancy().provision(key)
    for (const sql of [
      String.raw`create table t (a text[] default array[null, 'x'], s text default E'a\\b', b bytea default '\x00', d date default '2024-02-03',
      i interval default '1 day', f float8 default 0.1, x xml, check (s <> E'\\'))`,
      String.raw`insert into t values (array[null, 'NULL'], E'x\\y', '\xff', '2024-02-03', '1 mon -3 days', 0.1, 'a<b/>')`,
      'create view v as select 1 as one from t where s = (select null::text)',
      String.raw`create type e as enum (E'a\\b')`,
    ])
      await world.tenancy().query(key, sql)
    const plain = folder.path(`${key}-plain`)
    await world.tenancy().backup(key, { to: plain })
    for (const setting of settings) await told(`set ${setting}`)
    const adminPool = world.pool({ connectionString: world.adminUrl, max: 2 })
    const tenancy = world.tenancy({ adminPool })
    try {
      const rows = `select a, s, b, d::text, i::text, f, x::text from`
      const { rows: before } = await world.root.query(`${rows} c_${key}.t`)
      await tenancy.restore(`${key}-plain`, { from: plain })
      const odd = folder.path(`${key}-odd`)
      await tenancy.offboard(key, { confirm: key, backup: { to: odd } })
      await tenancy.restore(key, { from: odd })
      for (const one of [key, `${key}-plain`])
        expect((await world.root.query(`${rows} "c_${one}".t`)).rows).toEqual(before)
    } finally {
      await told('reset all')
    }
  },
)
