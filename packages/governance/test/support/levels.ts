import { parseTenantKey, type TenantKey } from '@org/core'
import {
  createTenancy,
  type IsolationLevel,
  type Migration,
  type Tenancy,
  type TenancyOptions,
} from '@org/pg-tenant'
import { codeOf, eventually } from '@org/pg-testing'
import { notesAt, type TestLevels, useTestLevels } from '@org/pg-testing/vitest'
import pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import type { LevelOptions } from '../../src/levels/identity.ts'

export { codeOf, eventually }

export const LEVELS = ['schema', 'role', 'login', 'row', 'database'] as const
/**
 * Those of this set: the default set takes the ones named, `role`, `row` or `database`, which differ from file to file; the turn of
 * all the others is in the slow set. What governance keeps lies in one place at `schema`, `role` and `login`, where `role` stands for them.
 */
export const levelsInTurn = (...first: readonly (typeof LEVELS)[number][]) =>
  LEVELS.filter((level) => Boolean(process.env.TEST_SLOW) !== first.includes(level))
export const acme: TenantKey = parseTenantKey('acme')
export const globex: TenantKey = parseTenantKey('globex')

/** What an `install…` is told of a level. */
export type Installed = LevelOptions & { readonly readers: readonly string[] }

/** Two tenants at one level, with what governance keeps of them. */
export interface LevelWorld {
  readonly level: IsolationLevel
  readonly setting: TestLevels<Tenancy, TenancyOptions>
  readonly tenancy: Tenancy
  readonly options: Installed
  /** The administrator, in the database that holds the tenant. */
  admin(tenant: TenantKey): pg.Pool
  /** A superuser there. */
  root(tenant: TenantKey): pg.Pool
  /** The role that may read, there. */
  reader(tenant: TenantKey): pg.Pool
}

/** Runs `install` once in each database that holds tenants. */
export function useLevel(
  level: IsolationLevel,
  install: (admin: pg.Pool, options: Installed) => Promise<void>,
  migrations: readonly Migration[] = [],
): LevelWorld {
  const setting = useTestLevels(createTenancy)
  const pools = new Map<string, pg.Pool>()
  let tenancy: Tenancy | undefined
  const at = (tenant: TenantKey, base: string, user?: string): pg.Pool => {
    const url = new URL(base)
    if (level === 'database') url.pathname = `/${setting.roleOf(level, tenant)}`
    if (user !== undefined) [url.username, url.password] = [user, 'reader']
    const known = pools.get(url.href)
    if (known) return known
    const pool = new pg.Pool({ connectionString: url.href, max: 3, idleTimeoutMillis: 50 })
    pool.on('error', () => {})
    pools.set(url.href, pool)
    return pool
  }
  // Roles of this prefix are dropped with the file's world.
  const readerRole = () => `${setting.world.rolePrefix}reader`
  const world: LevelWorld = {
    level,
    setting,
    get tenancy() {
      return tenancy as Tenancy
    },
    get options() {
      return {
        isolation: level,
        schemaPrefix: `${level}_`,
        rolePrefix: `${setting.world.rolePrefix}${level}_`,
        application: setting.world.appRole,
        // Nobody but the tenant and the administrator may come into a tenant's database.
        readers: level === 'database' ? [] : [readerRole()],
      }
    },
    admin: (tenant) => at(tenant, setting.world.adminUrl),
    root: (tenant) => at(tenant, setting.world.url),
    reader: (tenant) =>
      level === 'database' ? at(tenant, setting.world.adminUrl) : at(tenant, setting.world.url, readerRole()),
  }
  beforeAll(async () => {
    await setting.world.root.query(`create role ${readerRole()} login password 'reader'`)
    tenancy = setting.tenancy(level, { migrations: [notesAt(level), ...migrations] })
    for (const tenant of [acme, globex]) {
      await tenancy.provision(tenant)
      await install(world.admin(tenant), world.options)
    }
  })
  afterAll(async () => {
    await Promise.all([...pools.values()].map((pool) => pool.end()))
  })
  return world
}

/**
 * Runs `work` until it has passed everything that is committed by now. Other tests run on the same server, and a transaction
 * of any of them holds back what stops at the oldest one: while there is one, that alone is asked.
 *
 * @param upto a query for the id that `work` has come up to
 */
export async function pass(admin: pg.Pool, upto: string, work: () => Promise<unknown>): Promise<void> {
  const { rows } = await admin.query<{ xid: string }>('select pg_current_xact_id()::text as xid')
  const now = BigInt(rows[0]?.xid ?? 0)
  await eventually(async () => {
    const horizon = 'select pg_snapshot_xmin(pg_current_snapshot())::text as xid'
    const oldest = BigInt((await admin.query<{ xid: string }>(horizon)).rows[0]?.xid ?? 0)
    if (oldest <= now) return false
    await work()
    return upto === '' || BigInt((await admin.query<{ xid: string }>(upto)).rows[0]?.xid ?? 0) >= now
  })
}
