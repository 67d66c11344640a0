import { eq } from 'drizzle-orm'
import { type NodePgDatabase, drizzle as plainDrizzle } from 'drizzle-orm/node-postgres'
import { describe, expect, it } from 'vitest'
import { obviousWithTenant, useOrmWorld } from './orm-world.ts'
import { samples } from './schema.ts'

const { inTenant, world } = useOrmWorld()

type Sample = typeof samples.$inferInsert

const FULL: Omit<Sample, 'id'> = {
  flag: true,
  small: -7,
  big: 9_223_372_036_854_775_807n,
  bigNumber: Number.MAX_SAFE_INTEGER,
  exact: '12345678901234567890.0123456789',
  exactNumber: 12.5,
  single: 1.5,
  double: 0.1 + 0.2,
  fixed: 'ab',
  limited: 'it\'s "quoted" \\ é 🎉',
  day: '2024-02-29',
  dayDate: new Date('2024-02-29T00:00:00.000Z'),
  clock: '23:59:59.999999',
  at: new Date('2024-02-29T12:34:56.789Z'),
  atText: '2024-02-29 12:34:56.789012',
  atZone: new Date('1999-12-31T23:59:59.001Z'),
  atZoneText: '2024-02-29 12:34:56.789+05:30',
  span: '1 year 2 mons 3 days 04:05:06.7',
  plain: { b: 1, a: [null, 'x', { y: 1.5 }] },
  binary: ['a', { nested: { deep: true } }, null, 1],
  words: ['plain', 'with "quotes", commas', 'back\\slash', '', 'NULL', '{braces}'],
  grid: [
    [1, 2],
    [3, 4],
  ],
  days: ['2024-02-29', '0001-01-01'],
  moments: ['2024-02-29 12:34:56.789+00'],
  amounts: ['0.10', '99999999999999999999.9'],
  ident: '3b1f8c40-1111-4222-8333-444455556666',
  address: '192.168.0.1',
  network: '10.0.0.0/8',
  hardware: '08:00:2b:01:02:03',
  place: { x: 1.25, y: -3 },
  bytes: Buffer.from([0, 1, 254, 255]),
}
const EMPTY: Omit<Sample, 'id'> = { words: [], binary: {}, plain: 'text', limited: '' }
const NULLS: Omit<Sample, 'id'> = Object.fromEntries(Object.keys(FULL).map((name) => [name, null]))

describe('values', () => {
  it.each([
    ['a full row', 10, FULL],
    ['empty values', 20, EMPTY],
    ['nulls', 30, NULLS],
  ])('round trip as through plain Drizzle: %s', async (_, id, row) => {
    const plainly = <T>(fn: (orm: NodePgDatabase) => Promise<T>) =>
      obviousWithTenant(world.root, 'acme', (client) => fn(plainDrizzle(client)))
    await inTenant('acme', (orm) => orm.insert(samples).values({ id, ...row }))
    await plainly((orm) => orm.insert(samples).values({ id: id + 1, ...row }))
    for (const written of [id, id + 1]) {
      const ours = await inTenant('acme', (orm) => orm.select().from(samples).where(eq(samples.id, written)))
      const theirs = await plainly((orm) => orm.select().from(samples).where(eq(samples.id, written)))
      expect(ours).toHaveLength(1)
      expect(ours).toStrictEqual(theirs)
      expect({ ...ours[0], id }).toMatchObject({ id, ...normalised(row) })
    }
  })

  it('are the same in relational queries and in raw SQL', async () => {
    await inTenant('acme', (orm) => orm.insert(samples).values({ id: 40, ...FULL }))
    const text = 'select * from samples where id = 40'
    const [ours, raw] = await inTenant('acme', async (orm) => [
      await orm.query.samples.findFirst({ where: eq(samples.id, 40) }),
      (await orm.execute(text)).rows,
    ])
    const [theirs, theirRaw] = await obviousWithTenant(world.root, 'acme', async (client) => {
      const orm = plainDrizzle(client, { schema: { samples } })
      return [
        await orm.query.samples.findFirst({ where: eq(samples.id, 40) }),
        (await orm.execute(text)).rows,
      ]
    })
    expect(ours).toStrictEqual(theirs)
    expect(raw).toStrictEqual(theirRaw)
  })
})

/** What PostgreSQL itself writes differently from what it was given. */
function normalised(row: Omit<Sample, 'id'>): Omit<Sample, 'id'> {
  if (row !== FULL) return row
  const { atZoneText: _, moments: __, ...rest } = FULL
  return { ...rest, fixed: 'ab  ', span: '1 year 2 mons 3 days 04:05:06.7' }
}
