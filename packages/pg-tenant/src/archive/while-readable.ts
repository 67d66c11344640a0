import { withAdminPool } from '../admin/session.ts'
import { inAdminTransaction } from '../admin/transaction.ts'
import { traitsOf } from '../isolation/traits.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { setUsage } from '../lifecycle/tenant-schema.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import { type AdminClient, withAdminClient } from './client.ts'
import type { Place } from './place.ts'

// What somebody else owns that the tenant's role may not read, or not all of. $1 schema, $2 the tenant's role, $3 whose, $4 names that are
// not the tenant's.
const UNREADABLE = `select pg_catalog.format('grant select on %s %I.%I to %I',
    case c.relkind when 'S' then 'sequence' else 'table' end, n.nspname, c.relname, r.rolname) as grant,
    c.relrowsecurity as secured, pg_catalog.has_table_privilege(r.oid, c.oid, 'select') as granted
  from pg_catalog.pg_namespace n join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    join pg_catalog.pg_roles r on r.rolname = $2
  where n.nspname = $1 and c.relname <> all ($4) and c.relowner = (select a.oid from pg_catalog.pg_roles a where a.rolname = $3)
    and (c.relrowsecurity or not pg_catalog.has_table_privilege(r.oid, c.oid, 'select'))
  order by c.oid`

/** Grants in one transaction: each takes a lock. */
const BATCH = 50

/**
 * Runs `fn` while what the application or the administrator made at run time (level `schema`) can be read: each lets the tenant's role
 * read it, and the application reads by itself what has policies. Where the tenant is closed the application is shut out, too: then its schema is opened for
 * it behind a marker that no scope may use. Under the tenant's lock.
 */
export async function whileReadable<T>(
  admin: AdminClient,
  lifecycle: Lifecycle,
  { marker, ours, owner, schema }: Place,
  closed: boolean,
  fn: () => Promise<T>,
): Promise<T> {
  if (!traitsOf(lifecycle.level).separateOwner || owner === undefined || marker === undefined)
    return await fn()
  const application = await prepare(lifecycle)
  const [me] = await admin.run('select current_user::text as name')
  const mine = await admin.run(UNREADABLE, [schema, owner, me?.name, [...ours]])
  const own = mine.filter(({ granted }) => granted !== true).map((row) => String(row.grant))
  if (own.length > 0)
    await withAdminPool(lifecycle.adminPool, undefined, async (pool) => {
      for (const some of batches(own)) await inAdminTransaction(pool, (other) => other.run(some))
    })
  const rows = await admin.run(UNREADABLE, [schema, owner, application, [...ours]])
  if (rows.length === 0) return await fn()
  const grants = rows.filter(({ granted }) => granted !== true).map((row) => String(row.grant))
  const grant = async () => {
    if (grants.length > 0) await asApplication(lifecycle, admin.signal, grants)
  }
  if (!closed) {
    await grant()
    return await fn()
  }
  const toApplication = (allowed: boolean) =>
    withAdminPool(lifecycle.adminPool, undefined, (pool) =>
      inAdminTransaction(pool, async (own) => {
        const right = `select on ${marker}`
        const user = quoteIdentifier(application)
        await own.run(allowed ? `revoke ${right} from ${user}` : `grant ${right} to ${user}`)
        await setUsage(own, schema, [application], allowed)
      }),
    )
  try {
    await toApplication(true)
    await grant()
    return await fn()
  } finally {
    // On a connection of its own, whatever became of this one; what it still holds would be waited for.
    await admin.client.query('rollback').catch(() => {})
    await toApplication(false)
  }
}

async function asApplication(
  { pool }: Lifecycle,
  signal: AbortSignal | undefined,
  statements: readonly string[],
): Promise<void> {
  const run = async (app: AdminClient) => {
    for (const some of batches(statements))
      await app.run(`begin; set local search_path to ${OWN_PATH}; ${some}; commit`)
  }
  await withAdminClient(pool, run, signal)
}

function* batches(statements: readonly string[]): Generator<string> {
  for (let from = 0; from < statements.length; from += BATCH)
    yield statements.slice(from, from + BATCH).join('; ')
}
