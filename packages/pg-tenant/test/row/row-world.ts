import type { Migration, TenantKey } from '@org/core'
import { watchPool } from '../../src/driver/memory.ts'
import type { PoolLike } from '../../src/driver/types.ts'
import type { TenantDb } from '../../src/index.ts'
import { keyFor, parseControlSchema, parseNaming } from '../../src/isolation/names.ts'
import { parseRowPlace, ROW, type RowOptions, rowIsolation } from '../../src/isolation/row.ts'
import { drop } from '../../src/lifecycle/drop.ts'
import { rowLevel } from '../../src/lifecycle/levels/row/level.ts'
import type { RowLifecycle } from '../../src/lifecycle/levels/row/lifecycle.ts'
import { migrateRow } from '../../src/lifecycle/levels/row/prepare.ts'
import { type ProvisionOptions, provision } from '../../src/lifecycle/provision.ts'
import { resume, suspend } from '../../src/lifecycle/suspend.ts'
import { parseMigrations } from '../../src/migrations/migrations.ts'
import { explained } from '../../src/registry/explain.ts'
import { DEFAULTS, parseScopeOptions, type ScopeOptions } from '../../src/scope/options.ts'
import { runOneShot, runScope } from '../../src/scope/run-scope.ts'
import { toStatement } from '../../src/scope/statement.ts'
import type { World } from '../support/world.ts'

export const NOTES: Migration = {
  id: '0001_notes',
  sql: `create table notes (
    tenant_id text not null,
    id bigint generated always as identity,
    body text not null,
    primary key (tenant_id, id),
    unique (tenant_id, body)
  )`,
}

export interface RowWorldOptions {
  readonly pool?: PoolLike
  readonly adminPool?: PoolLike
  readonly migrations?: readonly Migration[]
  readonly schemaPrefix?: string
  readonly controlSchema?: string
  readonly row?: RowOptions
}

/** A connection costs more than most tests: whoever needs one of another process brings a pool. */
const pools = new WeakMap<World, PoolLike>()
function poolOf(world: World): PoolLike {
  const pool = pools.get(world) ?? world.pool({ max: 8 })
  pools.set(world, pool)
  return pool
}

/** A tenancy of level row, put together by hand as createTenancy does it. */
export function rowTenancy(world: World, options: RowWorldOptions = {}) {
  const pool = options.pool ?? poolOf(world)
  watchPool(pool)
  const naming = parseNaming(options.schemaPrefix === undefined ? {} : { schemaPrefix: options.schemaPrefix })
  const registry = { controlSchema: parseControlSchema(options.controlSchema), prefix: naming.schemaPrefix }
  const row = parseRowPlace(options.row)
  const lifecycle: RowLifecycle = {
    level: ROW,
    ofLevel: rowLevel(row),
    naming,
    pool,
    adminPool: options.adminPool ?? world.admin,
    registry,
    migrations: parseMigrations(options.migrations ?? [NOTES]),
    row,
  }
  const isolation = rowIsolation(pool, naming, row)
  const identity = {}
  const scoped = <T>(tenant: TenantKey, run: () => Promise<T>): Promise<T> =>
    run().catch(async (error: unknown) => {
      throw await explained(error, pool, registry, tenant)
    })
  return {
    lifecycle,
    isolation,
    provision: (key: string, facts?: ProvisionOptions) => provision(lifecycle, keyFor(naming, key), facts),
    suspend: (key: string, reason?: string) => suspend(lifecycle, keyFor(naming, key), reason ?? null),
    resume: (key: string) => resume(lifecycle, keyFor(naming, key)),
    migrate: () => migrateRow(lifecycle),
    drop: (key: string) => drop(lifecycle, keyFor(naming, key)),
    query: async <R extends object = Record<string, unknown>>(
      key: string,
      text: string,
      values: readonly unknown[] = [],
      options?: ScopeOptions,
    ) => {
      const tenant = keyFor(naming, key)
      const settings = parseScopeOptions(options, DEFAULTS)
      return scoped(tenant, () => runOneShot<R>(isolation, tenant, toStatement(text, values), settings))
    },
    withTenant: async <T>(key: string, fn: (db: TenantDb) => Promise<T>, options?: ScopeOptions) => {
      const tenant = keyFor(naming, key)
      const settings = parseScopeOptions(options, DEFAULTS)
      return scoped(tenant, () => runScope(identity, isolation, tenant, fn, settings))
    },
  }
}

export type RowTenancy = ReturnType<typeof rowTenancy>
