import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'
import type { Place } from '../contenders/scope.ts'
import { CREATE_NOTES, CREATE_SHARED_NOTES, FILL_SHARED_NOTES } from '../contenders/statement.ts'
import type { Bench } from '../server.ts'

export type Tenants = Place & { readonly adminUrl: string; drop(): Promise<void> }

/** Provisions the same tenants at both levels, in one database. */
export async function provisionTenants(bench: Bench, count: number): Promise<Tenants> {
  const { applicationUrl, adminUrl, drop } = await bench.database()
  const pool = new pg.Pool({ connectionString: applicationUrl, max: 1 })
  const adminPool = new pg.Pool({ connectionString: adminUrl, max: 1 })
  const keys = Array.from({ length: count }, (_, at) => `t${at + 1}`)
  const [rolePrefix, schemaPrefix] = [bench.prefix('r'), bench.prefix('s')]
  const migrations = [{ id: '0001_notes', sql: CREATE_NOTES }]
  for (const isolation of ['role', 'schema'] as const) {
    const prefix = isolation === 'role' ? rolePrefix : schemaPrefix
    const tenancy = createTenancy({
      pool,
      adminPool,
      isolation,
      schemaPrefix: prefix,
      rolePrefix: prefix,
      migrations,
    })
    for (const key of keys) await tenancy.provision(key)
  }
  const row = { schemaPrefix: bench.prefix('w'), schema: 'shop' }
  const shared = createTenancy({
    pool,
    adminPool,
    isolation: 'row',
    schemaPrefix: row.schemaPrefix,
    row: { schema: row.schema },
    migrations: [{ id: '0001_notes', sql: CREATE_SHARED_NOTES }],
  })
  for (const key of keys) {
    await shared.provision(key)
    await shared.query(key, FILL_SHARED_NOTES)
  }
  await adminPool.query('vacuum analyze')
  await adminPool.query(settingsOf(bench.role))
  await Promise.all([pool.end(), adminPool.end()])
  return { url: applicationUrl, adminUrl, keys, rolePrefix, schemaPrefix, row, drop }
}

/** As the README makes the application's role: with what scopes would set. */
const settingsOf = (role: string) => `
  do $$ begin
    execute format('alter role ${role} in database %I set statement_timeout = ''30s''', current_database());
    execute format('alter role ${role} in database %I set lock_timeout = ''10s''', current_database());
    execute format('alter role ${role} in database %I set idle_in_transaction_session_timeout = ''60s''', current_database());
    execute format('alter role ${role} in database %I set synchronous_commit = ''on''', current_database());
    execute format('alter role ${role} in database %I set default_transaction_isolation = ''read committed''', current_database());
    execute format('alter role ${role} in database %I set default_transaction_read_only = ''off''', current_database());
  end $$`
