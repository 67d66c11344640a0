import { TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import type { PoolLike } from '../driver/types.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import { type Naming, schemaOf } from '../isolation/names.ts'
import type { CheckedMigration } from '../migrations/migrations.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import type { DistributedSchemas } from './distributed-schemas.ts'
import type { OnForget } from './forget.ts'
import type { LevelLifecycle } from './levels/level.ts'

/** What provisioning and dropping need to know of a tenancy. */
export interface Lifecycle {
  readonly level: IsolationLevel
  /** What differs between the levels. */
  readonly ofLevel: LevelLifecycle
  readonly naming: Naming
  readonly pool: PoolLike
  readonly adminPool: PoolLike
  readonly registry: RegistryPlace
  readonly migrations: readonly CheckedMigration[]
  /** What spreads the schemas of tenants over several nodes, where something does. */
  readonly distributedSchemas?: DistributedSchemas | undefined
  /** What the application does when a tenant goes for good. */
  readonly onForget?: OnForget | undefined
}

/** One at a time for each schema, across processes; released with the transaction. */
export async function lockTenant(admin: Admin, schema: string): Promise<void> {
  await admin.run(`select pg_advisory_xact_lock(hashtextextended('pg_tenant:' || $1, 0))`, [schema])
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
    [schema, naming.marker],
  )
  if (!found) return 'nothing'
  if (found.marked) {
    const marker = await admin.run(`select from ${qualify(schema, naming.marker)} where key = $1`, [tenant])
    if (marker.length === 1) return 'provisioned'
  }
  throw new TenancyError(
    'CONFLICT',
    "A schema of that name is there but is not this tenant's (no marker of it). Nothing was changed; choose another " +
      'key or prefix, or move that schema away.',
    { details: { schema } },
  )
}
