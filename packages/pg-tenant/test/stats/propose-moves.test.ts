import type { FleetStats, TenantKey, TenantStats } from '@org/pg-tenant'
import { proposeMoves } from '@org/pg-tenant/admin'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const MB = 1024 * 1024

/** Statistics as `stats` gives them, of tenants by their size. */
function cluster(
  prefix: string,
  sizes: readonly number[],
  more: { level?: FleetStats['level']; relations?: number; status?: TenantStats['status'] } = {},
): FleetStats {
  const { level = 'role', relations = 10, status = 'active' } = more
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  return {
    level,
    sizes: 'estimated',
    tenants: sizes.map((size, at) => ({
      key: `${prefix}${at}` as TenantKey,
      status,
      plan: null,
      placement: prefix,
      schemaVersion: null,
      bytes: size,
      rows: 0,
      tables: 1,
      relations,
      connections: null,
      lastActivity: null,
    })),
    totals: {
      tenants: sizes.length,
      byStatus: {},
      bytes,
      rows: 0,
      tables: sizes.length,
      relations: relations * sizes.length,
      maxRelationsOfATenant: relations,
    },
    versions: [],
    oldestVersion: null,
    slowestMigrations: [],
    connections: [],
    cluster: {
      serverVersion: 180004,
      maxConnections: 100,
      reservedConnections: 3,
      connections: 1,
      sharedBuffersBytes: 128 * MB,
      databaseBytes: bytes,
      clusterBytes: bytes,
      blocksHit: 0,
      blocksRead: 0,
      lockSlots: 6400,
      relations: relations * sizes.length,
      transactionAge: 1,
      multixactAge: 1,
      autovacuum: true,
      freezeMaxAge: 1,
      overdueTables: 0,
    },
  }
}

describe('what to move', () => {
  it('is nothing where no cluster is too full', () => {
    const stats = { eu: cluster('e', [1, 2]), us: cluster('u', []) }
    expect(proposeMoves(stats, { thresholds: { tenants: 3 } })).toEqual({ moves: [], crowded: [] })
  })

  it('is as few as will do, of storage: one that is large enough rather than many', () => {
    const stats = { eu: cluster('e', [MB, 200 * MB, 30 * MB, 700 * MB]), us: cluster('u', [MB]) }
    const { moves, crowded } = proposeMoves(stats, { thresholds: { storageBytes: 1000 * MB } })
    // 931 of 800: 211 must go to leave 720.
    expect(moves).toEqual([{ tenant: 'e3', from: 'eu', to: 'us', why: 'storage', bytes: 700 * MB }])
    expect(crowded).toEqual([])
  })

  it('is the smallest where their number is too large', () => {
    const stats = { eu: cluster('e', [3, 1, 2, 9, 8, 7, 6, 5, 4, 10]), us: cluster('u', []) }
    const { moves } = proposeMoves(stats, { thresholds: { tenants: 10 } })
    expect(moves.map(({ tenant }) => tenant)).toEqual(['e1', 'e2'])
  })

  it('goes where there is most room, by the thresholds of each', () => {
    const stats = { eu: cluster('e', [1, 1, 1]), us: cluster('u', []), asia: cluster('a', [1]) }
    const placements = { eu: { tenants: 2 }, us: { tenants: 3 }, asia: { tenants: 100 } }
    const { moves } = proposeMoves(stats, { placements })
    expect(moves.map(({ to }) => to)).toEqual(['asia', 'asia'])
  })

  it('says what stays crowded: nobody has room, another level, too few moves', () => {
    const eu = cluster('e', [1, 1, 1, 1])
    const crowded = [{ placement: 'eu', why: 'tenants', measured: 4, threshold: 2 }]
    const thresholds = { tenants: 2 }
    expect(proposeMoves({ eu }, { thresholds })).toEqual({ moves: [], crowded })
    expect(proposeMoves({ eu, us: cluster('u', [], { level: 'schema' }) }, { thresholds })).toEqual({
      moves: [],
      crowded,
    })
    const some = proposeMoves({ eu, us: cluster('u', []) }, { placements: { eu: { tenants: 2 } }, limit: 1 })
    expect(some.moves).toHaveLength(1)
    expect(some.crowded).toMatchObject([{ placement: 'eu', measured: 3 }])
  })

  it('does not depend on the order of the clusters: one that gets lighter has room for those of another', () => {
    // Tenants of a fit into b alone, which is full itself until some of its own have gone to c.
    const a = cluster('a', [1, 1, 1], { relations: 50 })
    const b = cluster(
      'b',
      Array.from({ length: 10 }, () => 1),
      { relations: 1 },
    )
    const placements = { a: { tenants: 3 }, b: { tenants: 10 }, c: { relations: 20 } }
    for (const stats of [
      { a, b, c: cluster('c', []) },
      { c: cluster('c', []), b, a },
    ]) {
      const { moves, crowded } = proposeMoves(stats, { placements })
      expect(crowded).toEqual([])
      expect(moves.map(({ from, to }) => `${from}${to}`).sort()).toEqual(['ab', 'bc', 'bc'])
    }
  })

  it('is nobody who is being made, dropped or moved', () => {
    const stats = { eu: cluster('e', [1, 1], { status: 'moving' }), us: cluster('u', []) }
    expect(proposeMoves(stats, { placements: { eu: { tenants: 1 } } }).moves).toEqual([])
  })

  it.each([
    ['limit', { limit: 0 }],
    ['placements', { placements: { mars: {} } }],
    ['tenants', { thresholds: { tenants: -1 } }],
    ['storage', { placements: { eu: { storage: 2 } } }],
  ])('refuses %s', (option, options) => {
    expect(() => proposeMoves({ eu: cluster('e', []) }, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', details: expect.objectContaining({ option }) }),
    )
  })
})

it('whatever the sizes, nobody is proposed twice, nothing is lost, and no cluster is filled above what it can hold', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 400 * MB }), { maxLength: 30 })
  fc.assert(
    fc.property(sizes, sizes, sizes, fc.integer({ min: 1, max: 20 }), (a, b, c, most) => {
      const stats = { a: cluster('a', a), b: cluster('b', b), c: cluster('c', c) }
      const thresholds = { tenants: most, storageBytes: 3000 * MB, relations: 250 }
      const { moves, crowded } = proposeMoves(stats, { thresholds })
      expect(new Set(moves.map(({ tenant }) => tenant)).size).toBe(moves.length)
      const load = { a: [...a], b: [...b], c: [...c] }
      const there = { a: a.length, b: b.length, c: c.length }
      const bytes = { a: sum(load.a), b: sum(load.b), c: sum(load.c) }
      for (const { tenant, from, to, bytes: size } of moves) {
        const [source, target] = [from as 'a', to as 'a']
        expect(tenant.startsWith(source)).toBe(true)
        there[source]--
        there[target]++
        bytes[source] -= size ?? 0
        bytes[target] += size ?? 0
        expect(there[target]).toBeLessThanOrEqual(most)
        expect(bytes[target]).toBeLessThan(2400 * MB)
      }
      for (const { placement, why, measured } of crowded) {
        if (why === 'tenants') expect(measured).toBe(there[placement as 'a'])
      }
    }),
  )
})

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)
