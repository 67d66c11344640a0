import type { Migration } from '@org/core'

/** What differs between a schema for each tenant and tables that tenants share. */
interface Shape {
  readonly column: string
  readonly key: string
  readonly suffix: string
}

const OWN: Shape = { column: '', key: '', suffix: '' }
const SHARED: Shape = {
  column: `tenant_id text not null default nullif(current_setting('app.tenant_id', true), ''),`,
  key: 'tenant_id, ',
  suffix: 'tenant_id_',
}

/** Endpoints, messages and the delivery log of a tenant. Give it to `createTenancy({ migrations })`. */
export const WEBHOOKS_MIGRATION: Migration = { id: 'governance_0001_webhooks', sql: sqlOf(OWN) }

/** The same for isolation level `row`. */
export const WEBHOOKS_ROW_MIGRATION: Migration = { id: 'governance_0001_webhooks_row', sql: sqlOf(SHARED) }

/**
 * `secret` is sealed (a `Sealing`, bound to the endpoint). The log holds neither what was sent nor what was answered, only
 * that it was; `webhook_message` is the event itself, for as long as it may have to be sent again.
 */
function sqlOf({ column, key, suffix }: Shape): string {
  return `create table webhook_endpoint (
  ${column}
  id uuid not null default gen_random_uuid(),
  url text not null,
  description text,
  events text[] not null,
  status text not null default 'active',
  suspended_reason text,
  secret text not null,
  previous_secret text,
  previous_until timestamptz,
  failing_since timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint pk_webhook_endpoint primary key (${key}id),
  constraint ck_webhook_endpoint_url check (char_length(url) between 1 and 2000),
  constraint ck_webhook_endpoint_events check (cardinality(events) between 1 and 100),
  constraint ck_webhook_endpoint_status check (status in ('active', 'suspended'))
);
create index idx_webhook_endpoint_${suffix}created_at_id on webhook_endpoint (${key}created_at, id);

create table webhook_message (
  ${column}
  id uuid not null,
  type text not null,
  payload jsonb not null,
  created_at timestamptz not null default now(),
  constraint pk_webhook_message primary key (${key}id)
);
create index idx_webhook_message_${suffix}created_at on webhook_message (${key}created_at);

create table webhook_delivery (
  ${column}
  id uuid not null default gen_random_uuid(),
  endpoint_id uuid not null,
  message_id uuid not null,
  status text not null default 'pending',
  attempts integer not null default 0,
  response_status integer,
  error text,
  duration_ms integer,
  last_attempt_at timestamptz,
  created_at timestamptz not null default now(),
  constraint pk_webhook_delivery primary key (${key}id),
  constraint uq_webhook_delivery_endpoint_id_message_id unique (${key}endpoint_id, message_id),
  constraint fk_webhook_delivery_endpoint_id foreign key (${key}endpoint_id) references webhook_endpoint on delete cascade,
  constraint fk_webhook_delivery_message_id foreign key (${key}message_id) references webhook_message on delete cascade,
  constraint ck_webhook_delivery_status check (status in ('pending', 'delivered', 'failed'))
);
create index idx_webhook_delivery_${suffix}message_id on webhook_delivery (${key}message_id);
create index idx_webhook_delivery_${suffix}created_at_id on webhook_delivery (${key}created_at, id);`
}
