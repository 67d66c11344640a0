import { LANE_SECONDS, LANES } from '../tables-sql.ts'

/**
 * Puts what became visible or due since the last dispatch into the queue. The log is only read: an event has been
 * dispatched if its transaction was visible in the last tick's snapshot and it was due at the tick's moment, so the three
 * sets below are disjoint and no transaction that commits late, and no clock that is set back, hides an event.
 *
 * The caller holds the lock of `outbox_head`.
 */
export const DISPATCH = `create or replace function outbox_dispatch() returns integer language plpgsql as $fn$
declare
  last outbox_tick;
  turn_now bigint;
  found_events integer;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'outbox_dispatch needs read committed' using errcode = 'invalid_transaction_state';
  end if;
  select * into last from outbox_tick order by id desc limit 1;
  select l.turn into turn_now from outbox_lease l order by l.id desc limit 1;

  with clock as materialized (
    select pg_current_snapshot() as snapshot, greatest(last.at, clock_timestamp()) as at
  ), fresh as materialized (
    select o.seq, o.xid, o.slot, o.tenant, o.key, o.solo, o.queued from clock, outbox o
    where o.xid >= pg_snapshot_xmax(last.snapshot) and pg_visible_in_snapshot(o.xid, clock.snapshot)
      and (o.available_at <= o.published_at or o.available_at <= clock.at)
    union all
    select o.seq, o.xid, o.slot, o.tenant, o.key, o.solo, o.queued from clock, outbox o
    where o.xid = any (array(select pg_snapshot_xip(last.snapshot))) and pg_visible_in_snapshot(o.xid, clock.snapshot)
      and (o.available_at <= o.published_at or o.available_at <= clock.at)
    union all
    select o.seq, o.xid, o.slot, o.tenant, o.key, o.solo, o.queued from clock, outbox o
    where o.available_at > o.published_at and o.available_at > last.at and o.available_at <= clock.at
      and pg_visible_in_snapshot(o.xid, last.snapshot)
  ), in_order as (
    insert into outbox_ordered (tenant, key, seq, xid, slot)
    select f.tenant, f.key, f.seq, f.xid, f.slot from fresh f where f.key is not null and not f.queued order by f.seq
  ), first_of_key as (
    select distinct on (f.tenant, f.key) f.seq from fresh f
    where f.key is not null and not f.queued
      and (select 1 from outbox_ordered b where b.tenant = f.tenant and b.key = f.key limit 1) is null
    order by f.tenant, f.key, f.seq
  ), alone as (
    insert into outbox_loose (seq, xid, slot, tenant, solo)
    select f.seq, f.xid, f.slot, f.tenant, true from fresh f where f.solo
  ), loose as (
    delete from outbox_loose where not solo returning seq, xid, slot, tenant
  ), batch as materialized (
    select f.seq, f.xid, f.slot, f.tenant from fresh f
    where not f.solo and (f.key is null or f.queued or f.seq in (select seq from first_of_key))
    union all
    select seq, xid, slot, tenant from loose
  ), stands as materialized (
    select t.tenant, greatest(turn_now, (select max(r.turn) from outbox_ready r where r.tenant = t.tenant)) as turn
    from (select distinct tenant from batch) t
  ), queue as (
    insert into outbox_ready (lane, turn, seq, xid, slot, tenant)
    select (floor(extract(epoch from clock.at) / ${LANE_SECONDS})::int8 % ${LANES})::int2,
      s.turn + row_number() over (partition by b.tenant order by b.seq), b.seq, b.xid, b.slot, b.tenant
    from clock, batch b join stands s on s.tenant = b.tenant
    returning 1
  ), tick as (
    insert into outbox_tick (snapshot, at) select snapshot, at from clock
  )
  select (select count(*) from queue) + (select count(*) from fresh where solo) into found_events;
  return found_events;
end $fn$`
