import type { Migration, TenantQueryable } from '@org/core'
import type { Tenancy } from '@org/pg-tenant'
import { beforeAll } from 'vitest'
import { settingsMigration } from '../../src/index.ts'
import { useWorld, type World } from './world.ts'

/** A world whose tenants have `app_settings`, and what else a test needs. */
export function useTenants(
  keys: readonly string[],
  more: readonly Migration[] = [],
): World & { readonly app: Tenancy } {
  const world = useWorld([])
  const made: { tenancy?: Tenancy } = {}
  beforeAll(async () => {
    made.tenancy = world.tenancy({ migrations: [settingsMigration, ...more] })
    for (const key of keys) await made.tenancy.provision(key)
  })
  return new Proxy(world as World & { readonly app: Tenancy }, {
    get: (target, name) => (name === 'app' ? made.tenancy : Reflect.get(target, name)),
  })
}

/** What is in the table, by SQL. */
export async function stored(world: World, tenant: string): Promise<Record<string, string>> {
  const { rows } = await world.root.query<{ key: string; value: string }>(
    `select key, value from "c_${tenant}".app_settings order by key`,
  )
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]))
}

/** A handle that counts the statements sent through it. */
export function counting(db: TenantQueryable): TenantQueryable & { readonly statements: () => number } {
  let statements = 0
  return {
    tenant: db.tenant,
    query: (text, values) => {
      statements++
      return db.query(text, values)
    },
    statements: () => statements,
  }
}

/** Holds the lock on one row of `app_settings` while `fn` runs, from a connection that is no scope's. */
export async function holding<T>(
  world: World,
  tenant: string,
  key: string,
  fn: () => Promise<T>,
): Promise<T> {
  const client = await world.root.connect()
  try {
    await client.query('begin')
    await client.query(`select 1 from "c_${tenant}".app_settings where key = $1 for update`, [key])
    return await fn()
  } finally {
    await client.query('rollback')
    client.release()
  }
}

/** Until so many sessions of the application wait for a lock. */
export function waiting(world: World, sessions: number): () => Promise<boolean> {
  return async () => {
    const { rows } = await world.root.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity
       where usename = $1 and datname = current_database() and wait_event_type = 'Lock'`,
      [world.appRole],
    )
    return rows[0]?.n === sessions
  }
}
