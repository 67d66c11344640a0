import type { Migration } from '@org/core'

/**
 * The table of a tenant's keys. `previous_*` is the secret before a rotation, good until `previous_expires_at`. What a
 * key may do is a profile or a list of actions, never both and never nothing.
 */
export const API_KEYS_MIGRATION: Migration = {
  id: 'crypto_0001_api_key',
  sql: `create table api_key (
  id uuid primary key default gen_random_uuid(),
  key_id text not null,
  name text not null,
  env text not null,
  profile text,
  actions text[],
  hash text not null,
  pepper_id text not null,
  previous_hash text,
  previous_pepper_id text,
  previous_expires_at timestamptz,
  status text not null default 'active',
  suspended_reason text,
  expires_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint uq_api_key_key_id unique (key_id),
  constraint uq_api_key_name unique (name),
  constraint ck_api_key_env check (env in ('live', 'test')),
  constraint ck_api_key_profile check (profile in ('read-only', 'write', 'admin')),
  constraint ck_api_key_rights check (num_nonnulls(profile, actions) = 1 and cardinality(actions) > 0),
  constraint ck_api_key_status check (status in ('active', 'suspended', 'revoked')),
  constraint ck_api_key_previous check (
    num_nonnulls(previous_hash, previous_pepper_id, previous_expires_at) in (0, 3)
  )
);
create index idx_api_key_created_at_id on api_key (created_at, id);`,
}
