import { TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { markerOf, type Naming, schemaOf } from '../isolation/names.ts'
import { qualify } from '../sql/identifier.ts'
import type { Lifecycle } from './levels/level.ts'

export type { Lifecycle } from './levels/level.ts'

type OfLevel = Pick<Lifecycle, 'naming' | 'ofLevel' | 'distributedSchemas'>

/** The role that owns a tenant's tables, or `undefined` where the administrator does. */
export function ownerOf(lifecycle: OfLevel, tenant: TenantKey): string | undefined {
  return lifecycle.ofLevel.ownerOf(lifecycle, tenant)
}

/** The tenant's own database, or `undefined` where it is in that of the registry. */
export function databaseOf(lifecycle: OfLevel, tenant: TenantKey): string | undefined {
  return lifecycle.ofLevel.databaseOf?.(lifecycle, tenant)
}

/** What there is of a tenant. */
export type Standing = 'nothing' | 'provisioned'

/**
 * Looks at the schema's marker.
 *
 * @throws TenancyError CONFLICT when the schema is there but is not this tenant's
 */
export async function standingOf(admin: Admin, naming: Naming, tenant: TenantKey): Promise<Standing> {
  const schema = schemaOf(naming, tenant)
  const [found] = await admin.run(
    `select coalesce(has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'), false) as marked
     from pg_namespace n left join pg_class c on c.relnamespace = n.oid and c.relname = $2
     where n.nspname = $1`,
    [schema, markerOf(naming, tenant)],
  )
  if (!found) return 'nothing'
  if (found.marked) {
    const marker = await admin.run(
      `select from ${qualify(schema, markerOf(naming, tenant))} where key = $1`,
      [tenant],
    )
    if (marker.length === 1) return 'provisioned'
  }
  throw new TenancyError(
    'CONFLICT',
    "A schema of that name is there but is not this tenant's (no marker of it). Nothing was changed; choose another " +
      'key or prefix, or move that schema away. Data of this tenant from before: adopt(key).',
    { details: { schema } },
  )
}
