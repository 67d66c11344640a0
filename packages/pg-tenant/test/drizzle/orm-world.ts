import type pg from 'pg'
import { beforeAll } from 'vitest'
import { drizzle, type TenantDatabase } from '../../src/drizzle/index.ts'
import type { ScopeOptions, Tenancy, TenancyOptions, TenantDb } from '../../src/index.ts'
import { useWorld, type World } from '../support/world.ts'
import { MIGRATIONS, type Schema, schema } from './schema.ts'

/** Runs `fn` with Drizzle over a scope of `key`; `db` is the handle itself. */
export type InTenant = <T>(
  key: string,
  fn: (orm: TenantDatabase<Schema>, db: TenantDb) => Promise<T>,
  options?: ScopeOptions,
) => Promise<T>

export interface OrmWorld {
  readonly world: World
  readonly inTenant: InTenant
  readonly tenancy: (options?: Partial<TenancyOptions>) => Tenancy
}

/** A world whose tenants `acme` and `globex` have the tables of the Drizzle schema, both empty. */
export function useOrmWorld(): OrmWorld {
  const world = useWorld([])
  const tenancy = (options: Partial<TenancyOptions> = {}) =>
    world.tenancy({ migrations: MIGRATIONS, ...options })
  let shared: Tenancy
  beforeAll(async () => {
    shared = tenancy()
    for (const key of ['acme', 'globex']) await shared.provision(key)
  })
  return {
    world,
    tenancy,
    inTenant: (key, fn, options) => shared.withTenant(key, (db) => fn(drizzle(db, { schema }), db), options),
  }
}

/** The helper everyone writes first, on which the attacks must succeed. */
export async function obviousWithTenant<T>(
  pool: pg.Pool,
  key: string,
  fn: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query(`set local search_path to "c_${key}", public`)
    const value = await fn(client)
    await client.query('commit')
    return value
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}
