/** In the control schema: migrations without a transaction that have begun and not ended; `done` of their statements are. */
export const RUN_TABLE = 'tenant_migration_run'

/** The same in a tenant's own database, while one is under way. */
export const RUN_COLUMNS = `prefix text, key text, id text, checksum text not null, started integer not null default 0,
  done integer not null default 0, started_at timestamptz not null default now(), primary key (prefix, key, id)`
