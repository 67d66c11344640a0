/**
 * Changes single values of a JSON document: `changes` is a list of `{ at: path, to: value }`. What is not there stays away; the
 * rest keeps every digit it had.
 *
 * @internal
 * @param document an expression of type jsonb
 * @param changes one as well
 */
export const changedJson = (document: string, changes: string): string => `(
    with recursive step(n, document) as (
      select 0, ${document}
      union all
      select s.n + 1, jsonb_set(s.document,
        array(select at.key from jsonb_array_elements_text(${changes} -> s.n -> 'at') with ordinality at(key, place) order by at.place),
        ${changes} -> s.n -> 'to', false)
      from step s where s.n < jsonb_array_length(${changes})
    ) select s.document from step s order by s.n desc limit 1)`

/**
 * Changes what events say, wherever they are (`changed`: `id`, `changes`, and `xid` and `seq` of rows of the log), and also what a
 * worker has copied of them since: `since` is the oldest transaction that could not be seen when they were read. Behind the lock
 * nobody copies any more. Returns the leases in which a worker has one of \`ids\` in its hands.
 */
export const REDACT = `create or replace function outbox_redact(whose text, since xid8, ids uuid[], changed jsonb)
returns setof bigint language plpgsql as $fn$
begin
  perform from outbox_head for update;
  -- A dead letter may be on its way back into the log: first here, then there.
  update outbox_dead d set payload = ${changedJson('d.payload', 'c.changes')}
  from jsonb_to_recordset(changed) as c(id uuid, changes jsonb) where d.id = c.id and d.tenant = whose;
  update outbox_waiting w set payload = ${changedJson('w.payload', 'c.changes')}
  from jsonb_to_recordset(changed) as c(id uuid, changes jsonb) where w.tenant = whose and w.id = c.id;
  update outbox o set payload = ${changedJson('o.payload', 'c.changes')}
  from jsonb_to_recordset(changed) as c(xid text, seq bigint, changes jsonb)
  where o.xid = c.xid::xid8 and o.seq = c.seq and o.tenant = whose;
  update outbox o set payload = ${changedJson('o.payload', 'c.changes')}
  from jsonb_to_recordset(changed) as c(id uuid, changes jsonb)
  where o.xid >= since and o.tenant = whose and o.id = c.id;
  return query select l.id from outbox_lease l
    where not l.over and exists (
      select from unnest(l.xids, l.seqs) as held(xid, seq) join outbox o on o.xid = held.xid and o.seq = held.seq
      where o.id = any (ids) and o.tenant = whose and not held.seq = any (l.settled));
end $fn$`
