import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Columns, conditionToSql, createEvaluator, type Permission } from '../../src/index.ts'
import { catalog, group, now, snapshot } from '../support/product.ts'
import { useWorld } from '../support/world.ts'

const world = useWorld([])

/** Quotes in a name, and a collation that takes `x` and `X` for one: what naive SQL gets wrong. */
const TABLE = `
  create collation ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  create table record (
    id integer primary key,
    "a""b" text,
    c text collate ignore_case,
    n integer,
    k bigint,
    f double precision,
    b boolean,
    u uuid,
    owner_id text
  )`

const COLUMNS: Columns = {
  a: { column: 'a"b', type: 'text' },
  c: { column: 'c', type: 'text' },
  n: { column: 'n', type: 'number' },
  k: { column: 'k', type: 'number' },
  f: { column: 'f', type: 'number' },
  b: { column: 'b', type: 'boolean' },
  u: { column: 'u', type: 'uuid' },
  ownerId: { column: 'owner_id', type: 'text' },
}

const UUIDS = ['0b9f3c1e-58e4-4ed2-9c0e-0a6f2d1b7a11', 'ffffffff-ffff-4fff-bfff-ffffffffffff'] as const
const TEXTS = ['x', 'X', 'xy', "o'x\\", '%', '_', 'é', '😀', '']
const NUMBERS = [-1, 0, 1, 2]
const INT8 = [-1n, 0n, 2n, 9_007_199_254_740_993n]
const FLOATS = [
  -1,
  -0,
  0.1,
  0.5,
  1,
  2.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e300,
]

type Cells = readonly [
  string | null,
  string | null,
  number | null,
  bigint | null,
  number | null,
  boolean | null,
  string | null,
  string | null,
]
interface Stored {
  readonly id: number
  readonly record: Readonly<Record<string, unknown>>
}

const orNull = <T>(...values: readonly T[]) => fc.constantFrom<T | null>(...values, null)
const cells: fc.Arbitrary<Cells> = fc.tuple(
  orNull(...TEXTS),
  orNull(...TEXTS),
  orNull(...NUMBERS),
  orNull(...INT8),
  orNull(...FLOATS),
  orNull(true, false),
  orNull<string>(...UUIDS),
  orNull('u1', 'u2', 'U1'),
)

const stored: Stored[] = []

beforeAll(async () => {
  await world.root.query(TABLE)
  for (const [id, row] of fc.sample(cells, { numRuns: 120, seed: 5 }).entries()) {
    await world.root.query('insert into record values ($1, $2, $3, $4, $5, $6, $7, $8, $9)', [id, ...row])
  }
  const { rows } = await world.root.query(
    `select id, "a""b" as a, c, n, k, f, b, u, owner_id as "ownerId" from record`,
  )
  for (const { id, k, ...record } of rows)
    stored.push({ id, record: { ...record, k: k === null ? null : BigInt(k) } })
})

const text = fc.constantFrom(...TEXTS, ...UUIDS, UUIDS[0].toUpperCase(), 'not a uuid', 'u1')
const number = fc.constantFrom(...NUMBERS, 0.1, 0.5, 2.5, Number.MAX_SAFE_INTEGER)
const many = <T>(value: fc.Arbitrary<T>) => fc.array(value, { minLength: 1, maxLength: 3 })
const prefix = text.filter((one) => one !== '').map((value) => ({ prefix: value }))
const texts = fc.oneof(text, many(text), prefix)
const numbers = fc.oneof(
  number,
  many(number),
  fc.record({ lt: number, gte: number }, { requiredKeys: ['lt'] }),
  fc.record({ lte: number, gt: number }, { requiredKeys: ['gt'] }),
)
const booleans = fc.oneof(fc.boolean(), many(fc.boolean()))
const fitting = fc
  .record(
    { a: texts, c: texts, n: numbers, k: numbers, f: numbers, b: booleans, u: texts, ownerId: texts },
    { requiredKeys: [] },
  )
  .map((fields) => Object.fromEntries(Object.entries(fields).slice(0, 2)))
  .filter((fields) => Object.keys(fields).length > 0)
const mismatched = fc
  .dictionary(fc.constantFrom(...Object.keys(COLUMNS), 'elsewhere'), fc.oneof(texts, numbers, booleans), {
    minKeys: 1,
    maxKeys: 2,
  })
  .map((fields) => ({ ...fields }))
const constraints = fc.oneof(
  { weight: 3, arbitrary: fitting },
  { weight: 1, arbitrary: mismatched },
) as fc.Arbitrary<Record<string, unknown>>
const own = constraints.map((fields) => ({ ...fields, own: true }))
const permission: fc.Arbitrary<Permission> = fc.record(
  {
    action: fc.constantFrom('notes.item.read', 'notes.*'),
    effect: fc.constantFrom('allow' as const, 'allow' as const, 'allow' as const, 'deny' as const),
    constraints: fc.oneof(
      { weight: 5, arbitrary: constraints },
      { weight: 2, arbitrary: own },
      { weight: 1, arbitrary: fc.constant({}) },
    ),
  },
  { requiredKeys: ['action', 'constraints'] },
)

const evaluatorOf = (permissions: readonly Permission[]) =>
  createEvaluator(catalog, snapshot({ groups: [group([...permissions])] }), { now })

/** Ids that the database returns, with two parameters of the query's own before ours. */
async function selected(permissions: readonly Permission[]): Promise<number[]> {
  const condition = evaluatorOf(permissions).where('notes.item.read')
  const { text: where, values } = conditionToSql(condition, {
    columns: COLUMNS,
    table: 'r',
    firstParameter: 3,
  })
  const { rows } = await world.root.query<{ id: number }>(
    `select id from record r where id >= $1 and id < $2 and ${where} order by id`,
    [0, 1_000, ...values],
  )
  return rows.map(({ id }) => id)
}

const permitted = (permissions: readonly Permission[]) =>
  stored.filter(({ record }) => evaluatorOf(permissions).can('notes.item.read', record)).map(({ id }) => id)

describe('where', () => {
  it('selects the rows that can permits, row by row, nulls included', { tags: 'slow' }, async () => {
    const seen = { some: 0, none: 0 }
    await fc.assert(
      fc.asyncProperty(fc.array(permission, { minLength: 1, maxLength: 3 }), async (permissions) => {
        const expected = permitted(permissions)
        seen[expected.length > 0 ? 'some' : 'none']++
        expect(await selected(permissions)).toEqual(expected)
      }),
      { numRuns: 600 },
    )
    expect(seen.some).toBeGreaterThan(60)
  })

  it.each([
    ['no constraint', { action: 'notes.*' }, 120],
    ['nothing granted', { action: 'billing.*' }, 0],
    ['a field that is no column', { action: 'notes.*', constraints: { elsewhere: 'x' } }, 0],
    [
      'a deny of a field that is no column',
      { action: 'notes.*', effect: 'deny', constraints: { elsewhere: 'x' } },
      0,
    ],
  ] as const)('%s', async (_, permission, rows) => {
    const ids = await selected([permission])
    expect(ids).toEqual(permitted([permission]))
    expect(ids).toHaveLength(rows)
  })

  it.each<[unknown, string]>([
    [{ c: 'x' }, 'a collation that ignores case'],
    [{ c: ['x', 'xy'] }, 'the same in a list'],
    [{ c: { prefix: 'x' } }, 'the same for a prefix'],
    [{ f: { gt: 1 } }, 'NaN'],
    [{ f: 0.1 }, 'fractions'],
    [{ f: [0.1, 1] }, 'fractions in a list'],
    [{ k: { gte: Number.MAX_SAFE_INTEGER } }, 'int8 beyond 2^53'],
    [{ u: UUIDS[0] }, 'uuid'],
    [{ a: { prefix: '%' } }, 'wildcards of like'],
    [{ a: "o'x\\" }, 'quotes'],
    [{ b: false }, 'booleans'],
    [{ own: true }, 'the owner'],
  ])('%j: some rows, and the same ones (%s)', async (constraint) => {
    const permission = { action: 'notes.item.read', constraints: constraint }
    const ids = await selected([permission])
    expect(ids.length).toBeGreaterThan(0)
    expect(ids).toEqual(permitted([permission]))
  })

  it.each([
    [{ u: UUIDS[0].toUpperCase() }, { u: 'not a uuid' }],
    [{ a: 1 }, { n: 'x' }],
  ])('%j and %j: no rows, no error; their denies hide what cannot be told', async (...both) => {
    for (const constraint of both) {
      expect(await selected([{ action: 'notes.*', constraints: constraint }])).toEqual([])
      const except: Permission[] = [
        { action: 'notes.*' },
        { action: 'notes.*', effect: 'deny', constraints: constraint },
      ]
      expect(await selected(except)).toEqual(permitted(except))
    }
  })
})
