import type { Tenancy } from '@org/pg-tenant'
import pg from 'pg'
import { atOnce } from './at-once.ts'
import type { Claims } from './claims.ts'
import { line, mark } from './print.ts'

const READS = 200
const AT_A_TIME = 25
const WHOSE = 'select body from notes order by id limit 1'

type Read = (tenant: string) => Promise<readonly { body: string }[]>

/**
 * The helper many write by hand. Between its two lines the pool may hand out another connection, or somebody else
 * may set the path of this one.
 */
function obviousHelper(pool: pg.Pool): Read {
  return async (tenant) => {
    await pool.query(`set search_path to "c_${tenant}", public`)
    return (await pool.query<{ body: string }>(WHOSE)).rows
  }
}

/** The same reads by the hand-written helper and by the library, each on as many connections. */
export async function showObviousHelper(
  superuserUrl: string,
  connections: number,
  tenancy: Tenancy,
  tenants: readonly string[],
  claims: Claims,
): Promise<void> {
  // Such helpers need a role that may read every tenant; with the API's own role they read nothing at all.
  const pool = new pg.Pool({ connectionString: superuserUrl, max: connections })
  const leaked = await countForeign(tenants, obviousHelper(pool)).finally(() => pool.end())
  const ours = await countForeign(
    tenants,
    async (tenant) => (await tenancy.query<{ body: string }>(tenant, WHOSE)).rows,
  )
  line(
    `${mark(false)} hand-written SET search_path on a pool: ${leaked} of ${READS} reads saw the other tenant's rows`,
  )
  line(`${mark(ours === 0)} tenancy.query, as many connections:      ${ours} of ${READS}`)
  line()
  claims.check(leaked > 0 && ours === 0, 'the hand-written helper leaks, the scope does not')
}

async function countForeign(tenants: readonly string[], read: Read): Promise<number> {
  let foreign = 0
  await atOnce([...Array(READS).keys()], AT_A_TIME, async (at) => {
    const tenant = tenants[at % tenants.length] ?? ''
    const [first] = await read(tenant)
    if (!first?.body.startsWith(tenant)) foreign++
  })
  return foreign
}
