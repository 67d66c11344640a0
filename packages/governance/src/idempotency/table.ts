import type { Migration } from '@org/core'

/** A schema for each tenant, or tables that tenants share: there every key begins with `tenant_id`. */
function tableSql(shared: boolean): string {
  const column = shared
    ? `tenant_id text not null default nullif(current_setting('app.tenant_id', true), ''),\n  `
    : ''
  const first = shared ? 'tenant_id, ' : ''
  const name = shared ? 'tenant_id_expires_at' : 'expires_at'
  return `create table idempotency_key (
  ${column}principal text not null,
  handler text not null,
  key text not null,
  fingerprint bytea not null,
  answer text,
  lease uuid,
  leased_until timestamptz,
  attempts integer not null default 1,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  constraint pk_idempotency_key primary key (${first}principal, handler, key),
  constraint ck_idempotency_key_fingerprint check (octet_length(fingerprint) = 32)
);
create index idx_idempotency_key_${name} on idempotency_key (${first}expires_at);`
}

/** The keys of a tenant, in its own schema: they are its data, leave with it, and nobody else's request finds them. */
export const IDEMPOTENCY_MIGRATION: Migration = {
  id: 'governance_0001_idempotency_key',
  sql: tableSql(false),
}

/**
 * Behind either of the two, at every level: takes away the check of a fingerprint's length, which nobody but this package writes. A
 * check is read from the catalogue at every statement; each of the two that a request costs is then a tenth cheaper.
 */
export const IDEMPOTENCY_LEAN_MIGRATION: Migration = {
  id: 'governance_0002_idempotency_key_lean',
  sql: 'alter table idempotency_key drop constraint ck_idempotency_key_fingerprint',
}

/** The same for isolation level `row`. */
export const IDEMPOTENCY_ROW_MIGRATION: Migration = {
  id: 'governance_0001_idempotency_key_row',
  sql: tableSql(true),
}
