import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Migration, TenantKey } from '@org/core'
import type { PoolClient } from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { keyFor, parseNaming } from '../../src/isolation/names.ts'
import { roleLevel } from '../../src/lifecycle/levels/role.ts'
import { schemaLevel } from '../../src/lifecycle/levels/schema.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { provision } from '../../src/lifecycle/provision.ts'
import { parseMigrations } from '../../src/migrations/migrations.ts'
import { NOTES, type World } from '../support/world.ts'

/** What createTenancy would make of these options, for the functions it will call. */
export function lifecycleOf(
  world: World,
  options: {
    migrations?: readonly Migration[]
    level?: 'role' | 'schema'
    schemaPrefix?: string
    controlSchema?: string
  } = {},
): Lifecycle {
  const { migrations = [NOTES], level = 'role', schemaPrefix = 'c_', controlSchema = 'tenancy' } = options
  const naming = parseNaming({ schemaPrefix, rolePrefix: world.rolePrefix })
  return {
    level,
    ofLevel: level === 'schema' ? schemaLevel : roleLevel,
    naming,
    pool: world.pool({ max: 2 }),
    adminPool: world.admin,
    migrations: parseMigrations(migrations),
    registry: { controlSchema, prefix: schemaPrefix },
  }
}

export const keyOf = (lifecycle: Lifecycle, key: string): TenantKey => keyFor(lifecycle.naming, key)

export async function provisioned(lifecycle: Lifecycle, key: string): Promise<TenantKey> {
  const tenant = keyOf(lifecycle, key)
  await provision(lifecycle, tenant)
  return tenant
}

/** A folder of the test file's own; `path('x')` is a file in it. */
/** The administrator's pool, which says in `heard` what the server says and waits for `before` each statement. */
export function watchedPool(
  pool: Lifecycle['adminPool'],
  heard: string[],
  before: (sql: string) => Promise<void>,
): Lifecycle['adminPool'] {
  const watch = (client: PoolClient): PoolClient => {
    client.on('notice', ({ message }) => heard.push(String(message)))
    return new Proxy(client, {
      get: (one, key) => {
        const value = Reflect.get(one, key)
        if (key !== 'query') return typeof value === 'function' ? value.bind(one) : value
        return async (...values: unknown[]) => {
          await before(String(values[0]))
          return Reflect.apply(value, one, values)
        }
      },
    })
  }
  return new Proxy(pool, {
    get: (one, name) => {
      const value = Reflect.get(one, name)
      if (name !== 'connect') return typeof value === 'function' ? value.bind(one) : value
      return async () => watch((await one.connect()) as unknown as PoolClient)
    },
  })
}

export function useFolder(): { path(name: string): string } {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pg-tenant-backup-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))
  return { path: (name) => join(folder, name) }
}
