// Names are unqualified: the tenant's search path finds them. The database's clock decides every moment, so that
// servers whose clocks differ agree; clock_timestamp(), not now(), because a transaction may have waited for a lock.

/** $1 jtis, $2 seconds since 1970 until which each is denied; the later end stays. */
export const DENY = `
insert into denied_jti (jti, expires_at)
select jti, to_timestamp(max(ends)) from unnest($1::text[], $2::float8[]) as denied (jti, ends)
group by jti order by jti
on conflict (jti) do update set expires_at = greatest(denied_jti.expires_at, excluded.expires_at)`

/** $1 how many at most */
export const READ_DENIED = `
select jti from denied_jti where expires_at > clock_timestamp() limit $1`

/** $1 jti */
export const IS_DENIED = `
select 1 as denied from denied_jti where jti = $1`

/** $1 how many at most */
export const CLEAN_DENIED = `
delete from denied_jti where jti in (
  select jti from denied_jti where expires_at <= clock_timestamp() order by expires_at limit $1
  for update skip locked
)`

/** $1 user, $2 family lifetime (s), $3 hash (hex), $4 jti, $5 idle lifetime (s) */
export const ISSUE = `
with moment as materialized (select clock_timestamp() as at),
family as (
  insert into refresh_token_family (user_id, created_at, used_at, expires_at)
  select $1::text, at, at, at + make_interval(secs => $2::float8) from moment
  returning id, expires_at
)
insert into refresh_token (hash, family_id, jti, issued_at, expires_at)
select decode($3::text, 'hex'), family.id, $4::uuid, moment.at,
  least(moment.at + make_interval(secs => $5::float8), family.expires_at)
from family, moment
returning family_id as family, extract(epoch from expires_at)::float8 as expires`

/**
 * Takes the family of a token and holds it until the transaction ends: everything that changes a family does so
 * under this lock, one after the other. $1 hash (hex)
 */
export const HOLD_FAMILY = `
update refresh_token_family set used_at = clock_timestamp()
where id = (select family_id from refresh_token where hash = decode($1::text, 'hex'))
returning id as family, user_id as "userId", revoked_at is not null as revoked,
  expires_at <= clock_timestamp() as expired`

/** How a token and its successor stand. Run while the family is held. $1 hash (hex), $2 grace (s) */
export const READ_TOKEN = `
select token.id, token.rotated_at is not null as rotated, token.expires_at <= clock_timestamp() as expired,
  coalesce(token.rotated_at > clock_timestamp() - make_interval(secs => $2::float8), false) as "inGrace",
  encode(token.successor_salt, 'hex') as salt, next.jti,
  coalesce(next.rotated_at is null and next.expires_at > clock_timestamp(), false) as "nextUsable",
  extract(epoch from next.expires_at)::float8 as expires
from refresh_token as token left join refresh_token as next on next.parent_id = token.id
where token.hash = decode($1::text, 'hex')`

/**
 * Puts a successor in a token's place, and forgets the salt of the one before: only the immediate parent can still
 * be answered. $1 token id, $2 salt (hex), $3 successor's hash (hex), $4 successor's jti, $5 idle lifetime (s)
 */
export const SUCCEED = `
with parent as (
  update refresh_token set rotated_at = clock_timestamp(), successor_salt = decode($2::text, 'hex')
  where id = $1::uuid and rotated_at is null
  returning id, family_id, parent_id, rotated_at
), forgotten as (
  update refresh_token set successor_salt = null
  where id = (select parent_id from parent) and successor_salt is not null
)
insert into refresh_token (hash, family_id, parent_id, jti, issued_at, expires_at)
select decode($3::text, 'hex'), parent.family_id, parent.id, $4::uuid, parent.rotated_at,
  least(parent.rotated_at + make_interval(secs => $5::float8), family.expires_at)
from parent join refresh_token_family as family on family.id = parent.family_id
returning extract(epoch from expires_at)::float8 as expires`

/** $1 family ids, $2 reason. Families in order of their id, so that two such statements cannot deadlock. */
export const REVOKE = `
with held as (
  select id from refresh_token_family where id = any($1::uuid[]) and revoked_at is null order by id for update
)
update refresh_token_family set revoked_at = clock_timestamp(), revoked_reason = $2
where id in (select id from held) and revoked_at is null
returning id as family, user_id as "userId"`

/** $1 hash (hex) */
export const FAMILY_OF_TOKEN = `
select family_id as family from refresh_token where hash = decode($1::text, 'hex')`

/** $1 user */
export const FAMILIES_OF_USER = `
select id as family from refresh_token_family where user_id = $1 and revoked_at is null`

/**
 * The access tokens of families that may still be accepted. $1 family ids, $2 seconds after the refresh token's
 * issue within which one may have been made or run
 */
export const LIVE_ACCESS_TOKENS = `
select jti, ceil(extract(epoch from issued_at) + $2::float8)::float8 as exp
from refresh_token
where family_id = any($1::uuid[]) and issued_at > clock_timestamp() - make_interval(secs => $2::float8)`

/** $1 how many at most, $2 for how long the dead are kept (s) */
export const CLEAN_TOKENS = `
delete from refresh_token where id in (
  select token.id from refresh_token as token
  where token.expires_at <= clock_timestamp() - make_interval(secs => $2::float8)
    or token.family_id in (
      select id from refresh_token_family
      where revoked_at <= clock_timestamp() - make_interval(secs => $2::float8)
    )
  limit $1
)`

/** $1 how many at most */
export const CLEAN_FAMILIES = `
delete from refresh_token_family where id in (
  select id from refresh_token_family as family
  where not exists (select from refresh_token where family_id = family.id)
  limit $1
)`

/** Salts that nothing can be answered with any more. $1 grace (s), $2 how many at most */
export const CLEAN_SALTS = `
update refresh_token set successor_salt = null where id in (
  select id from refresh_token
  where successor_salt is not null and rotated_at <= clock_timestamp() - make_interval(secs => $1::float8)
  limit $2
)`
