/**
 * The moment everything is judged by: the caller's clock ($1) or the database's at this statement, not at the
 * transaction's start, which may be long ago.
 */
const MOMENT = '(select coalesce($1::timestamptz, statement_timestamp()) as now) moment'

const FACTS = `id, key_id, name, env, profile, actions, status, suspended_reason, expires_at, last_used_at,
  previous_expires_at, created_at, updated_at`

/** $1 now, $2 key id, $3 name, $4 env, $5 profile, $6 actions, $7 hash, $8 pepper id, $9 expires at. No row: the name is taken. */
export const INSERT = `
insert into api_key (key_id, name, env, profile, actions, hash, pepper_id, expires_at, created_at, updated_at)
select $2, $3, $4, $5, $6::text[], $7, $8, $9::timestamptz, now, now from ${MOMENT}
on conflict do nothing
returning ${FACTS}`

/**
 * $1 now, $2 key id. A key is expired at the moment of its expiry, not after it (as RFC 7519, 4.1.4). A write is due
 * when the last use was noted a minute ago or more; it is possible where a row that changed meanwhile is skipped and
 * not an error, so not in a read-only transaction, nor at a higher isolation level than read committed.
 */
export const LOOK_UP = `
select id, name, profile, actions, hash, pepper_id, previous_hash, previous_pepper_id, status, expires_at,
  coalesce(expires_at <= now, false) as is_expired,
  coalesce(previous_expires_at > now, false) as has_previous,
  coalesce(last_used_at <= now - interval '1 minute', true) as is_use_due,
  current_setting('transaction_read_only') = 'off'
    and current_setting('transaction_isolation') = 'read committed' as may_write
from api_key, ${MOMENT}
where key_id = $2`

/**
 * $1 now, $2 id. Asked again under the lock, so that many at once note it once; whoever finds the row locked leaves it:
 * no request waits for another one's transaction to note that a key was used.
 */
export const NOTE_USE = `
with due as materialized (
  select id, now from api_key, ${MOMENT}
  where id = $2 and coalesce(last_used_at <= now - interval '1 minute', true)
  for no key update of api_key skip locked
)
update api_key set last_used_at = due.now from due where api_key.id = due.id`

/** $1 id, $2 the hash that was verified, $3 new hash, $4 new pepper id. Only if it is still that hash, and never waiting. */
export const REHASH = `
with found as materialized (
  select id from api_key where id = $1 and hash = $2 for no key update skip locked
)
update api_key set hash = $3, pepper_id = $4 from found where api_key.id = found.id`

/** $1 now, $2 id. */
export const LOOK_UP_FOR_ROTATION = `
select key_id, env, hash, status, coalesce(expires_at <= now, false) as is_expired,
  coalesce(previous_expires_at > now, false) as has_previous
from api_key, ${MOMENT}
where id = $2`

/**
 * $1 now, $2 id, $3 the hash it replaces, $4 new hash, $5 new pepper id, $6 overlap in seconds (0: none), $7 whether the
 * expiry changes, $8 expires at. Compare-and-swap: of several rotations at once one finds the hash it read.
 */
export const ROTATE = `
update api_key set
  previous_hash = case when $6::float8 > 0 then hash end,
  previous_pepper_id = case when $6::float8 > 0 then pepper_id end,
  previous_expires_at = case when $6::float8 > 0 then now + make_interval(secs => $6::float8) end,
  hash = $4, pepper_id = $5,
  expires_at = case when $7::boolean then $8::timestamptz else expires_at end,
  updated_at = now
from ${MOMENT}
where id = $2 and hash = $3 and status <> 'revoked'
returning ${FACTS}`

/** $1 now, $2 id. */
export const END_OVERLAP = `
update api_key set
  previous_hash = null, previous_pepper_id = null, previous_expires_at = null, updated_at = now
from ${MOMENT}
where id = $2
returning ${FACTS}`

/** $1 now, $2 id, $3 status, $4 reason. What is revoked stays so. */
export const SET_STATUS = `
update api_key set status = $3, suspended_reason = $4, updated_at = now
from ${MOMENT}
where id = $2 and (status <> 'revoked' or $3 = 'revoked')
returning ${FACTS}`

/** $1 id. */
export const REMOVE = `delete from api_key where id = $1 and status = 'revoked' returning key_id`

/** $1 id. */
export const GET = `select ${FACTS} from api_key where id = $1`

/** $1 limit, $2 the id after which to go on, or null. By id where the times are equal. */
export const LIST = `
select ${FACTS} from api_key
where $2::uuid is null or (created_at, id) > (select created_at, id from api_key where id = $2)
order by created_at, id
limit $1`

/** Which peppers are still needed, by live keys and by overlaps. */
export const PEPPERS_IN_USE = `
select pepper_id, count(*)::int as keys
from (
  select pepper_id from api_key where status <> 'revoked'
  union all
  select previous_pepper_id from api_key where status <> 'revoked' and previous_expires_at > now()
) needed
group by pepper_id
order by pepper_id`
