/**
 * `$1` principal, `$2` handler, `$3` key, `$4` fingerprint, `$5` seconds it is kept, `$6` how long to wait for somebody who
 * holds the key (ms), `$7` lease, `$8` its seconds; the last two null for work in one transaction.
 *
 * Raises unless the key is free or what it was used for is long ago: so it can go ahead of the work's first statement in one
 * message, and nothing of the work happens. Whoever holds it in a transaction is waited for, by the lock of the unique index;
 * `concat` is not folded when the query is planned, as a constant would be.
 */
export const CLAIM = `with previous as materialized (
    select current_setting('lock_timeout') as value, set_config('lock_timeout', $6::text, true) as now
  ), claim as (
    insert into idempotency_key (principal, handler, key, fingerprint, expires_at, lease, leased_until)
    select $1::text, $2::text, $3::text, $4::bytea, now() + $5::float8 * interval '1 second', $7::uuid,
        clock_timestamp() + $8::float8 * interval '1 second'
      from previous
    on conflict on constraint pk_idempotency_key do update set fingerprint = excluded.fingerprint, answer = null,
        lease = excluded.lease, leased_until = excluded.leased_until, attempts = 1, created_at = now(),
        expires_at = excluded.expires_at
      where idempotency_key.expires_at <= now()
        and coalesce(idempotency_key.leased_until <= clock_timestamp(), true)
    returning 1 as one
  )
  select set_config('lock_timeout', previous.value, true),
      case when claim.one is null then concat('idempotency:taken')::integer end
    from previous left join claim on true`

/**
 * The same values, the last two left out, for work in one transaction: at two thirds of the cost, because a key that was used raises
 * as the duplicate that it is, one that ran out and was not swept yet as well. Then {@link CLAIM} is tried.
 */
export const CLAIM_FRESH = `with previous as materialized (
    select current_setting('lock_timeout') as value, set_config('lock_timeout', $6::text, true) as now
  )
  insert into idempotency_key (principal, handler, key, fingerprint, expires_at)
  select $1::text, $2::text, $3::text, $4::bytea, now() + $5::float8 * interval '1 second' from previous
  returning set_config('lock_timeout', (select previous.value from previous), true)`

/** A key, whether it ran out or not. */
export const THERE = `select from idempotency_key k where k.principal = $1::text and k.handler = $2::text and k.key = $3::text`

/** `$4` the sealed answer. */
export const KEEP = `update idempotency_key set answer = $4::text, leased_until = null
  where principal = $1::text and handler = $2::text and key = $3::text`

export const LOOK = `select k.fingerprint, k.answer, k.lease is not null as leasable, k.attempts,
    coalesce(k.leased_until > clock_timestamp(), false) as leased
  from idempotency_key k where k.principal = $1::text and k.handler = $2::text and k.key = $3::text and
    (k.expires_at > now() or k.leased_until > clock_timestamp())`

/** Takes over a lease that ran out: `$4` the new one, `$5` its seconds, `$6` fingerprint. */
export const TAKE_OVER = `update idempotency_key set lease = $4::uuid, attempts = attempts + 1,
    leased_until = clock_timestamp() + $5::float8 * interval '1 second'
  where principal = $1::text and handler = $2::text and key = $3::text and answer is null and lease is not null
    and leased_until <= clock_timestamp() and fingerprint = $6::bytea
  returning attempts`

/** `$4` the lease, `$5` its seconds. */
export const RENEW = `update idempotency_key set leased_until = clock_timestamp() + $5::float8 * interval '1 second'
  where principal = $1::text and handler = $2::text and key = $3::text and lease = $4::uuid and answer is null`

/** The lease is still ours, and stays so until the transaction ends. `$4` the lease. */
export const FENCE = `select from idempotency_key
  where principal = $1::text and handler = $2::text and key = $3::text and lease = $4::uuid and answer is null for update`

export const RELEASE = `delete from idempotency_key
  where principal = $1::text and handler = $2::text and key = $3::text and lease = $4::uuid and answer is null`

/** Keys that ran out, the oldest first, without those that somebody has just now. `$1` how many. */
export const SWEEP = `delete from idempotency_key where ctid = any (array(
    select k.ctid from idempotency_key k
    where k.expires_at <= now() and coalesce(k.leased_until <= clock_timestamp(), true)
    order by k.expires_at limit $1::integer for update skip locked))`
