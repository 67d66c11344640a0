import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'

// What each application starts from: a tenancy with two tenants, on a database of its own.

export { assert, test }
export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 8, allowExitOnIdle: true })
export const tenancy = createTenancy({ pool, rolePrefix: process.env.ROLE_PREFIX, migrations: [] })
export const [ACME, GLOBEX] = ['acme', 'globex']
for (const key of [ACME, GLOBEX]) await tenancy.provision(key)

export const times = (count, fn) => Promise.all(Array.from({ length: count }, (_, at) => fn(at)))
export const no = () => {
  throw new Error('no')
}
export async function end() {
  await tenancy.close()
  await pool.end()
}
