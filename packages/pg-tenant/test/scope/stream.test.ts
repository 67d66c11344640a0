import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld(['acme'])
let tenancy: Tenancy

beforeAll(() => {
  tenancy = world.tenancy()
})

const SERIES = 'select g::int as n from generate_series(1, $1::int) g'

describe('stream', () => {
  it.each([0, 1, 99, 100, 101, 1000])('yields all of %i rows in order, in batches', async (count) => {
    const seen: number[] = []
    await tenancy.withTenant('acme', async (db) => {
      for await (const { n } of db.stream<{ n: number }>(SERIES, [count], { batchSize: 100 })) seen.push(n)
    })
    expect(seen).toEqual(Array.from({ length: count }, (_, i) => i + 1))
  })

  it('lets other statements run between rows', async () => {
    const total = await tenancy.withTenant('acme', async (db) => {
      let sum = 0
      for await (const { n } of db.stream<{ n: number }>(SERIES, [30], { batchSize: 7 })) {
        const { rows } = await db.query<{ m: number }>('select $1::int * 2 as m', [n])
        sum += rows[0]?.m ?? 0
      }
      return sum
    })
    expect(total).toBe(30 * 31)
  })

  it('closes its portal when the loop is left', async () => {
    await tenancy.withTenant('acme', async (db) => {
      for await (const _ of db.stream(SERIES, [1000], { batchSize: 10 })) break
      const { rows } = await db.query(`select name from pg_cursors where name like 'pgt\\_stream%'`)
      expect(rows).toEqual([])
    })
  })

  it('runs several at once', async () => {
    const counts = await tenancy.withTenant('acme', (db) =>
      Promise.all(
        [50, 120, 7].map(async (count) => {
          let seen = 0
          for await (const _ of db.stream(SERIES, [count], { batchSize: 11 })) seen++
          return seen
        }),
      ),
    )
    expect(counts).toEqual([50, 120, 7])
  })

  it('holds one batch in memory, not the result', async () => {
    await tenancy.withTenant('acme', async (db) => {
      const before = process.memoryUsage().heapUsed
      let peak = 0
      let seen = 0
      const sql = `select repeat('x', 1000) as pad from generate_series(1, 100000)`
      for await (const _ of db.stream(sql, [], { batchSize: 100 })) {
        if (++seen % 5000 === 0) peak = Math.max(peak, process.memoryUsage().heapUsed)
      }
      expect(seen).toBe(100_000)
      // The result is 100 MB; garbage of many batches is well below that.
      expect(peak - before).toBeLessThan(60_000_000)
    })
  })

  it('fails the scope when its statement fails, at any row', async () => {
    const work = tenancy.withTenant('acme', async (db) => {
      for await (const _ of db.stream('select 1 / (20 - g) from generate_series(1, 30) g', [], {
        batchSize: 5,
      })) {
        // read on until it fails
      }
    })
    await expect(work).rejects.toMatchObject({ code: 'DATABASE_ERROR', details: { sqlState: '22012' } })
  })

  it('ends with its scope', async () => {
    let kept: AsyncIterableIterator<unknown> | undefined
    await tenancy.withTenant('acme', async (db) => {
      kept = db.stream(SERIES, [1000], { batchSize: 10 })
      await kept.next()
    })
    const rest = async () => {
      for await (const _ of kept as AsyncIterableIterator<unknown>) {
        // the rows of the first batch are there, no more
      }
    }
    expect(await codeOf(rest())).toBe('SCOPE_ENDED')
  })

  it('refuses what query refuses, and a bad batch size', async () => {
    await tenancy.withTenant('acme', async (db) => {
      expect(await codeOf(db.stream('commit').next())).toBe('STATEMENT_REFUSED')
      for (const batchSize of [0, -1, 1.5, 10_001, Number.NaN, '10' as unknown as number]) {
        expect(await codeOf(db.stream('select 1', [], { batchSize }).next())).toBe('INVALID_OPTION')
      }
    })
  })
})
