import { is } from 'drizzle-orm'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import { expect, it } from 'vitest'
import * as schema from '../src/schema.ts'
import { useTenancy } from './support/world.ts'

const world = useTenancy(['acme'])

const COLUMNS = `
  select attname as name, format_type(atttypid, atttypmod) as type, attnotnull as "notNull"
  from pg_attribute where attrelid = to_regclass($1) and attnum > 0 order by attname`

it("says of every table what the migrations make of it in a client's schema", async () => {
  const tables = Object.values(schema).filter((one) => is(one, PgTable))
  expect(tables).toHaveLength(2)
  for (const table of tables) {
    const { name, columns, schema: qualified } = getTableConfig(table)
    expect(qualified, 'a schema by name would be the same one for every client').toBeUndefined()
    const declared = columns.map((column) => ({
      name: column.name,
      type: column.getSQLType(),
      notNull: column.notNull,
    }))
    const { rows } = await world().root.query(COLUMNS, [`c_acme.${name}`])
    expect(declared.sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual(
      rows.map(({ type, ...rest }) => ({ ...rest, type })),
    )
  }
})
