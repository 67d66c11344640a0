import {
  type Migration,
  type OptionNames,
  parseTenantKey,
  type Queryable,
  requireKnownOptions,
  TenancyError,
  type TenantKey,
} from '@org/core'

export interface ApiKeyDirectoryOptions {
  /** The control schema, which must exist: lower-case `[a-z_][a-z0-9_]*`, up to 63 bytes, not `pg_…`. No tenant role may use it. */
  readonly schema: string
  /** How a stored tenant becomes a key (default `parseTenantKey`); for a tenancy with a schema prefix of its own. */
  readonly parse?: (value: unknown) => TenantKey
}

/**
 * Which tenant a key id belongs to, for requests that name no tenant. A hint that is not believed: the key still has to
 * verify inside that tenant, and its HMAC contains the tenant. `control` is a pool on the control schema.
 */
export interface ApiKeyDirectory {
  /** Creates the table; for the control schema, not for the tenants. */
  readonly migration: Migration
  /**
   * Enters a new key, before the transaction that makes it commits: an entry without a key does no harm. Again is no
   * error.
   *
   * @throws TenancyError CONFLICT when the key id is another tenant's
   */
  add(control: Queryable, keyId: string, tenant: TenantKey): Promise<void>
  find(control: Queryable, keyId: string): Promise<TenantKey | undefined>
  /** Forgets a key; only the tenant's own. */
  remove(control: Queryable, keyId: string, tenant: TenantKey): Promise<void>
  /** Forgets all keys of a tenant, when it leaves. */
  removeTenant(control: Queryable, tenant: TenantKey): Promise<void>
}

const NAMES: OptionNames<ApiKeyDirectoryOptions> = { schema: true, parse: true }
const SCHEMA = /^[a-z_][a-z0-9_]{0,62}$/

/**
 * @throws TenancyError INVALID_OPTION for a schema that is no plain name
 *
 * @example
 * ```ts
 * import { createApiKeyDirectory } from '@org/crypto/api-keys'
 *
 * const directory = createApiKeyDirectory({ schema: 'key_directory' })
 * await adminPool.query('create schema key_directory')
 * await adminPool.query(directory.migration.sql) // once, as its owner; then grant it to the application
 * ```
 */
export function createApiKeyDirectory(options: ApiKeyDirectoryOptions): ApiKeyDirectory {
  requireKnownOptions(options, NAMES)
  const { schema, parse = (value: unknown) => parseTenantKey(value) } = options ?? {}
  if (typeof schema !== 'string' || !SCHEMA.test(schema) || schema.startsWith('pg_')) {
    throw new TenancyError(
      'INVALID_OPTION',
      'A control schema is up to 63 bytes of a-z, 0-9 and "_", and does not begin with "pg_".',
      {
        details: { option: 'schema' },
      },
    )
  }
  const { create, insert, select, remove, removeTenant } = statements(`"${schema}".api_key_directory`)
  return {
    migration: { id: 'crypto_0001_api_key_directory', sql: create },
    async add(control, keyId, tenant) {
      const { rows } = await control.query<{ tenant: string }>(insert, [keyId, tenant])
      if (rows[0]?.tenant === tenant) return
      throw new TenancyError('CONFLICT', 'This key id is entered already, for another tenant.')
    },
    async find(control, keyId) {
      const { rows } = await control.query<{ tenant: string }>(select, [keyId])
      return rows[0] && parse(rows[0].tenant)
    },
    async remove(control, keyId, tenant) {
      await control.query(remove, [keyId, tenant])
    },
    async removeTenant(control, tenant) {
      await control.query(removeTenant, [tenant])
    },
  }
}

/** `table` is checked and quoted. The update changes nothing: it makes the row that is there come back. */
function statements(table: string) {
  return {
    create: `create table ${table} (
  key_id text primary key,
  tenant text not null,
  created_at timestamptz not null default now()
);
create index idx_api_key_directory_tenant on ${table} (tenant);
revoke all on ${table} from public;`,
    insert: `insert into ${table} as entry (key_id, tenant) values ($1, $2)
on conflict (key_id) do update set tenant = entry.tenant
returning tenant`,
    select: `select tenant from ${table} where key_id = $1`,
    remove: `delete from ${table} where key_id = $1 and tenant = $2`,
    removeTenant: `delete from ${table} where tenant = $1`,
  }
}
