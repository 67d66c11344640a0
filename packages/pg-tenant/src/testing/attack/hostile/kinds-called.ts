import { insert, type Kind, kind, table, trigger } from './kind.ts'
import { SAID } from './probe.ts'

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

/** Code that is called, or that a trigger calls. */
export const CALLED: readonly Kind[] = [
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
]
