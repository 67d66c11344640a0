import type { PoolLike } from '../driver/types.ts'
import { inAdminTransaction } from '../lifecycle/admin.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'

/** Migrations without a transaction that have begun and not ended: `done` of its statements are finished. */
export const RUN_TABLE = 'tenant_migration_run'

const CREATE = (run: string, tenant: string) => `create table if not exists ${run} (
  prefix text not null,
  key text not null,
  id text not null,
  checksum text not null,
  started integer not null default 0,
  done integer not null default 0,
  started_at timestamptz not null default now(),
  started_by text not null default session_user,
  primary key (prefix, key, id),
  constraint fk_tenant_migration_run_key foreign key (prefix, key) references ${tenant}
)`

/** Makes the table, once for each run that needs it. */
export async function ensureRunTable(pool: PoolLike, { controlSchema }: RegistryPlace): Promise<void> {
  const run = qualify(controlSchema, RUN_TABLE)
  await inAdminTransaction(pool, async (admin) => {
    await admin.run(`select pg_advisory_xact_lock(hashtextextended('pg_tenant.control:' || $1, 0))`, [
      controlSchema,
    ])
    await admin.run(CREATE(run, qualify(controlSchema, 'tenant')))
  })
}
