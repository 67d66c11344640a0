import type { Migration } from '@org/core'

/**
 * Level `database`: the outbox in a tenant's own database. Give it to `createTenancy({ migrations })`. The tenant owns it, so
 * its SQL can do with its own events what it likes; nobody else's are there. `home` is the table a row was written to: rows
 * that a restore brought back have another, and are not sent again.
 */
export const OUTBOX_DATABASE_MIGRATION: Migration = {
  id: 'governance_0001_outbox',
  sql: `create table outbox (
  seq bigint generated always as identity,
  id uuid not null default gen_random_uuid(),
  tenant text not null,
  type text not null,
  payload jsonb not null,
  key text,
  trace text,
  published_at timestamptz not null default now(),
  available_at timestamptz not null default now(),
  home oid not null,
  constraint pk_outbox primary key (seq)
);
alter table outbox alter home set default 'outbox'::regclass`,
}
