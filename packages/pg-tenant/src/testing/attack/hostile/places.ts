import type { CataloguePlace } from './kind.ts'

/** Everything of the catalogue that refers to a function, or holds an expression (manual 53; PostgreSQL knows its own references). */
export const PLACES_SQL = `select f.fktable::pg_catalog.text || '.' || c.name as place
  from pg_catalog.pg_get_catalog_foreign_keys() f cross join lateral pg_catalog.unnest(f.fkcols) c (name)
  where f.pktable = 'pg_catalog.pg_proc'::pg_catalog.regclass
  union
  select r.relname || '.' || a.attname
  from pg_catalog.pg_attribute a join pg_catalog.pg_class r on r.oid = a.attrelid
  where a.atttypid = 'pg_catalog.pg_node_tree'::pg_catalog.regtype and r.relkind = 'r'
    and r.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
  order by 1`

/** What a tenant cannot own, and a statement of its own that PostgreSQL refuses for that reason. */
export const REFUSED: readonly {
  readonly id: string
  readonly places: readonly CataloguePlace[]
  readonly sql: string
}[] = [
  {
    id: 'base type',
    places: [
      'pg_type.typinput',
      'pg_type.typoutput',
      'pg_type.typreceive',
      'pg_type.typsend',
      'pg_type.typmodin',
      'pg_type.typmodout',
      'pg_type.typanalyze',
      'pg_type.typsubscript',
    ],
    sql: 'create type $S.h_base (input = int4in, output = int4out)',
  },
  {
    id: 'operator class',
    places: ['pg_amproc.amproc'],
    sql: 'create operator class $S.h_class for type integer using btree as function 1 btint4cmp(integer, integer)',
  },
  {
    id: 'access method',
    places: ['pg_am.amhandler'],
    sql: 'create access method h_am type index handler bthandler',
  },
  {
    id: 'language',
    places: ['pg_language.lanplcallfoid', 'pg_language.laninline', 'pg_language.lanvalidator'],
    sql: 'create language h_language handler plpgsql_call_handler',
  },
  {
    id: 'untrusted language',
    places: [],
    sql: `create function $S.h_c() returns integer language c as 'libc', 'getpid'`,
  },
  {
    id: 'event trigger',
    places: ['pg_event_trigger.evtfoid'],
    sql: 'create event trigger h_event on ddl_command_start execute function $S.h_event()',
  },
  {
    id: 'foreign data wrapper',
    places: ['pg_foreign_data_wrapper.fdwhandler', 'pg_foreign_data_wrapper.fdwvalidator'],
    sql: 'create foreign data wrapper h_wrapper',
  },
  {
    id: 'text search',
    places: [
      'pg_ts_parser.prsstart',
      'pg_ts_parser.prstoken',
      'pg_ts_parser.prsend',
      'pg_ts_parser.prsheadline',
      'pg_ts_parser.prslextype',
      'pg_ts_template.tmplinit',
      'pg_ts_template.tmpllexize',
    ],
    sql: 'create text search template $S.h_template (lexize = dsimple_lexize)',
  },
  {
    id: 'support function',
    places: ['pg_proc.prosupport'],
    sql: `create function $S.h_support() returns integer language sql support pg_catalog.numeric_support as 'select 1'`,
  },
  // Those take values of type `internal`, which no language that a tenant may use can take.
  {
    id: 'function over internal values',
    places: [
      'pg_operator.oprrest',
      'pg_operator.oprjoin',
      'pg_conversion.conproc',
      'pg_transform.trffromsql',
      'pg_transform.trftosql',
      'pg_aggregate.aggserialfn',
      'pg_aggregate.aggdeserialfn',
    ],
    sql: 'create function $S.h_internal(internal) returns internal language plpgsql as $f$ begin return $1; end $f$',
  },
  {
    id: 'function over an unfinished type',
    places: ['pg_range.rngcanonical'],
    sql: `do $do$ begin create type $S.h_shell; create function $S.h_canonical($S.h_shell) returns $S.h_shell
      language plpgsql as $f$ begin return $1; end $f$; end $do$`,
  },
  {
    id: 'publication',
    places: ['pg_publication_rel.prqual'],
    sql: 'create publication h_publication for table $S.notes',
  },
]
