import { TenancyError } from '@org/core'
import { traitsOf } from '../isolation/traits.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from './client.ts'
import type { ArchivedTable } from './format/manifest.ts'
import { actAsOwner, type Place } from './place.ts'
import type { Found, Visit } from './visit.ts'

/** Who reads a table: an administrator who is no superuser reads only what belongs to a role it may take. */
export interface TableReader {
  readonly client: AdminClient
  /** The role it takes; `none` for its own. */
  readonly role: string
  /** Whether the owner's own policies would hide rows (FORCE ROW LEVEL SECURITY) and have to be lifted. */
  readonly forced: boolean
}

export type Readers = (table: string) => TableReader

// $1 schema, $2 the tenant's role or '', $3 the application's.
const OWNERS = `select c.relname as name, pg_get_userbyid(c.relowner)::text as owner, c.relrowsecurity as secured,
    c.relrowsecurity and c.relforcerowsecurity as forced,
    coalesce((select has_table_privilege(r.oid, c.oid, 'select') from pg_roles r where r.rolname = $2), false) as tenant,
    has_table_privilege(c.oid, 'select') as admin, session_user::text as me,
    coalesce((select has_table_privilege(r.oid, c.oid, 'select') from pg_roles r where r.rolname = $3), false) as application
  from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p') where n.nspname = $1`

interface Owner {
  readonly name: string
  readonly owner: string
  readonly secured: boolean
  readonly forced: boolean
  readonly tenant: boolean
  readonly admin: boolean
  readonly application: boolean
  readonly me: string
}

/**
 * Runs `fn` with who reads which table. What the application made at level `schema` is read by the application, in the
 * same snapshot.
 *
 * @throws TenancyError CONFLICT when a table belongs to somebody whose role nobody here may take
 */
export async function withReaders<T>(
  { application, home }: Found,
  { lifecycle: { level, pool }, place }: Visit,
  fn: (readers: Readers) => Promise<T>,
): Promise<T> {
  const { owner: own, schema } = place
  if (place.tenantColumn !== undefined) {
    await actAsOwner(home, place)
    return await fn(() => ownerOf(home, place))
  }
  const rows = (await home.run(OWNERS, [schema, own ?? '', application])) as unknown as Owner[]
  const reading = traitsOf(level).ownerApart ? application : undefined
  const chosen = new Map(rows.map((row) => [row.name, choose(row, own, reading)]))
  const readers = (app: AdminClient | undefined): Readers => {
    return (table) => {
      const { by = 'nobody', forced = false } = chosen.get(table) ?? {}
      if (by === 'application' && app) return { client: app, role: 'none', forced }
      if (by === 'tenant' && own !== undefined) return { client: home, role: quoteIdentifier(own), forced }
      if (by === 'administrator') return { client: home, role: 'none', forced }
      throw unreadable(table, rows.find(({ name }) => name === table)?.owner)
    }
  }
  if (![...chosen.values()].some(({ by }) => by === 'application')) return await fn(readers(undefined))
  const [exported] = await home.run('select pg_export_snapshot() as snapshot')
  const asApplication = async (app: AdminClient) => {
    await begin(app, 'repeatable read read write')
    await app.run(`set transaction snapshot '${String(exported?.snapshot)}'`)
    await pinSettings(app)
    return await fn(readers(app))
  }
  return await withAdminClient(pool, asApplication, home.signal)
}

function choose(
  { owner, secured, forced, tenant, admin, application, me }: Owner,
  own: string | undefined,
  app: string | undefined,
): { by: 'tenant' | 'administrator' | 'application' | 'nobody'; forced: boolean } {
  // The owner alone is not bound by policies, and may lift them where it is.
  if (owner === own) return { by: 'tenant', forced }
  if (tenant && !secured) return { by: 'tenant', forced: false }
  if (owner === me) return { by: 'administrator', forced }
  if (owner === app) return { by: 'application', forced }
  if (secured) return { by: 'nobody', forced }
  if (admin) return { by: 'administrator', forced: false }
  return { by: application && app !== undefined ? 'application' : 'nobody', forced: false }
}

/**
 * Runs `fn` with the right to COPY one table under the tenant's path (values of `regclass` are written as they read
 * there). COPY of a table is no query: it looks for no operator, and output functions are PostgreSQL's own. In a savepoint
 * that is rolled back, which frees its locks: a tenant with thousands of tables does not exhaust the server's lock table
 * (`max_locks_per_transaction`), and lifted policies are in force again.
 *
 * @param check what has to be so when the table is locked, before its policies are lifted
 */
export async function asReader(
  { client, role, forced }: TableReader,
  { schema, searchPath }: Place,
  table: Pick<ArchivedTable, 'name'>,
  fn: (client: AdminClient) => Promise<void>,
  check?: (client: AdminClient) => Promise<void>,
): Promise<void> {
  const name = qualify(schema, table.name)
  await client.run(
    `savepoint one_table; set local role ${role}; lock table only ${name} in access share mode`,
  )
  await check?.(client)
  if (forced) await client.run(`alter table only ${name} no force row level security`)
  await client.run(`set local search_path to ${searchPath}`)
  await fn(client)
  // Role and path go back with it.
  await client.run('rollback to savepoint one_table; release savepoint one_table')
}

/** Who reads tables that a restore has just made. */
export function ownerOf(client: AdminClient, { owner }: Place): TableReader {
  return { client, role: owner === undefined ? 'none' : quoteIdentifier(owner), forced: false }
}

function unreadable(table: string, owner: string | undefined): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'A table in the tenant’s schema belongs to another role and cannot be read by the tenant’s role or the administrator. ' +
      'Nothing was kept. Run as its owner: ALTER TABLE … OWNER TO the tenant’s role, or GRANT SELECT on it (and, where it has ' +
      'row-level security, change its owner).',
    { details: { reason: 'owner', table, owner: owner ?? null } },
  )
}
