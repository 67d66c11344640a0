import { quoteIdentifier } from '../../../sql/identifier.ts'
import { SAID } from './probe.ts'
import { SHADOWED, SHADOWS } from './shadows.ts'

/** A place of the system catalogue that holds a function or an expression, as `pg_trigger.tgfoid`. */
export type CataloguePlace = `pg_${string}.${string}`

/** One kind of code that PostgreSQL lets a tenant own. */
export interface Kind {
  readonly id: string
  /** Where the catalogue keeps it. */
  readonly places: readonly CataloguePlace[]
  /** SQL of the tenant; `$S` is its schema, `$P` calls the probe. */
  readonly plant: readonly string[]
  /** SQL that makes it run; none for what only other code runs. */
  readonly fire: readonly string[]
  /** `rows`: a relation whose rows come out of it by SELECT. */
  readonly rows?: string
  /** Needs to own the table that migrations made: not at level `schema`, where scopes do not run as its owner. */
  readonly owner?: true
  /** Only hostile SQL makes it: a migration would be refused. */
  readonly runtime?: true
}

const kind = (
  id: string,
  places: readonly CataloguePlace[],
  plant: readonly string[],
  fire: readonly string[],
  more: Pick<Kind, 'rows' | 'owner' | 'runtime'> = {},
): Kind => ({ id, places, plant, fire, ...more })

const table = (name: string, columns = 'x integer') => `create table $S.h_${name} (${columns})`
const insert = (name: string) => `insert into $S.h_${name} values (1)`
const trigger = (name: string, table: string, when: string, tail: string) =>
  `create trigger h_${name.replaceAll(/[.-]/g, '_')} ${when} on ${table} ${tail} execute function $S.h_fire('${name}')`

const TRIGGERS = [
  ['before-row', 'before insert or update or delete', 'for each row'],
  ['after-row', 'after insert or update or delete', 'for each row'],
  ['before-statement', 'before insert or update or delete', 'for each statement'],
  ['after-statement', 'after insert or update or delete', 'for each statement'],
  ['truncate', 'before truncate', 'for each statement'],
  ['when', 'before insert or update', `for each row when ($S.h_probe('trigger.when-condition'))`],
] as const

/** The same triggers on a table of the tenant's own, and on the one that migrations made and change. */
const triggersOn = (where: string, name: string) => [
  ...TRIGGERS.map(([id, when, tail]) => trigger(`${id}.${name}`, where, when, tail)),
  `create constraint trigger h_deferred_${name} after insert or update or delete on ${where}
    deferrable initially deferred for each row execute function $S.h_fire('deferred.${name}')`,
]

/**
 * What a tenant can leave lying about for somebody else to run. Places that the catalogue has and this table has not are in
 * `places.ts`, each with the statement that PostgreSQL refuses.
 */
export const KINDS: readonly Kind[] = [
  kind('function.plpgsql', [], [], ['select $P(function.plpgsql)']),
  kind(
    'function.sql',
    ['pg_proc.prosqlbody'],
    [
      `create function $S.h_sql() returns boolean language sql as $f$ select $P(function.sql) $f$`,
      `create function $S.h_atomic() returns boolean language sql begin atomic select $P(function.atomic); end`,
    ],
    ['select $S.h_sql()', 'select $S.h_atomic()'],
  ),
  kind(
    'function.default-argument',
    ['pg_proc.proargdefaults'],
    [
      `create function $S.h_default(a boolean default $P(function.default-argument)) returns boolean language sql as 'select a'`,
    ],
    ['select $S.h_default()'],
  ),
  kind(
    'function.definer',
    [],
    [
      `create function $S.h_definer() returns boolean language sql security definer as $f$ select $P(function.definer) $f$`,
    ],
    ['select $S.h_definer()'],
  ),
  // Behind the change of role the tenant's own functions are out of reach, so that this one reports by itself.
  kind(
    'function.set-role',
    [],
    [
      `create function $S.h_set_role() returns void language plpgsql set role to 'none' as $f$ begin
        raise info '${SAID}%', pg_catalog.json_build_object('kind', 'function.set-role', 'session', session_user, 'user', current_user,
          'had', (select case when rolsuper or rolcreaterole then array['administrator'] else array[]::text[] end
            from pg_catalog.pg_roles where rolname = current_user)); end $f$`,
    ],
    ['select $S.h_set_role()'],
    { runtime: true },
  ),
  kind(
    'procedure',
    [],
    [
      `create procedure $S.h_procedure() language plpgsql as $f$ begin perform $P(procedure);
        begin commit; exception when others then null; end; end $f$`,
    ],
    ['call $S.h_procedure()'],
  ),
  kind('do', [], [], ['do $f$ begin perform $P(do); end $f$']),
  kind(
    'trigger',
    ['pg_trigger.tgfoid', 'pg_trigger.tgqual'],
    [table('triggers'), ...triggersOn('$S.h_triggers', 'own')],
    [
      insert('triggers'),
      'update $S.h_triggers set x = x',
      'delete from $S.h_triggers',
      'truncate $S.h_triggers',
      insert('triggers'),
    ],
    { rows: 'h_triggers' },
  ),
  kind(
    'trigger.notes',
    ['pg_trigger.tgfoid'],
    triggersOn('$S.notes', 'notes'),
    ['truncate $S.notes', `insert into $S.notes (body) values ('there')`, 'update $S.notes set body = body'],
    { owner: true },
  ),
  kind(
    'trigger.again',
    ['pg_trigger.tgfoid'],
    [
      table('again'),
      // Fired by SET CONSTRAINTS ALL IMMEDIATE, it defers what it does next: that runs inside COMMIT.
      `create function $S.h_fire_again() returns trigger language plpgsql as $f$ begin
        perform $S.h_probe('trigger.again-' || new.x);
        if new.x < 3 then
          set constraints all deferred;
          insert into $S.h_again values (new.x + 1);
        end if;
        return new; end $f$`,
      `create constraint trigger h_again after insert on $S.h_again deferrable initially deferred
        for each row execute function $S.h_fire_again()`,
    ],
    [insert('again')],
    { rows: 'h_again' },
  ),
  kind(
    'trigger.notes-again',
    ['pg_trigger.tgfoid'],
    [
      `create function $S.h_more() returns trigger language plpgsql as $f$ begin
        insert into $S.h_again values (1); return null; end $f$`,
      'create trigger h_more after insert or update on $S.notes for each statement execute function $S.h_more()',
    ],
    [],
    { owner: true },
  ),
  kind(
    'trigger.instead',
    ['pg_trigger.tgfoid'],
    [
      'create view $S.h_instead as select 1 as x',
      trigger('instead', '$S.h_instead', 'instead of insert', 'for each row'),
    ],
    ['insert into $S.h_instead values (1)'],
  ),
  kind(
    'trigger.transition',
    ['pg_trigger.tgfoid'],
    [
      table('transition'),
      trigger(
        'transition',
        '$S.h_transition',
        'after insert',
        'referencing new table as fresh for each statement',
      ),
    ],
    [insert('transition')],
    { rows: 'h_transition' },
  ),
  kind(
    'check',
    ['pg_constraint.conbin'],
    [table('check', `x integer check ($P(check))`)],
    [insert('check')],
    { rows: 'h_check' },
  ),
  kind(
    'check.notes',
    ['pg_constraint.conbin'],
    ['alter table $S.notes add constraint h_check check ($P(check.notes))'],
    [`update $S.notes set body = body`],
    { owner: true },
  ),
  kind(
    'domain',
    ['pg_constraint.conbin', 'pg_type.typdefaultbin'],
    [
      `create domain $S.h_domain as integer default ($S.h_int('domain.default', 1)) check ($P(domain.check))`,
      table('domains', 'x integer, d $S.h_domain'),
    ],
    ['insert into $S.h_domains (x) values (1)', 'select 1::$S.h_domain'],
    { rows: 'h_domains' },
  ),
  kind(
    'default',
    ['pg_attrdef.adbin'],
    [table('default', `x integer, d boolean default $P(default)`)],
    ['insert into $S.h_default (x) values (1)'],
    { rows: 'h_default' },
  ),
  kind(
    'default.notes',
    ['pg_attrdef.adbin'],
    ['alter table $S.notes add column h_default boolean default $P(default.notes)'],
    [`insert into $S.notes (body) values ('fires a default')`],
    { owner: true },
  ),
  kind(
    'generated.stored',
    ['pg_attrdef.adbin'],
    [table('stored', `x integer, g integer generated always as ($S.h_int('generated.stored', x)) stored`)],
    ['insert into $S.h_stored (x) values (1)'],
    { rows: 'h_stored' },
  ),
  kind(
    'cast',
    ['pg_cast.castfunc'],
    [
      'create type $S.h_pair as (a integer, b integer)',
      `create function $S.h_to_text($S.h_pair) returns text language plpgsql as $f$ begin perform $P(cast.implicit); return '(1,2)'; end $f$`,
      'create cast ($S.h_pair as text) with function $S.h_to_text($S.h_pair) as implicit',
      `create function $S.h_to_json($S.h_pair) returns json language plpgsql as $f$ begin perform $P(cast.json); return '1'; end $f$`,
      'create cast ($S.h_pair as json) with function $S.h_to_json($S.h_pair) as assignment',
      table('cast', 'x integer, p $S.h_pair'),
      'insert into $S.h_cast values (1, row(1, 2))',
    ],
    ['select p::text from $S.h_cast', 'select to_json(p) from $S.h_cast', 'select p::json from $S.h_cast'],
    { rows: 'h_cast' },
  ),
  kind(
    'operator',
    ['pg_operator.oprcode'],
    [
      "create type $S.h_enum as enum ('a', 'b')",
      `create function $S.h_same($S.h_enum, $S.h_enum) returns boolean language plpgsql as $f$ begin return $P(operator.enum); end $f$`,
      'create operator $S.= (leftarg = $S.h_enum, rightarg = $S.h_enum, function = $S.h_same, commutator = operator($S.=))',
      table('enums', 'x integer, e $S.h_enum primary key'),
      `insert into $S.h_enums values (1, 'a')`,
    ],
    [`select from $S.h_enums where e operator($S.=) 'a'`],
    { rows: 'h_enums' },
  ),
  kind('shadow', ['pg_operator.oprcode'], [...SHADOWS], SHADOWED),
  kind(
    'rule',
    ['pg_rewrite.ev_action', 'pg_rewrite.ev_qual'],
    [
      table('rule'),
      `create rule h_rule as on insert to $S.h_rule where $P(rule.where) do also select $P(rule.action)`,
    ],
    [insert('rule')],
    { rows: 'h_rule' },
  ),
  kind(
    'rule.notes',
    ['pg_rewrite.ev_action', 'pg_rewrite.ev_qual'],
    [`create rule h_rule as on delete to $S.notes where $P(rule.notes) do also select $P(rule.notes-action)`],
    [`delete from $S.notes where body = 'nobody'`],
    { owner: true },
  ),
  kind(
    'policy',
    ['pg_policy.polqual', 'pg_policy.polwithcheck'],
    [
      table('policy'),
      'alter table $S.h_policy enable row level security',
      'create policy h_policy on $S.h_policy using ($P(policy.using)) with check ($P(policy.check))',
    ],
    [
      'alter table $S.h_policy force row level security',
      insert('policy'),
      'select from $S.h_policy',
      'alter table $S.h_policy no force row level security',
    ],
    { rows: 'h_policy' },
  ),
  kind(
    'index',
    ['pg_index.indexprs', 'pg_index.indpred'],
    [
      table('index'),
      insert('index'),
      `create index h_index_expression on $S.h_index (($S.h_int('index.expression', x)))`,
      `create index h_index_predicate on $S.h_index (x) where $S.h_int('index.predicate', x) > 0`,
      `create index h_index_folded on $S.h_index (x) where $S.h_int('index.folded', 1) > 0`,
    ],
    [insert('index'), 'analyze $S.h_index', 'select from $S.h_index where x = 1', 'reindex table $S.h_index'],
    { rows: 'h_index' },
  ),
  kind(
    'index.notes',
    ['pg_index.indexprs', 'pg_index.indpred'],
    [
      `create index h_notes on $S.notes (($S.h_int('index.notes', 1)), body) where $S.h_int('index.notes-folded', 1) > 0`,
    ],
    [`update $S.notes set body = body`],
    { owner: true },
  ),
  kind(
    'view',
    ['pg_rewrite.ev_action'],
    [
      `create view $S.h_view as select $P(view) as x`,
      `create materialized view $S.h_matview as select $P(matview) as x`,
    ],
    ['select * from $S.h_view', 'refresh materialized view $S.h_matview'],
    { rows: 'h_view' },
  ),
  kind(
    'aggregate',
    [
      'pg_aggregate.aggfnoid',
      'pg_aggregate.aggtransfn',
      'pg_aggregate.aggfinalfn',
      'pg_aggregate.aggcombinefn',
      'pg_aggregate.aggmtransfn',
      'pg_aggregate.aggminvtransfn',
      'pg_aggregate.aggmfinalfn',
    ],
    [
      `create function $S.h_step(integer, integer) returns integer language sql as $f$ select $S.h_int('aggregate.step', 1) $f$`,
      `create function $S.h_final(integer) returns integer language sql as $f$ select $S.h_int('aggregate.final', 1) $f$`,
      `create aggregate $S.h_sum(integer) (sfunc = $S.h_step, stype = integer, initcond = '0', finalfunc = $S.h_final,
        combinefunc = $S.h_step, msfunc = $S.h_step, minvfunc = $S.h_step, mstype = integer, minitcond = '0', mfinalfunc = $S.h_final)`,
    ],
    ['select $S.h_sum(x) from (values (1), (2)) v (x)'],
  ),
  kind(
    'range',
    ['pg_range.rngsubdiff'],
    [
      `create function $S.h_difference(integer, integer) returns float8 immutable language sql as $f$ select $S.h_int('range', 1)::float8 $f$`,
      'create type $S.h_range as range (subtype = integer, subtype_diff = $S.h_difference)',
      table('ranges', 'x integer, r $S.h_range'),
      `insert into $S.h_ranges values (1, '[1,5)'), (2, '[3,9)')`,
      'create index h_ranges_gist on $S.h_ranges using gist (r)',
    ],
    ['analyze $S.h_ranges'],
    { rows: 'h_ranges' },
  ),
  // The key of one type refers to the key of another: checking it casts, as the owner of one table or the other.
  kind(
    'foreign-key',
    [],
    [
      table('keys', 'x integer primary key'),
      'create type $S.h_ref as (x integer)',
      `create function $S.h_ref_key(r $S.h_ref) returns integer immutable language sql as $f$ select $S.h_int('foreign-key.cast', (r).x) $f$`,
      'create cast ($S.h_ref as integer) with function $S.h_ref_key($S.h_ref) as implicit',
      'create table $S.h_refs (r $S.h_ref references $S.h_keys on delete cascade deferrable initially deferred)',
      trigger('cascade', '$S.h_refs', 'after delete', 'for each row'),
      'insert into $S.h_keys values (1), (2) on conflict do nothing',
      'insert into $S.h_refs values (row(1)), (row(2))',
    ],
    [
      'insert into $S.h_refs values (row(2))',
      'delete from $S.h_keys where x = 1',
      'insert into $S.h_keys values (1) on conflict do nothing',
    ],
    { rows: 'h_refs' },
  ),
  // What a migration does to a table, it does to its heirs.
  kind(
    'heir',
    [],
    [
      'create table $S.h_heir (check ($P(heir.check))) inherits ($S.notes)',
      trigger('heir', '$S.h_heir', 'before insert or update or delete', 'for each row'),
      `insert into $S.h_heir (id, body) values (1, 'there')`,
    ],
    ['update $S.notes set body = body'],
    { owner: true },
  ),
  kind(
    'statistics',
    ['pg_statistic_ext.stxexprs'],
    [
      table('statistics', 'x integer, y integer'),
      'insert into $S.h_statistics select i, i from generate_series(1, 10) i',
      `create statistics $S.h_stats on ($S.h_int('statistics', x)), y from $S.h_statistics`,
    ],
    ['analyze $S.h_statistics'],
    { rows: 'h_statistics' },
  ),
  kind(
    'partition',
    ['pg_partitioned_table.partexprs', 'pg_class.relpartbound'],
    [
      `create table $S.h_parted (x integer) partition by range (($S.h_int('partition.key', x)))`,
      `create table $S.h_part partition of $S.h_parted for values from ($S.h_int('partition.bound', 0)) to (100)`,
    ],
    ['insert into $S.h_parted values (1)'],
    { rows: 'h_parted' },
  ),
]

/** What the kinds stand on: functions that call the probe where a value, or immutability, is asked for. */
export const FOUNDATION: readonly string[] = [
  `create function $S.h_int(kind text, x integer) returns integer immutable language plpgsql as $f$
    begin perform $S.h_probe(kind); return x; end $f$`,
  `create function $S.h_fire() returns trigger language plpgsql as $f$
    begin perform $S.h_probe('trigger.' || tg_argv[0]); return coalesce(new, old); end $f$`,
]

/** Puts names in: `$S` the schema (left out: whatever the path finds), `$P(kind)` a call of the probe. */
export function withNames(sql: string, schema?: string): string {
  const called = sql.replaceAll(/\$P\(([\w.-]+)\)/g, `$S.h_probe('$1')`)
  if (schema !== undefined) return called.replaceAll('$S', quoteIdentifier(schema))
  // PostgreSQL 17 and later build indexes with nothing but the catalogue in the path.
  return called
    .replaceAll('$S.', '')
    .replaceAll(/( language \w+(?: security definer)?) as /g, '$1 set search_path from current as ')
}

const CALLS_OF_THE_PROBE = /\$P\(([\w.-]+)\)|h_int\('([\w.-]+)'|h_fire\('([\w.-]+)'|h_probe\('+([\w.-]+)'/g

/** How each piece of planted code names itself. */
export function namesOf({ plant, fire }: Kind): readonly string[] {
  return [...plant, ...fire]
    .flatMap((sql) =>
      [...sql.matchAll(CALLS_OF_THE_PROBE)].map(
        ([, called, value, fired, probed]) =>
          called ?? value ?? (fired ? `trigger.${fired}` : (probed ?? '')),
      ),
    )
    .filter((name) => !name.endsWith('-'))
}
