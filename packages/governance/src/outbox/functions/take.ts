/** The columns of an event that go with it wherever it goes. */
const CARRIED = 'id, tenant, type, payload, key, trace'
const carried = (from: string) =>
  CARRIED.split(', ')
    .map((column) => `${from}.${column}`)
    .join(', ')

/** What a lease holds, as rows of the log; `forgotten` tenants' are not there any more. */
const LEASED = `unnest(l.slots, l.xids, l.seqs) as t(slot, xid, seq)
      join outbox o on o.slot = t.slot and o.xid = t.xid and o.seq = t.seq`

/**
 * Who comes next of those that wait for the event that was at the head of their key. The lock of `outbox_head` is held:
 * a dispatch must not look at the order in the middle of this.
 */
export const NEXT_OF_KEY = `create or replace function outbox_next_of_key(whose text, which text) returns void language plpgsql as $fn$
begin
  delete from outbox_ordered a where a.tenant = whose and a.key = which
    and a.place = (select min(b.place) from outbox_ordered b where b.tenant = whose and b.key = which);
  insert into outbox_loose (seq, xid, slot, tenant, solo)
  select a.seq, a.xid, a.slot, a.tenant, false from outbox_ordered a
  where a.tenant = whose and a.key = which order by a.place limit 1
  on conflict do nothing;
end $fn$`

/**
 * Takes back the leases that ran out. The attempt was counted when the event was taken; what was not settled may be what
 * killed its worker, so it is tried again alone, at once, and dies when it has had all its attempts.
 */
export const TAKE_BACK = `create or replace function outbox_take_back(max_attempts integer) returns integer language plpgsql as $fn$
declare
  l outbox_lease;
  e record;
  taken integer := 0;
begin
  for l in select * from outbox_lease a where not a.over and a.expires_at < clock_timestamp()
    order by a.id limit 100 for update skip locked
  loop
    update outbox_lease a set over = true, token = gen_random_uuid() where a.id = l.id;
    for e in select o.* from ${LEASED} where o.seq <> all (l.settled) order by o.seq
    loop
      taken := taken + 1;
      if e.attempts + 1 >= max_attempts then
        insert into outbox_dead (${CARRIED}, attempts, published_at, reason)
        values (${carried('e')}, e.attempts + 1, e.published_at, 'LEASE_EXPIRED');
        if e.key is not null then perform outbox_next_of_key(e.tenant, e.key); end if;
      else
        insert into outbox (${CARRIED}, attempts, solo, queued, published_at)
        values (${carried('e')}, e.attempts + 1, true, e.key is not null, e.published_at);
      end if;
    end loop;
  end loop;
  return taken;
end $fn$`

/**
 * Takes up to \`want\` events in the order of the queue, under one lease; with \`alone\`, also one of those that are tried
 * alone, under a lease of its own. Events of tenants on hold are laid aside. One taker at a time, for a millisecond or
 * two: the lock is on a row that tenants cannot reach.
 */
export const TAKE = `create or replace function outbox_take(want integer, seconds double precision, max_attempts integer, alone boolean)
returns table (lease bigint, token uuid, seq bigint, id uuid, tenant text, type text, payload jsonb, key text, trace text,
  attempt integer, published_at timestamptz, solo boolean) language plpgsql as $fn$
declare
  at_turn bigint;
  at_seq bigint;
  page record;
  slots int2[] := '{}';
  xids xid8[] := '{}';
  seqs int8[] := '{}';
  moved boolean := false;
  since interval;
  enough bigint;
  suspect outbox_loose;
  l outbox_lease;
begin
  perform from outbox_head for update;
  perform outbox_take_back(max_attempts);
  select a.turn, a.seq into at_turn, at_seq from outbox_lease a order by a.id desc limit 1;
  -- Of large helpings that follow each other closely one looks for what is new; when a clock is set back, all do.
  select clock_timestamp() - t.at into since from outbox_tick t order by t.id desc limit 1;
  select count(*) into enough from (
    select from outbox_ready a where (a.turn, a.seq) > (at_turn, at_seq) order by a.turn, a.seq limit want) r;
  if want < 100 or enough < want or since not between interval '0' and interval '10 ms' then perform outbox_dispatch(); end if;

  for round in 1..50 loop
    exit when cardinality(seqs) >= want;
    select array_agg(q.slot order by q.turn, q.seq) filter (where not q.held) as slots,
      array_agg(q.xid order by q.turn, q.seq) filter (where not q.held) as xids,
      array_agg(q.seq order by q.turn, q.seq) filter (where not q.held) as seqs,
      array_agg(q.slot) filter (where q.held) as held_slots,
      array_agg(q.xid) filter (where q.held) as held_xids,
      array_agg(q.seq) filter (where q.held) as held_seqs,
      (array_agg(q.turn order by q.turn desc, q.seq desc))[1] as turn,
      (array_agg(q.seq order by q.turn desc, q.seq desc))[1] as seq,
      count(*) as n
    into page
    from (
      select r.turn, r.seq, r.slot, r.xid, h.tenant is not null as held
      from (
        select * from outbox_ready a where (a.turn, a.seq) > (at_turn, at_seq)
        order by a.turn, a.seq limit want - cardinality(seqs)
      ) r left join outbox_hold h on h.tenant = r.tenant
    ) q;
    exit when page.n = 0;
    at_turn := page.turn;
    at_seq := page.seq;
    moved := true;
    slots := slots || coalesce(page.slots, '{}');
    xids := xids || coalesce(page.xids, '{}');
    seqs := seqs || coalesce(page.seqs, '{}');
    if page.held_seqs is not null then
      insert into outbox_waiting (${CARRIED}, attempts, published_at)
      select ${carried('o')}, o.attempts, o.published_at
      from unnest(page.held_slots, page.held_xids, page.held_seqs) as t(slot, xid, seq)
      join outbox o on o.slot = t.slot and o.xid = t.xid and o.seq = t.seq order by o.seq;
    end if;
  end loop;

  if moved then
    insert into outbox_lease as a (turn, seq, slots, xids, seqs, over, expires_at)
    values (at_turn, at_seq, slots, xids, seqs, cardinality(seqs) = 0, clock_timestamp() + make_interval(secs => seconds))
    returning * into l;
    return query select l.id, l.token, o.seq, ${carried('o')}, o.attempts + 1, o.published_at, o.solo from ${LEASED};
  end if;

  if alone then
    delete from outbox_loose a where a.seq = (
      select b.seq from outbox_loose b where b.solo and not exists (select from outbox_hold h where h.tenant = b.tenant)
      order by b.seq limit 1) returning * into suspect;
    if found then
      insert into outbox_lease as a (turn, seq, slots, xids, seqs, expires_at)
      values (at_turn, at_seq, array[suspect.slot], array[suspect.xid], array[suspect.seq],
        clock_timestamp() + make_interval(secs => seconds))
      returning * into l;
      return query select l.id, l.token, o.seq, ${carried('o')}, o.attempts + 1, o.published_at, o.solo from ${LEASED};
    end if;
  end if;
end $fn$`

/**
 * What became of events of a lease: \`done\` those that were done and belong to no order; \`others\` as
 * \`[{seq, outcome: done | retry | later | dead | hold, delay, reason}]\`. False when the lease is not the caller's any more: then
 * nothing was written, and somebody else does them. An event is settled once. \`later\` counts no attempt.
 */
export const SETTLE = `create or replace function outbox_settle(which bigint, whose uuid, done bigint[], others jsonb)
returns boolean language plpgsql as $fn$
declare
  l outbox_lease;
  e record;
  fresh bigint[];
begin
  if others is not null then perform from outbox_head for update; end if;
  select * into l from outbox_lease a where a.id = which and a.token = whose and not a.over for update;
  if not found then return false; end if;
  fresh := array(
    (select unnest(done) union select x.seq from jsonb_to_recordset(coalesce(others, '[]')) as x(seq bigint))
    intersect select unnest(l.seqs)
    except select unnest(l.settled));
  if others is not null then
    for e in
      select distinct on (o.seq) o.*, x.outcome, x.delay, x.reason
      from jsonb_to_recordset(others) as x(seq bigint, outcome text, delay double precision, reason text)
      join ${LEASED} on o.seq = x.seq
      where o.seq = any (fresh)
      order by o.seq
    loop
      if e.outcome in ('retry', 'later') then
        insert into outbox (slot, ${CARRIED}, attempts, queued, published_at, available_at)
        select {slot}, ${carried('e')}, case e.outcome when 'retry' then e.attempts + 1 else e.attempts end,
          e.key is not null, e.published_at, d.due
        from (select now() + make_interval(secs => e.delay) as due) d;
      elsif e.outcome = 'dead' then
        insert into outbox_dead (${CARRIED}, attempts, published_at, reason)
        values (${carried('e')}, e.attempts + 1, e.published_at, e.reason);
      elsif e.outcome = 'hold' then
        insert into outbox_hold (tenant) values (e.tenant) on conflict do nothing;
        insert into outbox_waiting (${CARRIED}, attempts, published_at)
        values (${carried('e')}, e.attempts, e.published_at);
      elsif e.outcome <> 'done' then
        raise exception 'unknown outcome' using errcode = 'invalid_parameter_value';
      end if;
      if e.key is not null and e.outcome in ('done', 'dead') then
        perform outbox_next_of_key(e.tenant, e.key);
      end if;
    end loop;
  end if;
  update outbox_lease a set settled = a.settled || fresh,
    over = cardinality(a.settled) + cardinality(fresh) >= cardinality(a.seqs)
  where a.id = which;
  return true;
end $fn$`

/** Longer for leases that are still the caller's; says which. */
export const RENEW = `create or replace function outbox_renew(which bigint[], whose uuid[], seconds double precision)
returns setof bigint language sql as $fn$
  update outbox_lease a set expires_at = clock_timestamp() + make_interval(secs => seconds)
  from unnest(which, whose) as mine(id, token)
  where a.id = mine.id and a.token = mine.token and not a.over
  returning a.id
$fn$`
