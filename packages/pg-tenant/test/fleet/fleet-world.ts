import pg from 'pg'
import { watchPool } from '../../src/driver/memory.ts'
import type { Migration } from '../../src/index.ts'
import { parseNaming } from '../../src/isolation/names.ts'
import { roleLevel } from '../../src/lifecycle/levels/role.ts'
import { schemaLevel } from '../../src/lifecycle/levels/schema.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { parseMigrations } from '../../src/migrations/migrations.ts'
import { NOTES, type World } from '../support/world.ts'

/** A second migration that most tests apply. */
export const EXTRA: Migration = {
  id: '0002_extra',
  sql: 'alter table notes add column extra text;\ncreate index idx_notes_extra on notes (extra)',
}

/** The same facts createTenancy hands to the fleet. */
export function lifecycleOf(
  world: World,
  migrations: readonly Migration[],
  options: { level?: 'schema' | 'role'; schemaPrefix?: string; adminPool?: pg.Pool; pool?: pg.Pool } = {},
): Lifecycle {
  const { level = 'role', schemaPrefix = 'c_', adminPool = world.admin, pool = world.pool() } = options
  watchPool(adminPool)
  return {
    level,
    ofLevel: level === 'schema' ? schemaLevel : roleLevel,
    naming: parseNaming({ schemaPrefix, rolePrefix: world.rolePrefix }),
    pool,
    adminPool,
    registry: { controlSchema: 'tenancy', prefix: schemaPrefix },
    migrations: parseMigrations(migrations),
  }
}

/** A pool of the administrator that counts what it is asked. */
export function countingPool(world: World, max = 4): { pool: pg.Pool; queries: string[] } {
  const pool = new pg.Pool({ connectionString: world.adminUrl, max })
  const queries: string[] = []
  pool.on('connect', (client) => {
    const { query } = client
    client.query = ((...args: [unknown]) => {
      const [what] = args
      queries.push(typeof what === 'string' ? what : 'message')
      return (query as (...all: unknown[]) => unknown).apply(client, args)
    }) as typeof client.query
  })
  return { pool, queries }
}

export const keysOf = (count: number, prefix = 't'): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${String(at).padStart(4, '0')}`)

/** Provisions tenants, a few at once. */
export async function provisionMany(world: World, keys: readonly string[], options = {}): Promise<void> {
  const tenancy = world.tenancy({ migrations: [NOTES], ...options })
  const left = [...keys]
  const lane = async () => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) await tenancy.provision(key)
  }
  await Promise.all([lane(), lane(), lane()])
}

/** Ids in the ledger of a tenant's own schema and in that of the registry, which must agree. */
export async function ledgersOf(world: World, key: string, prefix = 'c_'): Promise<string[]> {
  const own = await world.root.query<{ id: string }>(
    `select id from "${prefix}${key}"._tenant_migration order by id`,
  )
  const central = await world.root.query<{ id: string }>(
    'select id from tenancy.tenant_migration where prefix = $1 and key = $2 order by id',
    [prefix, key],
  )
  const [mine, theirs] = [own.rows.map(({ id }) => id), central.rows.map(({ id }) => id)]
  if (mine.join() !== theirs.join()) throw new Error(`ledgers of ${key} differ: ${mine} and ${theirs}`)
  return mine
}
