import { LANE_SECONDS, LANES, SLOT_SECONDS, SLOTS, slotOf } from '../tables-sql.ts'

/** Tenants on hold whose status is to be looked at again; each is given to one worker. */
export const HELD = `create or replace function outbox_held(older_than double precision) returns setof text language sql as $fn$
  update outbox_hold a set checked_at = clock_timestamp()
  where a.tenant in (
    select h.tenant from outbox_hold h where h.checked_at <= clock_timestamp() - make_interval(secs => older_than)
    order by h.checked_at limit 100 for update skip locked)
  returning a.tenant
$fn$`

/** Puts a tenant's events back into the log, in the order in which they were laid aside. */
export const RESUME = `create or replace function outbox_resume(whose text) returns integer language plpgsql as $fn$
declare
  n integer;
begin
  perform from outbox_head for update;
  with back as (
    delete from outbox_waiting where tenant = whose
    returning place, id, tenant, type, payload, key, trace, attempts, published_at
  )
  insert into outbox (id, tenant, type, payload, key, trace, attempts, queued, published_at)
  select id, tenant, type, payload, key, trace, attempts, key is not null, published_at from back order by place;
  get diagnostics n = row_count;
  delete from outbox_hold where tenant = whose;
  return n;
end $fn$`

/** Removes all there is of a tenant. What a worker has in its hands is neither retried nor kept when it fails. */
export const FORGET = `create or replace function outbox_forget(whose text) returns void language plpgsql as $fn$
begin
  perform from outbox_head for update;
  delete from outbox_waiting where tenant = whose;
  delete from outbox_hold where tenant = whose;
  delete from outbox_dead where tenant = whose;
  delete from outbox_loose where tenant = whose;
  delete from outbox_ordered where tenant = whose;
  delete from outbox_ready where tenant = whose;
  delete from outbox_hint where tenant = whose;
  delete from outbox_relayed where tenant = whose;
  delete from outbox where tenant = whose;
end $fn$`

/**
 * Empties partitions that nothing needs any more, whole: never row by row. Nobody is waited for: a table that is locked (by
 * \`pg_dump\`, for instance) is left for the next time.
 */
export const SWEEP = `create or replace function outbox_sweep() returns integer language plpgsql as $fn$
declare
  last outbox_tick;
  oldest bigint;
  low_turn bigint;
  low_seq bigint;
  top record;
  n integer;
  emptied integer := 0;
begin
  perform from outbox_head for update;
  select * into last from outbox_tick order by id desc limit 1;
  delete from outbox_tick where id < last.id;
  -- Where the oldest open lease begins is where the one before it ended.
  select min(id) into oldest from outbox_lease where not over;
  select id, turn, seq into top from outbox_lease where oldest is null or id < oldest order by id desc limit 1;
  low_turn := top.turn;
  low_seq := top.seq;
  delete from outbox_lease where over and id < top.id;
  delete from outbox_relayed where at < now() - interval '7 days';

  for n in 0..${LANES - 1} loop
    continue when n = (floor(extract(epoch from clock_timestamp()) / ${LANE_SECONDS})::int8 % ${LANES});
    select turn, seq into top from outbox_ready where lane = n order by turn desc, seq desc limit 1;
    continue when not found or (top.turn, top.seq) > (low_turn, low_seq);
    if outbox_empty('outbox_ready_' || n) then emptied := emptied + 1; end if;
  end loop;

  for n in 0..${SLOTS - 1} loop
    continue when n in (select (floor(extract(epoch from (clock_timestamp() - '2000-01-01 00:00:00+00'::timestamptz))
      / ${SLOT_SECONDS})::int8 + near) % ${SLOTS} from generate_series(-1, 1) near);
    continue when not exists (select from outbox where slot = n) or outbox_needed(n::int2, last, low_turn, low_seq);
    if outbox_empty('outbox_' || n, n::int2, last, low_turn, low_seq) then emptied := emptied + 1; end if;
  end loop;
  return emptied;
end $fn$`

/** Whether a slot holds what is not finished. */
export const NEEDED = `create or replace function outbox_needed(which smallint, last outbox_tick, low_turn bigint, low_seq bigint)
returns boolean language sql as $fn$
  select exists (select from outbox o where o.slot = which and o.xid >= pg_snapshot_xmin(last.snapshot)
      and not pg_visible_in_snapshot(o.xid, last.snapshot))
    or exists (select from outbox o where o.slot = which and o.available_at > o.published_at and o.available_at > last.at)
    or exists (select from outbox_ready r where (r.turn, r.seq) > (low_turn, low_seq) and r.slot = which)
    or exists (select from outbox_lease l where not l.over and which = any (l.slots))
    or exists (select from outbox_loose where slot = which)
    or exists (select from outbox_ordered where slot = which)
$fn$`

/** Empties one partition, unless somebody uses it; asked again behind the lock, since an insert may just have ended. */
export const EMPTY = `create or replace function outbox_empty(partition text, which smallint default null,
  last outbox_tick default null, low_turn bigint default null, low_seq bigint default null) returns boolean language plpgsql as $fn$
begin
  execute format('lock table %I in access exclusive mode nowait', partition);
  if which is not null and outbox_needed(which, last, low_turn, low_seq) then return false; end if;
  execute format('truncate %I', partition);
  return true;
exception when lock_not_available then
  return false;
end $fn$`

/**
 * Level \`database\`: events brought from a tenant's own database, each once however often it is brought (for seven days). They
 * were validated by whoever brought them; the checks of the log hold all the same.
 */
export const ACCEPT = `create or replace function outbox_accept(whose text, brought jsonb) returns void language sql as $fn$
  with fresh as (
    insert into outbox_relayed (tenant, id)
    select whose, e.id from jsonb_to_recordset(brought) as e(id uuid)
    on conflict do nothing returning id
  )
  insert into outbox (slot, id, tenant, type, payload, key, trace, available_at)
  select ${slotOf('d.due')}, e.id, whose, e.type, coalesce(e.payload, 'null'), e.key, e.trace, d.due
  from rows from (jsonb_to_recordset(brought)
    as (id uuid, type text, payload jsonb, key text, trace text, delay double precision))
    with ordinality as e(id, type, payload, key, trace, delay, place)
  join fresh f on f.id = e.id
  cross join lateral (select now() + make_interval(secs => e.delay) as due) d
  order by e.place
$fn$`

/** Who is said to have something, and is taken off the list by this. */
export const HINTS = `create or replace function outbox_hints() returns setof text language sql as $fn$
  delete from outbox_hint returning tenant
$fn$`
