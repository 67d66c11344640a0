/** What advice is measured against: one row. Whatever the administrator may not see is null. */
export const CLUSTER = `select
    current_setting('server_version_num')::int as "serverVersion",
    current_setting('max_connections')::int as "maxConnections",
    current_setting('superuser_reserved_connections')::int as "reservedConnections",
    (select count(*)::int from pg_stat_activity where usename is not null and datid is not null
      and coalesce(backend_type, 'client backend') = 'client backend') as connections,
    pg_size_bytes(current_setting('shared_buffers'))::float8 as "sharedBuffersBytes",
    pg_database_size(current_database())::float8 as "databaseBytes",
    (select sum(pg_database_size(oid)) from pg_database where has_database_privilege(oid, 'connect'))::float8 as "clusterBytes",
    (select blks_hit::float8 from pg_stat_database where datname = current_database()) as "blocksHit",
    (select blks_read::float8 from pg_stat_database where datname = current_database()) as "blocksRead",
    current_setting('max_locks_per_transaction')::int
      * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int) as "lockSlots",
    (select count(*)::int from pg_class) as relations,
    (select max(age(datfrozenxid))::float8 from pg_database where datallowconn) as "transactionAge",
    (select max(mxid_age(datminmxid))::float8 from pg_database where datallowconn) as "multixactAge",
    current_setting('autovacuum')::bool as autovacuum,
    current_setting('autovacuum_freeze_max_age')::float8 as "freezeMaxAge"`

/**
 * Tables that autovacuum should have been at: more dead rows than twice its threshold (manual 25.1.6). A pass over the
 * statistics of all tables of the database.
 */
export const OVERDUE = `select count(*)::int as overdue
  from pg_class c
    cross join lateral pg_stat_get_dead_tuples(c.oid) dead
  where c.relkind in ('r', 'm')
    and dead > 2 * (current_setting('autovacuum_vacuum_threshold')::float8
      + current_setting('autovacuum_vacuum_scale_factor')::float8 * greatest(c.reltuples, 0))`
