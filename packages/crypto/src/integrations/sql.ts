import { CREDENTIAL_TABLE } from './migration.ts'

/** As text, to the microsecond, whatever the session's DateStyle and TimeZone are; compared as text. */
const asText = (column: string) =>
  `to_char(stored.${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
const VERSION = asText('updated_at')
/** Never the same version twice, also within one transaction or after the clock went back. */
const NEXT = `greatest(clock_timestamp(), stored.updated_at + interval '1 microsecond')`
const FACTS = `stored.provider, stored.name, ${asText('expires_at')} as "expiresAt", ${VERSION} as "updatedAt",
  coalesce(stored.expires_at <= clock_timestamp(), false) as expired`

/** $1 provider, $2 name */
export const READ = `select ${FACTS}, stored.sealed from ${CREDENTIAL_TABLE} as stored
where stored.provider = $1::text and stored.name = $2::text`

/** $1 provider or null, $2 only those that expire before it, or null, $3 and $4 the last of the page before, $5 how many */
export const LIST = `select ${FACTS} from ${CREDENTIAL_TABLE} as stored
where ($1::text is null or stored.provider = $1::text) and ($2::timestamptz is null or stored.expires_at < $2::timestamptz)
  and ($3::text is null or (stored.provider, stored.name) > ($3::text, $4::text))
order by stored.provider, stored.name limit $5::integer`

const INSERT = `insert into ${CREDENTIAL_TABLE} as stored (provider, name, sealed, expires_at)
values ($1::text, $2::text, $3::text, $4::timestamptz)`

/** $1 provider, $2 name, $3 sealed, $4 expiry; where the table is shared the key has a column more, so it is named */
export const WRITE = `${INSERT} on conflict on constraint pk_integration_credential
do update set sealed = excluded.sealed, expires_at = excluded.expires_at, updated_at = ${NEXT}
returning ${FACTS}`

export const WRITE_IF_ABSENT = `${INSERT} on conflict do nothing returning ${FACTS}`

/** and $5 the version it must still have: looked at again after waiting for another's change */
export const WRITE_IF_UNCHANGED = `update ${CREDENTIAL_TABLE} as stored
set sealed = $3::text, expires_at = $4::timestamptz, updated_at = ${NEXT}
where stored.provider = $1::text and stored.name = $2::text and ${VERSION} = $5::text
returning ${FACTS}`

/** $3 the version it must still have, or null */
export const REMOVE = `delete from ${CREDENTIAL_TABLE} as stored
where stored.provider = $1::text and stored.name = $2::text and ($3::text is null or ${VERSION} = $3::text)`
