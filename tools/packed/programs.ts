/** What an application does, in the forms that a project may have: with the packed packages, on a database of its own. */

const BODY = `
async function main({ createTenancy, pg }) {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
  const migrations = [{ id: '1', sql: 'create table notes (body text)' }]
  const tenancy = createTenancy({ pool, migrations, rolePrefix: process.env.ROLE_PREFIX })
  await tenancy.provision('packed')
  await tenancy.withTenant('packed', (db) => db.query('insert into notes values ($1)', ['hi']))
  const { rows } = await tenancy.query('packed', 'select body from notes')
  if (JSON.stringify(rows) !== '[{"body":"hi"}]') throw new Error(JSON.stringify(rows))
  const error = await tenancy.query('ghost', 'select 1').catch((caught) => caught)
  if (error.code !== 'SCHEMA_MISSING') throw error
  await tenancy.drop('packed')
  await tenancy.close()
  await pool.end()
}
`

export const ESM = `import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'
${BODY}
await main({ createTenancy, pg })
console.log('works')
`

export const COMMON_JS = `const { createTenancy } = require('@org/pg-tenant')
const pg = require('pg')
${BODY}
main({ createTenancy, pg }).then(() => console.log('works'), (error) => {
  console.error(error)
  process.exit(1)
})
`

/** Under Jest as the README of `@org/pg-testing` sets it. */
export const JEST = `import { test } from '@jest/globals'
import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'
${BODY}
test('a tenant has notes', () => main({ createTenancy, pg }))
`

/** Every package's names, as a TypeScript project sees them. */
export const TYPED = `import { currentTenant, type TenantKey } from '@org/core'
import { keyRing } from '@org/crypto'
import { createTenancy, type Tenancy, type TenantDb } from '@org/pg-tenant'
import { inspectArchive } from '@org/pg-tenant/admin'
import { defineCatalog } from '@org/rbac'
import pg from 'pg'

const tenancy: Tenancy = createTenancy({ pool: new pg.Pool(), migrations: [] })
const key: TenantKey = currentTenant()
export const count = async (db: TenantDb): Promise<number> =>
  (await db.query<{ n: number }>('select 1 as n')).rows[0]?.n ?? 0
export const notes: Promise<number> = tenancy.withTenant(key, count)
export { defineCatalog, inspectArchive, keyRing }
// @ts-expect-error there is no such option
createTenancy({ pool: new pg.Pool(), pol: 1 })
`
