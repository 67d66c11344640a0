/** Partitions of the log, by the moment an event is due; a ring, so that none is ever missing. */
export const SLOTS = 16
/** Seconds that share a slot: two days. */
export const SLOT_SECONDS = 172_800
/** The longest delay: some days less than the ring is long, so that each slot has days in which to be emptied. */
export const MAX_DELAY_DAYS = 28
/** Partitions of what is ready, taken in turns. */
export const LANES = 3
/** Seconds that a lane is filled before the next one is. */
export const LANE_SECONDS = 1_800
/** Bytes of a payload as JSON. */
export const MAX_PAYLOAD = 262_144
/** And as PostgreSQL writes it, which says more of the same: of numbers every digit, a space behind each comma. */
export const MAX_WRITTEN = 1_048_576

/** The partition of what is due at `moment`, an SQL expression of type timestamptz. Immutable, so that a check may hold it. */
export const slotOf = (moment: string): string =>
  `(pg_catalog.floor(extract(epoch from (${moment} - '2000-01-01 00:00:00+00'::pg_catalog.timestamptz)) / ${SLOT_SECONDS})::pg_catalog.int8 % ${SLOTS})::pg_catalog.int2`

const ring = (table: string, count: number) =>
  Array.from(
    { length: count },
    (_, n) => `create table ${table}_${n} partition of ${table} for values in (${n});`,
  )

/** What a tenant may say of an event; the rest is the server's. */
export const PUBLISHED = 'id, tenant, slot, type, payload, key, trace, available_at'

/**
 * Nothing here is updated or deleted while it is busy, so that a snapshot somebody holds for hours (a backup) slows nothing
 * down: there are no dead rows to walk over.
 *
 * - `outbox` is the log that tenants append to. `xid` says when it became visible; nothing is ordered by `seq`, which says
 *   only who asked for a number first.
 * - `outbox_tick` says up to which snapshot and moment the log has been dispatched.
 * - `outbox_ready` is the order in which events are taken. `turn` is virtual time (start-time fair queueing): the n-th
 *   event of a tenant stands n turns behind the one being taken now, whoever else has how many.
 * - `outbox_lease` is what a worker has taken, up to which place of the queue, and what became of it.
 * - `outbox_loose` goes back into the queue at the next dispatch, or alone (`solo`): what killed a worker, perhaps.
 * - `outbox_ordered` are those that wait for an earlier one of their key.
 */
export const OUTBOX_TABLES = `
create table outbox (
  slot smallint not null default ${slotOf('now()')},
  seq bigint not null generated always as identity,
  xid xid8 not null default pg_current_xact_id(),
  id uuid not null default gen_random_uuid(),
  tenant text not null,
  type text not null,
  payload jsonb not null,
  key text,
  trace text,
  attempts smallint not null default 0,
  solo boolean not null default false,
  queued boolean not null default false,
  published_at timestamptz not null default now(),
  available_at timestamptz not null default now(),
  constraint ck_outbox_slot check (slot = ${slotOf('available_at')}),
  constraint ck_outbox_tenant check (octet_length(tenant) between 1 and 63),
  constraint ck_outbox_type check (octet_length(type) <= 100 and type ~ '^[a-z][a-z0-9_]*([.][a-z0-9_]+)*$'),
  constraint ck_outbox_payload check (pg_column_size(payload) <= ${MAX_PAYLOAD}),
  constraint ck_outbox_key check (char_length(key) between 1 and 200),
  constraint ck_outbox_trace check (trace ~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$')
) partition by list (slot);
create index idx_outbox_xid_seq on outbox (xid, seq);
create index idx_outbox_available_at on outbox (available_at) where available_at > published_at;
${ring('outbox', SLOTS).join('\n')}

create table outbox_tick (
  id bigint generated always as identity constraint pk_outbox_tick primary key,
  snapshot pg_snapshot not null,
  at timestamptz not null
);

create table outbox_ready (
  lane smallint not null,
  turn bigint not null,
  seq bigint not null,
  xid xid8 not null,
  slot smallint not null,
  tenant text not null
) partition by list (lane);
create index idx_outbox_ready_turn_seq on outbox_ready (turn, seq);
create index idx_outbox_ready_tenant_turn on outbox_ready (tenant, turn);
${ring('outbox_ready', LANES).join('\n')}

create table outbox_lease (
  id bigint generated always as identity constraint pk_outbox_lease primary key,
  token uuid not null default gen_random_uuid(),
  turn bigint not null,
  seq bigint not null,
  slots smallint[] not null,
  xids xid8[] not null,
  seqs bigint[] not null,
  settled bigint[] not null default '{}',
  over boolean not null default false,
  taken_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);
create index idx_outbox_lease_expires_at on outbox_lease (expires_at) where not over;
create index idx_outbox_lease_id on outbox_lease (id) where not over;

create table outbox_loose (
  seq bigint constraint pk_outbox_loose primary key,
  xid xid8 not null,
  slot smallint not null,
  tenant text not null,
  solo boolean not null
);

create table outbox_ordered (
  tenant text not null,
  key text not null,
  place bigint not null generated always as identity,
  seq bigint not null,
  xid xid8 not null,
  slot smallint not null,
  constraint pk_outbox_ordered primary key (tenant, key, place)
);

create table outbox_hold (
  tenant text constraint pk_outbox_hold primary key,
  since timestamptz not null default clock_timestamp(),
  checked_at timestamptz not null default clock_timestamp()
);
create table outbox_waiting (
  place bigint generated always as identity constraint pk_outbox_waiting primary key,
  id uuid not null,
  tenant text not null constraint fk_outbox_waiting_tenant references outbox_hold,
  type text not null,
  payload jsonb not null,
  key text,
  trace text,
  attempts smallint not null,
  published_at timestamptz not null
);
create index idx_outbox_waiting_tenant_place on outbox_waiting (tenant, place);

create table outbox_dead (
  no bigint generated always as identity constraint pk_outbox_dead primary key,
  id uuid not null,
  tenant text not null,
  type text not null,
  payload jsonb not null,
  key text,
  trace text,
  attempts smallint not null,
  reason text not null constraint ck_outbox_dead_reason check (char_length(reason) <= 100),
  published_at timestamptz not null,
  died_at timestamptz not null default clock_timestamp()
);
create index idx_outbox_dead_tenant_no on outbox_dead (tenant, no);
create index idx_outbox_dead_id on outbox_dead (id);

-- Level database: who has something in a database of its own, and what was brought here from there.
create table outbox_hint (tenant text constraint pk_outbox_hint primary key);
create table outbox_relayed (
  tenant text not null,
  id uuid not null,
  at timestamptz not null default now(),
  constraint pk_outbox_relayed primary key (tenant, id)
);
create index idx_outbox_relayed_at on outbox_relayed (at);

-- Its lock is the first that a dispatch takes; the row itself never changes.
create table outbox_head (one boolean constraint pk_outbox_head primary key default true constraint ck_outbox_head_one check (one));
insert into outbox_head default values;
insert into outbox_tick (snapshot, at) values (pg_current_snapshot(), clock_timestamp());
insert into outbox_lease (turn, seq, slots, xids, seqs, over, expires_at)
  values (0, 0, '{}', '{}', '{}', true, clock_timestamp());
`
