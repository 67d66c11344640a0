import type pg from 'pg'
import { type TestWorld, type TestWorldOptions, testWorld } from './world.ts'

/** What {@link testTenancy} needs of a tenancy; `createTenancy` of `@org/pg-tenant` makes one. */
export interface TenancyLike {
  provision(key: string): Promise<unknown>
  close(): Promise<unknown>
}

/** What it gives to whatever makes the tenancy. */
export interface TenancyParts {
  readonly pool: pg.Pool
  readonly adminPool: pg.Pool
  readonly rolePrefix: string
  readonly migrations: readonly { readonly id: string; readonly sql: string }[]
}

/** A table for tests that need some table; `body` is unique so that a violation is easy to cause. */
export const NOTES = {
  id: '0001_notes',
  sql: 'create table notes (id bigint generated always as identity primary key, body text unique not null)',
} as const

/** Options of {@link testTenancy}. */
export interface TestTenancyOptions<O> extends TestWorldOptions {
  /** keys that are provisioned at once (default none) */
  readonly tenants?: readonly string[] | undefined
  /** options of the tenancy; `pool`, `adminPool`, `rolePrefix` and `migrations` (the table `notes`) are there already */
  readonly options?: Partial<O> | undefined
}

/** A world with a tenancy in it. */
export interface TestTenancy<T extends TenancyLike, O> extends TestWorld {
  readonly tenancy: T
  /** Another tenancy in the same database; closed with the world. */
  open(options?: Partial<O>): T
}

/**
 * A tenancy on a real, empty database, with roles and pools, in one line: for `node:test`, vitest and scripts.
 * @param create `createTenancy` of `@org/pg-tenant`
 * @throws TestPostgresError as `startPostgres`, and what `create` and `provision` throw
 * @example
 * ```ts
 * import { createTenancy } from '@org/pg-tenant'
 * import { testTenancy } from '@org/pg-testing'
 *
 * const { tenancy, close } = await testTenancy(createTenancy, { tenants: ['acme'] })
 * await tenancy.query('acme', 'insert into notes (body) values ($1)', ['hi'])
 * await close() // ends the pools, drops the database and every role
 * ```
 */
export async function testTenancy<T extends TenancyLike, O extends object>(
  create: (options: O) => T,
  { tenants = [], options = {}, ...place }: TestTenancyOptions<O> = {},
): Promise<TestTenancy<T, O>> {
  const world = await testWorld(place)
  const opened: T[] = []
  const open = (more: Partial<O> = {}): T => {
    const given: Partial<O> & Partial<TenancyParts> = { ...options, ...more }
    const { admin: adminPool, rolePrefix } = world
    const parts: TenancyParts = {
      pool: given.pool ?? world.pool(),
      adminPool,
      rolePrefix,
      migrations: [NOTES],
    }
    const made = create({ ...parts, ...given } as O & TenancyParts)
    opened.push(made)
    return made
  }
  const close = async () => {
    await Promise.all(opened.splice(0).map((tenancy) => tenancy.close()))
    await world.close()
  }
  try {
    const tenancy = open()
    for (const key of tenants) await tenancy.provision(key)
    return { ...world, tenancy, open, close }
  } catch (error) {
    await close()
    throw error
  }
}
