import type pg from 'pg'

/**
 * What the library asks of Citus, on a server that has none: the row of the extension, its tables in pg_catalog, and an
 * event trigger that distributes a schema when Citus would (`PostprocessCreateSchemaStmt`, commands/schema.c) and writes
 * down every DDL command with the setting it ran under and the message it came in. It proves what is sent, not that
 * Citus accepts it.
 */
const STAND_IN = `
  set allow_system_table_mods = on;
  insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    values (99001, 'citus', 10, 11, false, '13.0-1');
  create table pg_catalog.pg_dist_local_group (groupid int);
  create table pg_catalog.pg_dist_node (groupid int);
  create table pg_catalog.pg_dist_schema (schemaid oid primary key);
  create table pg_catalog.pg_dist_partition (logicalrelid regclass, repmodel "char", colocationid int);
  create function pg_catalog.relation_is_a_known_shard(regclass) returns bool language sql as 'select false';
  insert into pg_catalog.pg_dist_local_group values (0);
  grant select on pg_catalog.pg_dist_partition, pg_catalog.pg_dist_local_group, pg_catalog.pg_dist_node, pg_catalog.pg_dist_schema to public;
  create schema stand_in;
  create table stand_in.seen (id int generated always as identity, tag text, object text, setting text, message text);
  create function stand_in.note() returns event_trigger language plpgsql security definer set search_path = pg_catalog as $$
    declare
      ddl record;
      setting text := coalesce(nullif(current_setting('citus.enable_schema_based_sharding', true), ''), 'unset');
    begin
      for ddl in select * from pg_event_trigger_ddl_commands() loop
        insert into stand_in.seen (tag, object, setting, message)
          values (ddl.command_tag, ddl.object_identity, setting, current_query());
        if ddl.command_tag = 'CREATE SCHEMA' and setting = 'on'
           and current_setting('citus.create_object_propagation', true) is distinct from 'deferred' then
          insert into pg_catalog.pg_dist_schema values (ddl.objid);
        end if;
      end loop;
    end $$;
  create event trigger stand_in on ddl_command_end execute function stand_in.note();
  reset allow_system_table_mods`

/** One DDL command, as the server saw it. */
export interface Seen {
  readonly tag: string
  readonly object: string
  /** What `citus.enable_schema_based_sharding` was: `unset` when nobody had ever set it. */
  readonly setting: string
  /** The client's whole message. */
  readonly message: string
}

export interface StandIn {
  /** The DDL since the last call. */
  seen(): Promise<Seen[]>
  distributed(): Promise<string[]>
  /** Changes what Citus says of itself for as long as `fn` runs. */
  during<T>(change: string, back: string, fn: () => Promise<T>): Promise<T>
}

export async function citusStandIn(root: pg.Pool): Promise<StandIn> {
  await root.query(STAND_IN)
  const change = (sql: string) =>
    root.query(`set allow_system_table_mods = on; ${sql}; reset allow_system_table_mods`)
  return {
    seen: async () =>
      (
        await root.query<Seen>(
          `with gone as (delete from stand_in.seen returning *) select tag, object, setting, message from gone order by id`,
        )
      ).rows,
    distributed: async () =>
      (
        await root.query<{ nspname: string }>(
          'select nspname from pg_dist_schema join pg_namespace on oid = schemaid order by 1',
        )
      ).rows.map(({ nspname }) => nspname),
    during: async (sql, back, fn) => {
      await change(sql)
      try {
        return await fn()
      } finally {
        await change(back)
      }
    },
  }
}
