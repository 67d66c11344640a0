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
  /** Whether the owner has taken the right to read it back from itself. */
  readonly denied: boolean
  /** Whether a query over it may be planned; where it may not, {@link mayPlan} asks. */
  readonly plans: boolean
}

export type Readers = (table: string) => TableReader

// $1 schema, $2 the tenant's role or '', $3 the application's.
const OWNERS = `select c.relname as name, pg_get_userbyid(c.relowner)::text as owner, c.relrowsecurity as secured,
    c.relrowsecurity and c.relforcerowsecurity as forced,
    coalesce((select has_table_privilege(r.oid, c.oid, 'select') from pg_roles r where r.rolname = $2), false) as tenant,
    has_table_privilege(c.oid, 'select') as admin, not has_table_privilege(c.relowner, c.oid, 'select') as denied, session_user::text as me,
    coalesce((select has_table_privilege(r.oid, c.oid, 'select') from pg_roles r where r.rolname = $3), false) as application
  from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p') where n.nspname = $1`

interface Owner {
  readonly name: string
  readonly owner: string
  readonly secured: boolean
  readonly forced: boolean
  readonly denied: boolean
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
  const rows = await home.run<Owner>(OWNERS, [schema, own ?? '', application])
  const reading = traitsOf(level).separateOwner ? application : undefined
  const chosen = new Map(rows.map((row) => [row.name, choose(row, own, reading)]))
  const readers = (app: AdminClient | undefined): Readers => {
    return (table) => {
      const { by = 'nobody', forced = false, denied = false } = chosen.get(table) ?? {}
      if (by === 'application' && app) return { client: app, role: 'none', forced, denied, plans: true }
      if (by === 'tenant' && own !== undefined)
        return { client: home, role: quoteIdentifier(own), forced, denied, plans: true }
      if (by === 'administrator') return { client: home, role: 'none', forced, denied, plans: false }
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

interface Choice {
  readonly by: 'tenant' | 'administrator' | 'application' | 'nobody'
  readonly forced: boolean
  readonly denied: boolean
}

function choose(
  { owner, secured, forced, denied, tenant, admin, application, me }: Owner,
  own: string | undefined,
  app: string | undefined,
): Choice {
  // The owner alone is not bound by policies, and may lift them where it is; so with rights that it took from itself.
  if (owner === own) return { by: 'tenant', forced, denied }
  if (tenant && !secured) return { by: 'tenant', forced: false, denied: false }
  if (owner === me) return { by: 'administrator', forced, denied }
  if (owner === app) return { by: 'application', forced, denied }
  if (secured) return { by: 'nobody', forced, denied }
  if (admin) return { by: 'administrator', forced: false, denied: false }
  return { by: application && app !== undefined ? 'application' : 'nobody', forced: false, denied: false }
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
  { client, role, forced, denied }: TableReader,
  { schema, searchPath }: Place,
  table: Pick<ArchivedTable, 'name'>,
  fn: (client: AdminClient) => Promise<void>,
  check?: (client: AdminClient) => Promise<void>,
): Promise<void> {
  const name = qualify(schema, table.name)
  const granted = denied ? `grant select on table ${name} to current_user; ` : ''
  await client.run(
    `savepoint one_table; set local role ${role}; ${granted}lock table only ${name} in access share mode`,
  )
  await check?.(client)
  if (forced) await client.run(`alter table only ${name} no force row level security`)
  await client.run(`set local search_path to ${searchPath}`)
  await fn(client)
  // Role and path go back with it.
  await client.run('rollback to savepoint one_table; release savepoint one_table')
}

// $1 the table, qualified. Under the tenant's path. The snapshot may be old: what has the name now must be what had it then.
const OWN = `select from pg_catalog.pg_class c join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) c.relowner
  where c.oid operator(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid
    and r.rolname operator(pg_catalog.=) session_user and c.relkind operator(pg_catalog.=) 'r'::pg_catalog."char"`

/**
 * Whether a query over a table that {@link asReader} holds may be planned. Planning runs what the table's owner has written (index
 * expressions): the administrator plans over tables of its own alone, whoever else had the right to make some in the schema. COPY of a
 * table is no query.
 */
export async function mayPlan(
  { client, plans }: TableReader,
  { schema }: Place,
  table: string,
): Promise<boolean> {
  // guard: x: the administrator plans nothing over tables of others
  if (!plans) return (await client.run(OWN, [qualify(schema, table)])).length > 0
  return true
}

/** Who reads tables that a restore has just made. */
export function ownerOf(client: AdminClient, { owner }: Place): TableReader {
  const role = owner === undefined ? 'none' : quoteIdentifier(owner)
  return { client, role, forced: false, denied: false, plans: true }
}

export function unreadable(table: string, owner?: string): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'A table in the tenant’s schema belongs to another role and cannot be read by the tenant’s role or the administrator. ' +
      'Nothing was kept. Run as its owner: ALTER TABLE … OWNER TO the tenant’s role, or GRANT SELECT on it to that role (and, where it has ' +
      'row-level security, change its owner).',
    { details: { reason: 'owner', table, owner: owner ?? null } },
  )
}
