/**
 * The version of a row, as text: JavaScript's dates keep milliseconds, PostgreSQL's microseconds. Written in one way
 * whatever the session's DateStyle and TimeZone are, and compared as text, so that no version can be malformed.
 */
const VERSION = `to_char(stored.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/** Never the same version twice, also within one transaction, one microsecond, or after the clock went back. */
const NEXT = `greatest(clock_timestamp(), stored.updated_at + interval '1 microsecond')`

/** $1 keys */
export const READ = `select stored.key, stored.value, ${VERSION} as version
from app_settings as stored where stored.key = any($1::text[])`

/**
 * $1 keys, $2 values. Rows are locked in the order they are inserted, and that is the order of the keys' bytes: two
 * of these never wait for each other in a circle.
 */
export const WRITE = `insert into app_settings as stored (key, value, updated_at)
select given.key, given.value, clock_timestamp()
from unnest($1::text[], $2::text[]) as given (key, value)
order by given.key collate "C"
on conflict (key) do update set value = excluded.value, updated_at = ${NEXT}
returning stored.key, ${VERSION} as version`

/** $1 key, $2 value */
export const WRITE_IF_ABSENT = `insert into app_settings as stored (key, value, updated_at)
values ($1, $2, clock_timestamp())
on conflict (key) do nothing
returning stored.key, ${VERSION} as version`

/** $1 key, $2 value, $3 the version it must still have: looked at again after waiting for another's change */
export const WRITE_IF_UNCHANGED = `update app_settings as stored set value = $2, updated_at = ${NEXT}
where stored.key = $1 and ${VERSION} = $3
returning stored.key, ${VERSION} as version`

/** $1 key */
export const DELETE = 'delete from app_settings as stored where stored.key = $1'

/** $1 key, $2 the version it must still have */
export const DELETE_IF_UNCHANGED = `delete from app_settings as stored where stored.key = $1 and ${VERSION} = $2`
