import pg from 'pg'
import { type TestSealing, testSealing } from '../world/sealing.ts'
import { NOTES, type TenancyLike } from '../world/tenancy.ts'
import { type FileWorld, useTestTenancy } from './world.ts'

/** How tenants are kept apart; the isolation levels of `@org/pg-tenant`. */
export type TestLevel = 'schema' | 'role' | 'login' | 'database' | 'row'

/** Where level row keeps its tables unless told otherwise. */
const ROW_SCHEMA = 'app'

/** {@link NOTES} where tenants share the table: the same id, so that tests may name it. */
const SHARED_NOTES = {
  id: NOTES.id,
  sql: `create table notes (tenant_id text not null, id bigint generated always as identity, body text not null,
    primary key (tenant_id, id), unique (tenant_id, body))`,
} as const

/**
 * The table `notes`, as it is at that level.
 * @example
 * ```ts
 * // vitest
 * import { notesAt } from '@org/pg-testing/vitest'
 * import { expect, it } from 'vitest'
 *
 * it('has a column for the tenant where tenants share tables', () => {
 *   expect(notesAt('row').sql).toContain('tenant_id')
 * })
 * ```
 */
export const notesAt = (level: TestLevel): { readonly id: string; readonly sql: string } =>
  level === 'row' ? SHARED_NOTES : NOTES

/** A file's world in which there may be a tenancy of each level. */
export interface TestLevels<T extends TenancyLike, O> {
  readonly world: FileWorld<T, O>
  readonly sealing: TestSealing
  /** A tenancy on a direct pool of the application; closed with the file. Names differ from level to level. */
  tenancy(level: TestLevel, options?: Partial<O>): T
  schemaOf(level: TestLevel, key: string): string
  roleOf(level: TestLevel, key: string): string
  /** A superuser's query in the database that holds the tenant's schema. */
  rootAt(level: TestLevel, key: string, sql: string, values?: unknown[]): Promise<pg.QueryResult>
  /** The application's URL, never through a pooler. */
  readonly directUrl: string
}

/**
 * The file's world with an administrator that may create databases, still no superuser: for tests that are to hold at
 * every isolation level.
 * @param create `createTenancy` of `@org/pg-tenant`
 * @throws TestPostgresError as `startPostgres`
 * @example
 * ```ts
 * // vitest
 * import { createTenancy } from '@org/pg-tenant'
 * import { useTestLevels } from '@org/pg-testing/vitest'
 * import { expect, it } from 'vitest'
 *
 * const levels = useTestLevels(createTenancy)
 *
 * it.each(['role', 'row', 'database'] as const)('keeps notes at level %s', async (level) => {
 *   const tenancy = levels.tenancy(level)
 *   await tenancy.provision('acme')
 *   expect((await tenancy.query('acme', 'select * from notes')).rows).toEqual([])
 * })
 * ```
 */
export function useTestLevels<T extends TenancyLike, O extends object>(
  create: (options: O) => T,
): TestLevels<T, O> {
  const world = useTestTenancy(create, { createdb: true })
  const sealing = testSealing()
  let pool: pg.Pool | undefined
  // One for all tenancies of the file: there are many, and connections are few.
  const shared = () => {
    pool ??= world.pool({ connectionString: levels.directUrl, max: 6 })
    return pool
  }
  const levels: TestLevels<T, O> = {
    world,
    sealing,
    get directUrl() {
      return Object.assign(new URL(world.url), { username: world.appRole, password: 'app' }).href
    },
    schemaOf: (level, key) => (level === 'row' ? ROW_SCHEMA : `${level}_${key}`),
    roleOf: (level, key) => `${world.rolePrefix}${level}_${key}`,
    tenancy: (level, options = {}) => {
      const parts = {
        isolation: level,
        schemaPrefix: `${level}_`,
        rolePrefix: `${world.rolePrefix}${level}_`,
        pool: shared(),
        migrations: [notesAt(level)],
        ...(level === 'login' || level === 'database' ? { credentials: sealing } : {}),
      }
      return world.tenancy({ ...parts, ...options } as Partial<O> & typeof parts)
    },
    rootAt: async (level, key, sql, values = []) => {
      if (level !== 'database') return await world.root.query(sql, values)
      const url = Object.assign(new URL(world.url), { pathname: `/${levels.roleOf(level, key)}` })
      const client = new pg.Client(url.href)
      await client.connect()
      return await client.query(sql, values).finally(() => client.end())
    },
  }
  return levels
}
