/** In the control schema: migrations without a transaction that have begun and not ended; `done` of their statements are. */
export const RUN_TABLE = 'tenant_migration_run'

/** The same in a tenant's own database, while one is under way. */
export const RUN_COLUMNS = `prefix text, key text, id text, checksum text not null, started integer not null default 0,
  done integer not null default 0, started_at timestamptz not null default now(), primary key (prefix, key, id)`

// $1 prefix, $2 key, $3 id, $4 checksum. An edited file begins anew.
export const START = (
  run: string,
) => `insert into ${run} as r (prefix, key, id, checksum) values ($1, $2, $3, $4)
  on conflict (prefix, key, id) do update set checksum = excluded.checksum,
    started = case when r.checksum = excluded.checksum then r.started else 0 end,
    done = case when r.checksum = excluded.checksum then r.done else 0 end
  returning started, done`
export const STARTED = (run: string) =>
  `update ${run} set started = $4 where prefix = $1 and key = $2 and id = $3`
export const DONE = (run: string) =>
  `update ${run} set started = $4, done = $4 where prefix = $1 and key = $2 and id = $3`
// Milliseconds it has been under way, as much as its column holds: a run that was cut off may be resumed days later.
const SINCE =
  'least(2147483647, greatest(0, extract(epoch from clock_timestamp() - started_at) * 1000))::int8'
export const END = (run: string) =>
  `delete from ${run} where prefix = $1 and key = $2 and id = $3 returning ${SINCE} as ms`
// $1 prefix, $2 key, $3 id, $4 checksum, $5 milliseconds.
export const RECORD = (migration: string) =>
  `insert into ${migration} (prefix, key, id, checksum, duration_ms) values ($1, $2, $3, $4, $5)`
export const END_AND_RECORD = (run: string, migration: string) => `with ended as (${END(run)})
  insert into ${migration} (prefix, key, id, checksum, duration_ms) select $1, $2, $3, $4, ms from ended`
