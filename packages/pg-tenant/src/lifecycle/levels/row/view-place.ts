import { createHash } from 'node:crypto'
import type { Admin } from '../../../admin/transaction.ts'
import type { Naming } from '../../../isolation/names.ts'
import type { RowPlace } from '../../../isolation/row.ts'

/** Where the views for tenants' own roles are, and the two roles behind them. */
export interface ViewPlace {
  readonly schema: string
  /** Owns the views and may read the shared tables, as far as its own policies let it; nobody logs in as it. */
  readonly owner: string
  /** What the names of tenants' roles begin with. */
  readonly rolePrefix: string
  /** What tenants' roles are members of: it may read the views and nothing else. */
  readonly readers: string
  /**
   * SQL for the key of the tenant whose role runs the statement. `current_user` stays who it is in a view, whoever owns the
   * view; no setting has a say in it.
   */
  readonly reader: string
}

/** Policies of {@link ViewPlace.owner} on each shared table: one lets the tenant's rows through, one nothing else. */
export const VIEW_POLICIES = { tenant_views: 'permissive', tenant_views_only: 'restrictive' } as const

/**
 * The place, if the tenancy has views. Roles belong to the server: their names hold a digest of the database and the
 * schema, so that no role of another database is ever given rights here.
 */
export async function viewPlaceOf(
  admin: Pick<Admin, 'run'>,
  { rolePrefix }: Naming,
  { schema, views }: RowPlace,
): Promise<ViewPlace | undefined> {
  if (views === undefined) return undefined
  return {
    schema: views,
    ...(await viewRolesOf(admin, rolePrefix, schema)),
    rolePrefix,
    reader: readerOf(rolePrefix),
  }
}

/** The names of the two roles; no key of a tenant begins with `_`. */
export async function viewRolesOf(
  admin: Pick<Admin, 'run'>,
  rolePrefix: string,
  schema: string,
): Promise<Pick<ViewPlace, 'owner' | 'readers'>> {
  const [row] = await admin.run('select oid::text as oid from pg_database where datname = current_database()')
  const digest = createHash('sha256').update(`${row?.oid} ${schema}`).digest('hex').slice(0, 10)
  return { owner: `${rolePrefix}_v${digest}`, readers: `${rolePrefix}_r${digest}` }
}

// A prefix holds no quote (parsePrefix).
const readerOf = (prefix: string) =>
  `case when starts_with(current_user::text, '${prefix}') then substr(current_user::text, ${prefix.length + 1}) end`

/** The server writes the branch that was left out, and names the column of the sub-select. */
export const asWritten = (reader: string): string => `${reader.replace(/ end$/, ' else null end')} as case`
