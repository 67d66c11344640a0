import type { Queryable } from '@org/core'
import { type CatalogDiff, type CatalogEntryRef, diffCatalog } from '../catalog/diff.ts'
import type { Catalog } from '../catalog/model.ts'
import { type CatalogRows, catalogRows } from '../catalog/rows.ts'

/** What {@link RbacStore.syncCatalog} did. */
export interface SyncReport extends CatalogDiff {
  /** Of the removed, those that tenants still have (packages) or were singled out for (overrides). */
  readonly removedButGranted: readonly (CatalogEntryRef & { readonly tenants: number })[]
}

const HELD = (schema: string) => `select 'package' as entity, package_key as key, count(*)::int as tenants
    from ${schema}.tenant_package where package_key = any ($1) group by package_key
  union all
  select 'tool', tool_key, count(distinct tenant)::int
    from ${schema}.tenant_tool_override where tool_key = any ($2) group by tool_key
  union all
  select 'action', coalesce(o.action_key, a.action_key), count(distinct coalesce(o.tenant, t.tenant))::int
    from unnest($3::text[]) as removed(key)
    left join ${schema}.tenant_tool_override o on o.action_key = removed.key
    left join ${schema}.package_action a on a.action_key = removed.key
    left join ${schema}.tenant_package t on t.package_key = a.package_key
    where o.tenant is not null or t.tenant is not null
    group by 2
  order by 1, 2`

export async function syncCatalog(
  control: Queryable,
  schema: string,
  catalog: Catalog,
  storedPackages: boolean,
): Promise<SyncReport> {
  const defined = catalogRows(catalog)
  const { rows } = await control.query<{ stored: CatalogRows }>(`select ${schema}.rbac_catalog() as stored`)
  const before = rows[0]?.stored as CatalogRows
  const diff = diffCatalog(before, defined)
  const removedButGranted = await heldBy(control, schema, diff)
  if (isDone(diff, before, storedPackages)) return { ...diff, removedButGranted }
  // What it found under its lock: of several who come at once, one did it.
  const done = await control.query<{ stored: CatalogRows }>(
    `select ${schema}.rbac_sync_catalog($1, $2) as stored`,
    [JSON.stringify(defined), storedPackages],
  )
  return { ...diffCatalog(done.rows[0]?.stored as CatalogRows, defined), removedButGranted }
}

/** What was removed before stays, deprecated: programs of the release before still know it. */
function isDone(
  { added, changed, removed }: CatalogDiff,
  before: CatalogRows,
  storedPackages: boolean,
): boolean {
  const gone = new Set(
    [...before.tools, ...before.actions, ...before.packages]
      .filter(({ status }) => status === 'deprecated')
      .map(({ key }) => key),
  )
  const open = removed.filter(({ entity, key }) => entity === 'package_action' || !gone.has(key))
  return added.length === 0 && changed.length === 0 && (storedPackages || open.length === 0)
}

async function heldBy(control: Queryable, schema: string, { removed }: CatalogDiff) {
  if (removed.length === 0) return []
  const keysOf = (wanted: string) => removed.filter(({ entity }) => entity === wanted).map(({ key }) => key)
  const { rows } = await control.query<CatalogEntryRef & { tenants: number }>(HELD(schema), [
    keysOf('package'),
    keysOf('tool'),
    keysOf('action'),
  ])
  return rows
}
