import type { Random } from './random-schema.ts'

/** Columns of the tables that expressions are about. */
export const COLUMNS = `i int, s smallint, b bigint, n numeric(9,2), r double precision, v varchar(20), x text, c char(3), d date,
  z timestamptz, w timestamp, p interval, o boolean, j jsonb, a int[], vs varchar(5)[], u uuid, rg int4range, by bytea`

/** What an expression may name beside the columns above. */
export interface Names {
  /** before each column, as `new.` */
  readonly of?: string
  /** of the tenant's types: an enum of a and b, a domain over varchar, one over int, each with a column of the type */
  readonly own?: readonly (readonly [kind: 'enum' | 'text' | 'number', column: string, type: string])[]
  /** a table of the same columns that subqueries read */
  readonly table?: string
  /** leaves out what depends on settings, as stored columns and indexes must */
  readonly immutable?: boolean
}

const TEXTS = ["'a'", "'b'", "'it''s'", `E'\\\\n'`, "''", "'A%'", 'null::text', "'x'::varchar(3)"]
const NUMBERS = ['0', '-1', '2', '1.5', '3000000000', "'7'::int", '1e3', '(- 3)', 'null::int']

/** An expression as people write them, of any depth: what the server words otherwise once it has read it is among them. */
export function expressions({ int, pick, once }: Random, { of = '', own = [], table, immutable }: Names) {
  const col = (...names: string[]) => of + pick(names)
  const ownOf = (kind: string) => own.filter(([is]) => is === kind).map(([, column]) => of + column)
  const list = (make: () => string) => Array.from({ length: 1 + int(3) }, make).join(', ')
  const oneOf = (makers: readonly (() => string)[]) => pick(makers)()

  const number = (depth: number): string => {
    if (depth <= 0)
      return oneOf([
        () => col('i', 's', 'b', 'n', 'r'),
        () => pick(NUMBERS),
        () => pick([`${of}i`, ...ownOf('number')]),
      ])
    const one = () => number(depth - 1)
    return oneOf([
      () => `${one()} ${pick(['+', '-', '*', '%'])} ${one()}`,
      () => `- ${one()}`,
      () => `coalesce(${one()}, ${one()})`,
      () => `${pick(['greatest', 'least'])}(${one()}, ${one()})`,
      () => `nullif(${one()}, ${one()})`,
      () => `case when ${truth(depth - 1)} then ${one()} ${pick(['', `else ${one()} `])}end`,
      () => `case ${one()} when ${one()} then ${one()} else ${one()} end`,
      () => `length(${text(depth - 1)})`,
      () => `position(${text(depth - 1)} in ${text(depth - 1)})`,
      () => `extract(${pick(['year', 'dow'])} from ${col('d', 'w')})`,
      () => `(${one()})::${pick(['int', 'numeric(5,1)', 'bigint', 'float4'])}`,
      () => `cast(${one()} as ${pick(['int', 'numeric'])})`,
      () => `${of}a[${1 + int(3)}]`,
      () => `array_length(${pick([`${of}a`, `${of}a[2:3]`, `${of}a || 4`])}, 1)`,
      () => `(${of}j ->> 'k')::int`,
      () => `upper(${of}rg)`,
      ...(table
        ? [() => `(select count(*) from ${table})`, () => `(select max(i) from ${table} where o)`]
        : []),
    ])
  }

  const text = (depth: number): string => {
    if (depth <= 0)
      return oneOf([() => col('v', 'x', 'c'), () => pick(TEXTS), () => pick([`${of}v`, ...ownOf('text')])])
    const one = () => text(depth - 1)
    return oneOf([
      () => `${one()} || ${one()}`,
      () => `${pick(['lower', 'upper', 'btrim'])}(${one()})`,
      () => `trim(${pick(['both', 'leading', 'trailing'])} 'x' from ${one()})`,
      () => `substring(${one()} from ${1 + int(3)}${pick(['', ' for 2'])})`,
      () => `substring(${one()} ${pick(["from 'a+'", "similar 'a#\"b#\"c' escape '#'"])})`,
      () => `overlay(${one()} placing ${one()} from 2)`,
      () => `coalesce(${one()}, ${one()})`,
      () => `nullif(${one()}, ${one()})`,
      () => `(${one()})::${pick(['varchar(5)', 'text', 'char(2)', 'varchar'])}`,
      () => `(${one()}) collate "C"`,
      () => `${of}j #>> '{a,b}'`,
      () => `${of}vs[1]`,
      () => `case when ${truth(depth - 1)} then ${one()} else ${one()} end`,
      ...(immutable ? [] : [() => `concat(${one()}, ${number(depth - 1)})`, () => `to_char(${of}z, 'YYYY')`]),
      ...(own.length > 0 && !immutable ? [() => `${pick([`${of}x`, ...ownOf('enum')])}::text`] : []),
    ])
  }

  const truth = (depth: number): string => {
    const [n, t] = [() => number(depth - 1), () => text(depth - 1)]
    const not = () => pick(['', '', 'not '])
    const leaves: (() => string)[] = [
      () => `${t()} ${not()}in (${list(() => pick(TEXTS))})`,
      () => `${col('v', 'c', 'x')} ${not()}in (${list(() => pick(TEXTS.slice(0, 3)))})`,
      () => `${pick([`${of}v`, ...ownOf('text')])} ${not()}in ('a', 'b')`,
      () => `${col('v', 'x')} ${not()}in (${list(() => col('v', 'x', 'c'))}, 'a')`,
      () => `${n()} ${not()}in (${list(() => pick(NUMBERS))})`,
      () => `${pick([`${of}i`, `${of}s`, ...ownOf('number')])} ${not()}in (1, -2, 3)`,
      () => `${n()} ${not()}between ${pick(['', 'symmetric '])}${n()} and ${n()}`,
      () => `${n()} ${pick(['<', '<=', '=', '<>', '!=', '>='])} ${n()}`,
      () => `${t()} ${pick(['<', '=', '<>', '>='])} ${t()}`,
      () =>
        `${t()} ${not()}${pick(['like', 'ilike', 'similar to'])} ${pick(["'a%'", "'%_x'", "'a+|b'"])}${pick(['', " escape '!'"])}`,
      () => `${t()} ${pick(['~', '~*', '!~', '^@'])} ${pick(["'^a'", "'b$'", "'.*'"])}`,
      () =>
        `${col('v', 'x', 'c')} = ${pick(['any', 'all'])} (${pick(["'{a,b}'", "array['a', 'b']", "array['a'::varchar, 'b']", "array['a', 'b']::text[]"])})`,
      () =>
        `${col('i', 's', 'b')} ${pick(['=', '<', '<>'])} ${pick(['any', 'all'])} (${pick(["'{1,2}'", 'array[1, 2]', `${of}a`, 'array[1, 2]::int8[]'])})`,
      () => `${pick([n, t])()} is ${not()}null`,
      () => `${n()} is ${not()}distinct from ${n()}`,
      () => `(${truth(depth - 1)}) is ${not()}${pick(['true', 'false', 'unknown'])}`,
      () =>
        `${of}d ${pick(['<', '>='])} ${pick(["date '2024-02-29'", "'2024-01-01'", "'-infinity'", 'make_date(2020, 1, 1)'])}`,
      () => `${of}w ${pick(['+', '-'])} interval '1 day 2 hours' > ${of}d`,
      () =>
        `${of}p > ${pick(["'1 day'", "interval '1' month", "interval '1.5 h'", 'make_interval(days => 3)'])}`,
      () => `(${col('i', 's')}, ${col('n', 'b')}) ${pick(['=', '<', '>='])} (${n()}, 2)`,
      () => `(${of}i, ${of}v) ${not()}in ((1, 'a'), (2, 'b'))`,
      () => `row(${of}i, ${of}s) is ${not()}distinct from row(${of}s, 1)`,
      () =>
        `${of}j ${pick(["? 'k'", `@> '{"a": 1}'`, "?| array['a', 'b']", "@? '$.a[*] ? (@ > 2)'", "#> '{a}' is null"])}`,
      () =>
        `${of}a ${pick(['&& array[1, 2]', "@> '{1}'", '<@ array[1, null]', "= '{}'", '<> array[]::int[]'])}`,
      () => `${of}vs ${pick(["<@ array['a', 'b']::varchar[]", "&& '{a}'", "= array['a']::varchar(5)[]"])}`,
      () => `${of}rg ${pick(['@> 3', '&& int4range(1, 5)', "<> 'empty'", "-|- '[1,2)'"])}`,
      () => `(${of}d, ${of}d + 1) overlaps (date '2020-01-01', '2021-01-01'::date)`,
      () => `${of}u <> '00000000-0000-0000-0000-000000000001'`,
      () => `${of}by ${pick(["<> '\\x00'", "= ''::bytea", 'is null'])}`,
      () => pick([`${of}o`, `not ${of}o`, `${of}o = true`, `${of}o <> false`]),
      ...ownOf('enum').map(
        (column) => () => `${column} ${pick(['=', '<', 'in', 'not in'])} ${pick(["('a')", "('b')"])}`,
      ),
      ...(immutable
        ? []
        : [
            () =>
              `${of}z > ${pick(["now() - interval '1 year'", 'current_timestamp', "'2020-01-01'", "timestamptz '2020-01-01 00:00+02'"])}`,
            () => `${of}z at time zone 'utc' < ${of}w`,
            () => `${of}d <= current_date`,
            () => `${of}x <> ${pick(['current_user', 'session_user', "current_setting('a.b', true)"])}`,
          ]),
      ...(table
        ? [
            () => `${not()}exists (select from ${table} q where q.i = ${of || ''}i)`,
            () => `${n()} ${not()}in (select i from ${table})`,
            () => `${t()} = any (select v from ${table} where i between 1 and 2)`,
          ]
        : []),
    ]
    if (depth <= 0) return oneOf(leaves)
    const one = () => truth(depth - 1)
    return oneOf([
      () => oneOf(leaves),
      () => oneOf(leaves),
      () => `${one()} ${pick(['and', 'or'])} ${one()}`,
      () => `(${one()} ${pick(['and', 'or'])} ${one()}) and ${one()}`,
      () => `not (${one()})`,
      () => `case when ${one()} then ${one()} else ${once(2) ? 'true' : one()} end`,
    ])
  }
  return { number, text, truth }
}
