import { drizzle as tenantDrizzle } from '@org/pg-tenant/drizzle'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import {
  bigint,
  boolean,
  doublePrecision,
  getTableConfig,
  integer,
  jsonb,
  pgTable,
  text,
  uuid,
} from 'drizzle-orm/pg-core'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import {
  conditionToDrizzle,
  controlTables,
  group,
  groupPermission,
  rbacEpoch,
  user,
  userGroup,
} from '../../src/drizzle/index.ts'
import { type Columns, type Condition, conditionToSql } from '../../src/index.ts'
import { acme, useRbac } from '../store/rbac-world.ts'

const rbac = useRbac()
const record = pgTable('record', {
  id: integer('id').primaryKey(),
  a: text('a"b'),
  n: integer('n'),
  k: bigint('k', { mode: 'bigint' }),
  f: doublePrecision('f'),
  b: boolean('b'),
  u: uuid('u'),
  j: jsonb('j'),
})
const UUID = '0b9f3c1e-58e4-4ed2-9c0e-0a6f2d1b7a11'
const columns = { a: record.a, n: record.n, k: record.k, f: record.f, b: record.b, u: record.u }
const plain: Columns = {
  a: { column: 'a"b', type: 'text' },
  n: { column: 'n', type: 'number' },
  k: { column: 'k', type: 'number' },
  f: { column: 'f', type: 'number' },
  b: { column: 'b', type: 'boolean' },
  u: { column: 'u', type: 'uuid' },
}

beforeAll(async () => {
  await rbac.world.root.query(`create table record (id int primary key, "a""b" text, n int, k bigint, f double precision,
    b boolean, u uuid, j jsonb)`)
  await rbac.world.root.query(
    `insert into record select row_number() over (), a, n, n, n / 2.0, b, u::uuid
     from unnest(array['x', 'xy', 'X', '%', $$o'x\\$$, null]) a, unnest(array[-1, 0, 1, 2, null]) n,
       unnest(array[true, null]) b, unnest(array[$1, null]) u`,
    [UUID],
  )
})

const fields = fc.constantFrom('a', 'n', 'k', 'f', 'b', 'u', 'missing', '__proto__')
const texts = fc.constantFrom('x', 'X', '%', "o'x\\", UUID, UUID.toUpperCase())
const values = fc.oneof(
  fc.array(texts, { minLength: 1, maxLength: 3 }),
  fc.array(fc.constantFrom(0, 1, 0.5, -1), { minLength: 1, maxLength: 3 }),
  fc.array(fc.boolean(), { minLength: 1, maxLength: 2 }),
)
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3 },
    fc.record({ op: fc.constant('in' as const), field: fields, values }),
    fc.record({
      op: fc.constantFrom('lt', 'lte', 'gt', 'gte'),
      field: fields,
      value: fc.constantFrom(0, 0.5, 1),
    }),
    fc.record({
      op: fc.constant('prefix' as const),
      field: fields,
      value: fc.constantFrom('x', '%', UUID.slice(0, 8)),
    }),
    fc.constantFrom<Condition>({ op: 'always' }, { op: 'never' }),
    fc.record({
      op: fc.constantFrom('and', 'or'),
      of: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ op: fc.constant('not' as const), of: tie('condition') }),
  ) as fc.Arbitrary<Condition>,
}))

async function agrees(one: Condition): Promise<void> {
  const { text: where, values: parameters } = conditionToSql(one, { columns: plain })
  const expected = await rbac.world.root.query(`select id from record where ${where} order by id`, [
    ...parameters,
  ])
  const found = await drizzle(rbac.world.root)
    .select({ id: record.id })
    .from(record)
    .where(conditionToDrizzle(one, columns))
    .orderBy(record.id)
  expect(found).toEqual(expected.rows)
}

it('finds the rows that the condition as SQL finds, which are those of `can`', async () => {
  await fc.assert(fc.asyncProperty(condition, agrees), { numRuns: 150 })
})

const FIELDS = ['a', 'n', 'k', 'f', 'b', 'u', 'missing', '__proto__']
const VALUES = [['x'], ['x', UUID], [UUID.toUpperCase()], [1], [0.5, 1], [true], [true, false]]

it.each(FIELDS)('and so for each kind of value: %s', async (field) => {
  for (const values of VALUES) {
    const one: Condition = { op: 'in', field, values }
    await agrees(one)
    await agrees({ op: 'not', of: one })
  }
})

it('refuses a column that constraints cannot be compared with', () => {
  const one: Condition = { op: 'eq', field: 'j', value: 'x' }
  expect(() => conditionToDrizzle(one, { j: record.j })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
})

it('has the tables as they are', async () => {
  const { rows } = await rbac.world.root.query<{ at: string }>(
    `select table_schema || '.' || table_name || '.' || column_name || ' ' || is_nullable as at
     from information_schema.columns where table_schema in ('rbac', 'c_acme')`,
  )
  const there = new Set(rows.map(({ at }) => at))
  const ofTenant = [user, group, userGroup, groupPermission, rbacEpoch].map(
    (table) => ['c_acme', table] as const,
  )
  const ofControl = Object.values(controlTables()).map((table) => ['rbac', table] as const)
  for (const [schema, table] of [...ofTenant, ...ofControl]) {
    const { name, columns: defined } = getTableConfig(table)
    for (const column of defined) {
      const nullable = column.notNull || column.primary ? 'NO' : 'YES'
      expect(there).toContain(`${schema}.${name}.${column.name} ${nullable}`)
    }
    const count = [...there].filter((at) => at.startsWith(`${schema}.${name}.`)).length
    expect([name, defined.length]).toEqual([name, count])
  }
})

it('writes in the tenant it is in, and moves its epoch', async () => {
  const epoch = async () => (await rbac.tenancy.query(acme, 'select epoch from rbac_epoch')).rows
  const before = await epoch()
  const found = await rbac.tenancy.withTenant(acme, async (db) => {
    const orm = tenantDrizzle(db)
    await orm.insert(user).values({ email: 'drizzle@example.com', name: 'D' })
    return orm.select({ status: user.status }).from(user).where(eq(user.email, 'drizzle@example.com'))
  })
  expect(found).toEqual([{ status: 'active' }])
  expect(await epoch()).not.toEqual(before)
})
