/**
 * Operators and functions that fit better than the catalogue's own: PostgreSQL takes the best match of all schemas of the
 * path, so that a query which compares an `oid` with a `regnamespace`, or aggregates names, finds these first. Each does
 * what the one that it stands in for does. Families of types between which the catalogue itself has no operator.
 */
const OPERATORS = `do $do$
declare l text; r text; family text; types text[];
begin
  foreach family in array array['oid', 'text'] loop
    types := case family when 'oid' then array['oid', 'regclass', 'regnamespace', 'regrole', 'regtype', 'regproc']
      else array['name', 'text', 'varchar', 'bpchar', '"char"'] end;
    foreach l in array types loop foreach r in array types loop
      continue when exists (select from pg_catalog.pg_operator o where o.oprname = '=' and o.oprleft = l::regtype
        and o.oprright = r::regtype);
      execute format('create function $S.h_compare(%s, %s) returns boolean language plpgsql as $f$ begin
        perform $S.h_probe(''shadow.operator''); return $1::%s operator(pg_catalog.=) $2::%s; end $f$', l, r, family, family);
      execute format('create operator $S.= (leftarg = %s, rightarg = %s, function = $S.h_compare)', l, r);
    end loop; end loop;
  end loop;
end $do$`

/** Name, arguments, result, and the expression that gives it. */
const FUNCTIONS: readonly (readonly [string, string, string, string])[] = [
  ['format', 'text, name', 'text', 'pg_catalog.format($1, $2)'],
  ['format', 'text, name, name', 'text', 'pg_catalog.format($1, $2, $3)'],
  ['format', 'text, text', 'text', 'pg_catalog.format($1, $2)'],
  ['concat', 'text, text', 'text', 'pg_catalog.concat($1, $2)'],
  ['concat_ws', 'text, text, text', 'text', 'pg_catalog.concat_ws($1, $2, $3)'],
  ['quote_ident', 'name', 'text', 'pg_catalog.quote_ident($1::pg_catalog.text)'],
  ['lower', 'varchar', 'text', 'pg_catalog.lower($1::pg_catalog.text)'],
  ['length', 'varchar', 'integer', 'pg_catalog.length($1::pg_catalog.text)'],
  ['starts_with', 'name, text', 'boolean', 'pg_catalog.starts_with($1::pg_catalog.text, $2)'],
  ['array_length', 'text[], integer', 'integer', 'pg_catalog.array_length($1, $2)'],
  ['array_to_string', 'text[], text', 'text', 'pg_catalog.array_to_string($1, $2)'],
  ['unnest', 'text[]', 'setof text', 'pg_catalog.unnest($1)'],
  ['hashtextextended', 'varchar, integer', 'bigint', 'pg_catalog.hashtextextended($1::pg_catalog.text, $2)'],
  ['has_schema_privilege', 'name, name, text', 'boolean', 'true'],
  ['pg_get_expr', 'pg_node_tree, regclass', 'text', 'pg_catalog.pg_get_expr($1, $2::pg_catalog.oid)'],
]

const functionSql = ([name, args, result, expression]: (typeof FUNCTIONS)[number]) =>
  result.startsWith('setof')
    ? `create function $S.${name}(${args}) returns ${result} language plpgsql as $f$ begin
        perform $S.h_probe('shadow.${name}'); return query select ${expression}; end $f$`
    : `create function $S.${name}(${args}) returns ${result} language plpgsql as $f$ begin
        perform $S.h_probe('shadow.${name}'); return ${expression}; end $f$`

/** A value of each type that stands in their arguments. */
const VALUES: Readonly<Record<string, string>> = {
  text: `'a'::text`,
  name: `'a'::name`,
  varchar: `'a'::varchar`,
  integer: '1',
  'text[]': `array['a']::text[]`,
  regclass: `'pg_class'::regclass`,
  pg_node_tree: 'null::pg_node_tree',
}

/** Calls of each, as somebody writes them who thinks of the catalogue's. */
export const SHADOWED: readonly string[] = [
  'select 1::oid operator($S.=) 1::regnamespace',
  ...FUNCTIONS.map(
    ([name, args]) =>
      `select $S.${name}(${args
        .split(', ')
        .map((type) => VALUES[type])
        .join(', ')})`,
  ),
]

export const SHADOWS: readonly string[] = [OPERATORS, ...FUNCTIONS.map(functionSql)]
