import { tryTenantText } from '../registry/locks.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'

/** In the message of a raised check, by which it is recognised in any language. */
export const STALE = 'pg_tenant:stale'

// A statement of its own: its snapshot is taken behind the lock, so it sees what another migrator has committed. $1 prefix,
// $2 key, $3 status, $4 how many migrations it has. `concat` is not folded at planning, so the cast raises only when it is
// reached.
const CHECK = (tenant: string, migration: string) => `select case
  when (select status from ${tenant} where prefix = $1 and key = $2) = $3
   and (select count(*) from ${migration} where prefix = $1 and key = $2) = $4 then 0
  else concat('${STALE}')::int8 end`

// The ledger that travels with the schema. $1 and $2 an id and its checksum, and so on; at last one that it must have had before:
// it has not where an older backup was restored, say. It raises then, and where the schema is not there.
export const LEDGER = (ledger: string, count: number, had: boolean) => {
  const rows = Array.from({ length: count }, (_, at) => `($${2 * at + 1}, $${2 * at + 2})`)
  if (had) rows[0] = `($1, (select $2::varchar from ${ledger} where id = $${2 * count + 1}))`
  return `insert into ${ledger} (id, checksum) values ${rows.join(', ')}`
}

// The same with a count in two, because Citus takes no subquery in an INSERT.
export const COUNT = (ledger: string) =>
  `select case when count(*) = $1 then 0 else concat('${STALE}')::int8 end from ${ledger}`
export const ADD = (ledger: string) =>
  `insert into ${ledger} (id, checksum) select * from unnest($1::text[], $2::text[])`

const MIGRATION_COLUMNS = '(prefix, key, id, checksum, duration_ms)'

// $1 prefix, $2 key, $3 ids, $4 checksums, then the milliseconds each took. Bounded by what its column holds, 25 days.
export const RECORD = (migration: string, spent: string) => `insert into ${migration} ${MIGRATION_COLUMNS}
  select $1, $2, ($3::text[])[n], ($4::text[])[n], least(2147483647, greatest(0, ms))
  from ${spent} with ordinality as spent (ms, n)`

// The same, of the transaction in equal shares; $5 how many.
export const RECORD_SHARES = (migration: string) => `insert into ${migration} ${MIGRATION_COLUMNS}
  select $1, $2, id, checksum,
    least(2147483647, extract(epoch from clock_timestamp() - transaction_timestamp()) * 1000 / $5::int8)
  from unnest($3::text[], $4::text[]) as w (id, checksum)`

// $1 prefix, $2 key, $3 version.
const VERSION = (tenant: string) =>
  `update ${tenant} set schema_version = $3, updated_at = now() where prefix = $1 and key = $2`

interface RegistryTexts {
  readonly lock: string
  readonly check: string
  readonly version: string
  readonly migration: string
}

const texts = new WeakMap<RegistryPlace, RegistryTexts>()

/** The statements on the registry: the same for every tenant of a run, so they are put together once. */
export function textsOf(registry: RegistryPlace): RegistryTexts {
  const known = texts.get(registry)
  if (known) return known
  const tenant = qualify(registry.controlSchema, 'tenant')
  const migration = qualify(registry.controlSchema, 'tenant_migration')
  const made = {
    lock: tryTenantText(registry),
    check: CHECK(tenant, migration),
    version: VERSION(tenant),
    migration,
  }
  texts.set(registry, made)
  return made
}
