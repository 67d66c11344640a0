import { COLUMNS, expressions } from './random-expressions.ts'
import type { Random } from './random-schema.ts'
import type { Situation } from './situation.ts'

/** Random expressions wherever an object can hold one: the server words many of them otherwise when it has read its own words. */
export const worded: Situation = (random, name) => {
  const { int, pick, once } = random
  const [mood, short, count, table, other] = [name(), name(), name(), name(), name()]
  const own = [
    ['enum', 'mood', mood],
    ['text', 'short', short],
    ['number', 'count', count],
  ] as const
  const stored = expressions(random, { own, immutable: true })
  const loose = expressions(random, { own })
  const fresh = expressions(random, { own, of: 'new.' })
  const read = expressions(random, { own, table: other })
  const deep = () => int(3)
  const places: (() => string[])[] = [
    () => [
      `alter table ${table} add ${once(2) ? `constraint ${name()} ` : ''}check (${loose.truth(deep())})${once(4) ? ' not valid' : ''}`,
    ],
    () => [
      `alter table ${table} add column ${name()} boolean generated always as (${stored.truth(deep())}) stored`,
    ],
    () => [
      `alter table ${table} add column ${name()} ${pick(['text', 'varchar(9)', 'varchar'])} generated always as (${stored.text(deep())}) stored`,
    ],
    () => [
      `alter table ${table} add column ${name()} numeric generated always as (${stored.number(deep())}) virtual`,
    ],
    () => [
      `create ${once(3) ? 'unique ' : ''}index on ${table} ((${stored.text(deep())}), (${stored.number(1)})) where ${stored.truth(deep())}`,
    ],
    () => [
      `create index on ${table} using ${pick(['hash', 'brin'])} ((${stored.number(deep())})) where ${stored.truth(1)}`,
    ],
    () => [
      `create statistics ${name()} on (${stored.truth(deep())}), (${stored.text(deep())}), i from ${table}`,
    ],
    () => [
      `create policy ${name()} on ${table} using (${read.truth(deep())})${once(2) ? ` with check (${read.truth(deep())})` : ''}`,
    ],
    () => [
      `create rule ${name()} as on ${pick(['insert', 'update'])} to ${other} where ${fresh.truth(deep())} do ${pick(['instead', 'also'])} ${pick(['nothing', `update ${table} set v = ${pick(["'a'", 'new.v'])} where ${pick(['i = new.i', "v in ('a', 'b')", 'i between 1 and new.i and n > 1'])}`])}`,
    ],
    () => {
      const f = name()
      return [
        `create function ${f}() returns trigger language plpgsql as 'begin return new; end'`,
        `create trigger ${name()} before ${pick(['insert', 'insert or update', 'update of v, i'])} on ${table} for each row when (${fresh.truth(deep())}) execute function ${f}()`,
      ]
    },
    () => [`alter table ${table} add exclude using gist (rg with &&) where (${stored.truth(deep())})`],
    () => [
      `create domain ${name()} as ${pick([short, count, 'varchar(7)', 'text', 'int', 'numeric(4,1)'])} ${pick(['', 'default 1 '])}check (${pick(['value in (1, 2)', "value in ('a', 'b')", "value not in ('a')", 'value between 1 and 5 and value <> 3', "value ~ '^[a-z]+$' or value = ''", 'value > 0 is not false', "length(value) between 1 and 5 and value like 'a%'"])})`,
    ],
    () => [
      `create function ${name()}(p ${pick(['int', count])} default ${pick(['1', '-2'])}) returns boolean language sql begin atomic select ${read.truth(deep())} from ${table} limit 1; end`,
    ],
    () => [
      `create function ${name()}() returns void language sql begin atomic ${pick([`insert into ${other} (i, v) select ${read.number(1)}, ${read.text(1)} from ${table} where ${read.truth(deep())}`, `update ${other} set v = ${loose.text(1)} where ${loose.truth(deep())}`, `delete from ${other} using ${table} t where t.i = ${other}.i and t.v in ('a', 'b')`])}; end`,
    ],
    () => [
      `create table ${name()} (${COLUMNS}) partition by ${pick(['range', 'list', 'hash'])} ((${expressions(random, { immutable: true })[pick(['number', 'text'] as const)](deep())}))`,
    ],
    () => [
      `alter table ${table} alter column ${pick(['x', 'v', 'c'])} set default ${pick(["'a' || 'b'", "'a'::varchar(3)", 'current_user', "upper('a')", "coalesce(null, 'x')", "case when 1 in (1, 2) then 'y' end"])}`,
    ],
    () => [
      `alter table ${table} alter column ${pick(['i', 'n', 'b'])} set default ${pick(['- 1', '1 + 2', '(-3)', "'4'", 'extract(year from current_date)::int', 'length(current_user)'])}`,
    ],
    ...[
      () => [
        `create ${once(4) ? 'materialized ' : ''}view ${name()} as ${query(random, table, other, read)}`,
      ],
    ].flatMap((one) => [one, one, one, one]),
  ]
  const made = [
    `create type ${mood} as enum ('a', 'b')`,
    `create domain ${short} as varchar(9)${once(2) ? " check (value in ('a', 'b') or value between 'c' and 'd' and value <> 'cc')" : ''}`,
    `create domain ${count} as int${once(2) ? ' check (value in (1, 2) or value > 3)' : ''}`,
    ...[table, other].map(
      (each) => `create table ${each} (${COLUMNS}, mood ${mood}, short ${short}, count ${count})`,
    ),
    `insert into ${table} (i, v, short, count, mood, a, d) values (1, 'a', 'a', 1, 'a', '{1,2}', '2024-01-01'), (null, null, null, null, null, null, null)`,
  ]
  for (let at = 3 + int(8); at > 0; at--) made.push(...pick(places)())
  return [
    ...made,
    `insert into ${table} (i, v, n, c, z) values (2, 'b', 1.5, 'b', '2020-02-02'), (-1, 'it''s', -1, '', 'infinity')`,
  ]
}

/** A query as views have them: joins, groups, windows, sets, subqueries. */
function query(
  { pick, once }: Random,
  one: string,
  other: string,
  { number, text, truth }: ReturnType<typeof expressions>,
): string {
  const where = once(3) ? '' : ` where ${truth(2)}`
  const t = `select t.i, t.v, t.n, t.d, t.x from ${one} t`
  return pick([
    () =>
      `select i, v, ${number(2)} as m, ${text(2)} as k, ${truth(1)} as l from ${one}${where}${once(2) ? ' order by i desc nulls last, v limit 5' : ''}`,
    () => `select * from ${one}${where}`,
    () =>
      `select t.*, q.v as q from ${one} t ${pick(['', 'left ', 'right ', 'full '])}join ${other} q ${pick(['on t.i = q.i', 'on t.i between q.i and q.s and q.o', "on (t.i, t.v) = (q.i, q.v) and q.v in ('a', 'b')"])}`,
    () =>
      `select i, v, t.x as tx, q.x as qx from ${one} t ${pick(['', 'left ', 'full '])}join ${other} q using (i, v)${once(2) ? '' : ' where i in (1, 2)'}`,
    () =>
      `select i, n from (select i, n from ${one}) t natural ${pick(['', 'left '])}join (select ${pick(['i', 'i as unlike'])} from ${other}) q`,
    () =>
      `select v, count(*), count(*) filter (where ${truth(1)}) as f, sum(${number(1)}) as s, string_agg(distinct v, ',' order by v) as g from ${one}${where} group by ${pick(['v', '1', 'rollup (v)', 'grouping sets ((v), ())', 'cube (v)'])}${once(2) ? " having count(*) > 1 and max(v) in ('a', 'b')" : ''}`,
    () =>
      `select i, rank() over w as r, lag(v, 1) over (partition by v order by d rows between 1 preceding and current row) as l, sum(n) over (order by i range between unbounded preceding and 1 following exclude ties) as s from ${one} window w as (order by i)`,
    () =>
      `${t} ${pick(['union', 'union all', 'except', 'intersect'])} (${t}${where.replaceAll(' where', ' where t.i is null or')} order by 1 limit 3)`,
    () =>
      `with ${pick(['', 'recursive '])}c as ${pick(['', 'materialized ', 'not materialized '])}(select i, v from ${one}${where}) select c.i, q.v from c, lateral (select v from ${other} where ${other}.i = c.i limit 1) q`,
    () =>
      `with recursive c(i, h) as (select 1, array[1] union all select c.i + 1, h || c.i from c where c.i < 5 and c.i not in (7, 8)) ${pick(['', 'search depth first by i set o ', 'cycle i set f using p '])}select i from c`,
    () => `select distinct on (v) v, i from ${one}${where} order by v, i desc`,
    () =>
      `select g, o, k.key from ${one} t cross join generate_series(1, 3) with ordinality as g(g, o) left join lateral jsonb_each(t.j) k on true where g between 1 and 2 and o <> 9`,
    () => `values (1, 'a'), (2, null)`,
    () =>
      `select ${one}.v from ${one} tablesample bernoulli (50) repeatable (1), only ${other} q where q.v = ${pick([`${one}`, 't'])}.v`,
    () =>
      `select (t).i, row(t.i, t.v) as r, array(select i from ${other} where v in ('a', 'b')) as a, array[t.v, 'b'] as b, t.a[1:2] as s, t::text as whole from ${one} t`,
    () =>
      `select xmlelement(name e, xmlattributes(v as a), x) as e, ${pick(['j is json object', "json_object('k': v, 'n': n absent on null)", "jsonb_path_query_first(j, '$.a')", 'json_array(v, n)', "json_value(j, '$.a' returning int default 3 on empty)"])} as k from ${one}`,
    () =>
      `select v, percentile_cont(0.5) within group (order by n) as p, mode() within group (order by v) as m, array_agg(i order by i desc nulls last) as a, grouping(v) as g from ${one} group by grouping sets ((v), ())`,
    () =>
      `select t.i, (select v from ${other} where i = t.i and v not in ('a') limit 1) as s, t.i in (select i from ${other}) as e, t.v = any (array['a', 'b']) as y from ${one} t where (t.i, t.v) in (select i, v from ${other}) or not exists (select 1 from ${other} q where q.i = t.i and q.n between 1 and 2)`,
  ])()
}
