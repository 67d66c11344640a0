import type { Migration } from '@org/core'

/**
 * Access tokens that are refused before they run out. In the tenant's schema, not in a shared one: a logout is then
 * one transaction with the refresh token's revocation, a tenant can only deny its own tokens, and its rows leave
 * with it.
 */
export const DENIED_JTI_MIGRATION: Migration = {
  id: 'crypto_0002_denied_jti',
  sql: `create table denied_jti (
  jti text primary key,
  expires_at timestamptz not null,
  created_at timestamptz not null default now()
);
create index idx_denied_jti_expires_at on denied_jti (expires_at);`,
}

/**
 * Refresh tokens and their families (one family per login). What is revoked is the family: one row, one lock. Two
 * unique indexes make a fork impossible whatever the program does: one successor per token, one live token per
 * family.
 */
export const REFRESH_TOKEN_MIGRATION: Migration = {
  id: 'crypto_0003_refresh_token',
  sql: `create table refresh_token_family (
  id uuid primary key default gen_random_uuid(),
  user_id text not null,
  created_at timestamptz not null default now(),
  used_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_reason text,
  constraint ck_refresh_token_family_revoked check (num_nonnulls(revoked_at, revoked_reason) in (0, 2))
);
create index idx_refresh_token_family_user_id on refresh_token_family (user_id);
create index idx_refresh_token_family_revoked_at on refresh_token_family (revoked_at)
  where revoked_at is not null;
create table refresh_token (
  id uuid primary key default gen_random_uuid(),
  hash bytea not null,
  family_id uuid not null,
  parent_id uuid,
  jti uuid not null,
  successor_salt bytea,
  issued_at timestamptz not null default now(),
  expires_at timestamptz not null,
  rotated_at timestamptz,
  constraint uq_refresh_token_hash unique (hash),
  constraint uq_refresh_token_parent_id unique (parent_id),
  constraint ck_refresh_token_hash check (octet_length(hash) = 32),
  constraint fk_refresh_token_family_id foreign key (family_id) references refresh_token_family (id),
  constraint fk_refresh_token_parent_id foreign key (parent_id) references refresh_token (id) on delete set null
);
create unique index idx_refresh_token_family_id_live on refresh_token (family_id) where rotated_at is null;
create index idx_refresh_token_family_id on refresh_token (family_id);
create index idx_refresh_token_expires_at on refresh_token (expires_at);
create index idx_refresh_token_rotated_at_salt on refresh_token (rotated_at) where successor_salt is not null;`,
}
