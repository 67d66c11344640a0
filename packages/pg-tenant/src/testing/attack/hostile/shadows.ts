/**
 * Operators and functions that fit better than the catalogue's own: PostgreSQL takes the best match of all schemas of the
 * path, so that a query which compares an `oid` with a `regnamespace`, or aggregates names, finds these first. Each does
 * what the one that it stands in for does. Families of types between which the catalogue itself has no operator.
 */
const FAMILIES: Readonly<Record<string, readonly string[]>> = {
  oid: ['oid', 'regclass', 'regnamespace', 'regrole', 'regtype', 'regproc'],
  text: ['name', 'text', 'varchar', 'bpchar', '"char"'],
}

/** Those that the catalogue has. */
const THERE: ReadonlySet<string> = new Set([
  'oid oid',
  'name name',
  'text text',
  'bpchar bpchar',
  '"char" "char"',
  'name text',
  'text name',
])

const operatorSql = (family: string, left: string, right: string) => [
  `create function $S.h_compare(${left}, ${right}) returns boolean language plpgsql as $f$ begin
    perform $S.h_probe('shadow.operator'); return $1::${family} operator(pg_catalog.=) $2::${family}; end $f$`,
  `create operator $S.= (leftarg = ${left}, rightarg = ${right}, function = $S.h_compare)`,
]

const OPERATORS = Object.entries(FAMILIES).flatMap(([family, types]) =>
  types.flatMap((left) =>
    types.flatMap((right) => (THERE.has(`${left} ${right}`) ? [] : operatorSql(family, left, right))),
  ),
)

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

export const SHADOWS: readonly string[] = [...OPERATORS, ...FUNCTIONS.map(functionSql)]
