import { type Migration, type OptionNames, requireKnownOptions } from '@org/core'
import { quoteIdentifier } from './identifier.ts'

/** Where the data keys are. The table is the platform's, not a tenant's: no tenant's role may touch it. */
export interface DataKeyTable {
  /** default `public` */
  readonly schema?: string
  /** default `tenant_data_key` */
  readonly table?: string
}

const DATA_KEY_TABLE: OptionNames<DataKeyTable> = { schema: true, table: true }

/**
 * One row per tenant, so that every change is one statement on one row. `keys` is a list of `{ id, wrapped, from }`,
 * oldest first; `from` is when the key begins to seal, in milliseconds since 1970 of the database's clock. A destroyed
 * tenant keeps an empty row, so that it cannot get a new key unnoticed.
 */
const createTable = (name: string): string => `
create table if not exists ${name} (
  tenant text primary key,
  keys jsonb not null check (jsonb_typeof(keys) = 'array'),
  revision bigint not null default 1,
  destroyed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (destroyed_at is null or keys = '[]')
);
revoke all on ${name} from public`

const now = 'floor(extract(epoch from clock_timestamp()) * 1000)::bigint'

/** One constant per statement; `$1` is the tenant unless said otherwise. */
const statements = (name: string) => ({
  read: `
select keys::text as keys, revision::text as revision, destroyed_at is not null as destroyed, ${now}::text as now
from ${name} where tenant = $1`,

  /** `$2` the key's id, `$3` the wrapped key. Of two processes at once one inserts, the other reads that. */
  create: `
insert into ${name} (tenant, keys)
values ($1, jsonb_build_array(jsonb_build_object('id', $2::text, 'wrapped', $3::text, 'from', 0)))
on conflict (tenant) do nothing`,

  /** `$2` the revision that was read, `$3` id, `$4` wrapped key, `$5` milliseconds until it seals. */
  append: `
update ${name}
set keys = keys || jsonb_build_object('id', $3::text, 'wrapped', $4::text, 'from', ${now} + $5::bigint),
  revision = revision + 1, updated_at = now()
where tenant = $1 and revision = $2::bigint and destroyed_at is null`,

  /** `$2` the revision that was read, `$3` all keys as JSON. */
  replace: `
update ${name} set keys = $3::jsonb, revision = revision + 1, updated_at = now()
where tenant = $1 and revision = $2::bigint and destroyed_at is null`,

  destroy: `
insert into ${name} as held (tenant, keys, destroyed_at) values ($1, '[]', now())
on conflict (tenant) do update set keys = '[]', destroyed_at = coalesce(held.destroyed_at, now()),
  revision = held.revision + 1, updated_at = now()`,

  /** `$2` id, `$3` wrapped key, `$4` milliseconds that must have passed since it was destroyed. */
  startOver: `
update ${name}
set keys = jsonb_build_array(jsonb_build_object('id', $2::text, 'wrapped', $3::text, 'from', 0)),
  destroyed_at = null, revision = revision + 1, updated_at = now()
where tenant = $1 and destroyed_at <= clock_timestamp() - $4::bigint * interval '1 millisecond'`,

  /** `$1` the tenant to go on after, `$2` how many. */
  page: `
select tenant from ${name} where tenant > $1 collate "C" and destroyed_at is null
order by tenant collate "C" limit $2::int`,
})

export type DataKeyStatements = ReturnType<typeof statements>

export function dataKeyStatements(at: DataKeyTable): DataKeyStatements {
  return statements(nameOf(at))
}

/**
 * The table for data keys. Run it once, in the control schema, as the role that administers; then grant `select,
 * insert, update` on the table to the application's role, and nothing to tenants' roles.
 *
 * @throws TenancyError INVALID_OPTION when schema or table is no identifier
 * @example
 * ```ts
 * import { dataKeyMigration } from '@org/crypto'
 *
 * await adminPool.query('create schema platform') // once, as the administrator; outside of tenants' schemas
 * await adminPool.query(dataKeyMigration({ schema: 'platform' }).sql)
 * await adminPool.query(`grant usage on schema platform to "${application}"`)
 * await adminPool.query(`grant select, insert, update on platform.tenant_data_key to "${application}"`)
 * ```
 */
export function dataKeyMigration(at: DataKeyTable = {}): Migration {
  requireKnownOptions(at, DATA_KEY_TABLE)
  return { id: '0001_tenant_data_key', sql: createTable(nameOf(at)) }
}

function nameOf({ schema = 'public', table = 'tenant_data_key' }: DataKeyTable): string {
  return `${quoteIdentifier(schema, 'schema')}.${quoteIdentifier(table, 'table')}`
}
