import { SITUATIONS } from './random-situations.ts'

/** A source of choices that a seed decides (mulberry32). */
export interface Random {
  /** A whole number from 0 to `below` - 1. */
  int(below: number): number
  pick<T>(items: readonly T[]): T
  /** Whether something that happens once in `times`. */
  once(times: number): boolean
}

export function randomOf(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (below: number) => Math.floor(next() * below)
  return { int, pick: (items) => items[int(items.length)] as never, once: (times) => int(times) === 0 }
}

/** Names that break what is not quoted, shadow the catalogue, or look like something else. */
const NAMES = [
  'plain',
  'Mixed Case',
  'quo"te',
  "apo'strophe",
  'dot.ted',
  'select',
  'r',
  't',
  'exported',
  'line',
  'ünïcödé 日本',
  'pg_class',
  'text',
  'lower',
  'tab\tbed',
  'new\nline',
  '$$',
  '--',
  '/* */',
  'as',
  'search_path',
  'pg_here',
  'x'.repeat(63),
  'back\\slash',
  '%I',
  ';',
  'c_',
  'int4',
  '__proto__',
  'constructor',
  '$&',
  "$'",
  '$1',
  'pg_tenant:here',
  '{a,b}',
  '%s%L',
  '\u202e\u0301',
]
const quote = (name: string) => `"${name.replaceAll('"', '""')}"`

/** Types of columns, with a literal for each of a few rows. */
const TYPES: readonly (readonly [string, readonly string[]])[] = [
  ['int', ['1', '-2', 'null']],
  ['bigint', ['9223372036854775807', '0']],
  ['numeric(12,3)', ['1.5', "'NaN'"]],
  ['text', ["'a'", "E'tab\\tx\\\\y\\nz'", "''", 'null', "'=1+1'"]],
  ['varchar(20)', ["'enc:v1:abc'", "'b'"]],
  ['char(5)', ["'a'", "'bcd'"]],
  ['timestamptz', ["'2024-01-01 00:00Z'", "'infinity'"]],
  ['date', ["'2024-02-29'", "'4713-01-01 BC'"]],
  ['interval', ["'1 mon -3 days'"]],
  ['bytea', ["'\\x00ff'"]],
  ['jsonb', [`'{"a": [1, null]}'`, "'null'"]],
  ['json', [`E'{ "a" : 1,\\n "a":2}'`]],
  ['text[]', ['\'{a,NULL,""}\'', "'{}'"]],
  ['int4range', ["'[1,5)'", "'empty'"]],
  ['int4multirange', ["'{[1,2),[4,9)}'"]],
  ['uuid', ["'00000000-0000-0000-0000-000000000001'"]],
  ['regclass', ["'pg_type'"]],
  ['"char"', ["'c'"]],
  ['bit varying(9)', ["'101'"]],
  ['point', ["'(1,2)'"]],
  ['tsvector', ["'a:1 b'"]],
  ['double precision', ["'-0'", "'Infinity'"]],
]

/**
 * SQL that makes a schema, one statement each; not all of them are valid, which whoever runs them passes over.
 * @param own names that stand in the way of a restore under another key: the schema's own, the role's
 */
export function randomSchema(random: Random, own: readonly string[] = []): string[] {
  const { int, pick, once } = random
  const statements: string[] = []
  let count = 0
  const names = [...NAMES, ...own]
  const name = () => `${pick(names).slice(0, 55)}${count++ % 3 === 0 && once(2) ? '' : count}`
  const made: {
    types: string[]
    tables: { name: string; columns: string[]; key: boolean }[]
    functions: string[]
  } = {
    types: [],
    tables: [],
    functions: [],
  }
  const type = (): readonly [string, readonly string[]] =>
    made.types.length > 0 && once(4) ? ([pick(made.types), ['null']] as const) : pick(TYPES)
  const kinds: (() => void)[] = [
    () => {
      const own = quote(name())
      made.types.push(own)
      statements.push(
        `create type ${own} as enum ('a', 'it''s', '=x')`,
        `alter type ${own} add value 'late' before 'a'`,
      )
    },
    () => {
      const own = quote(name())
      statements.push(`create type ${own} as (${quote(name())} int, b ${type()[0]})`)
      made.types.push(own)
    },
    () => {
      const own = quote(name())
      const check = pick(["value <> 'q'", 'value is not null or true', 'length(value) < 99'])
      statements.push(
        `create domain ${own} as text ${once(2) ? `default 'd'` : ''} constraint ${quote(name())} check (${check})`,
      )
      made.types.push(own)
      if (once(3)) made.types.push(`${own}[]`)
    },
    () => {
      const own = quote(name())
      statements.push(`create type ${own} as range (subtype = ${pick(['float8', 'int', 'date'])})`)
      made.types.push(own)
    },
    () => {
      const own = quote(name())
      const table = made.tables.length > 0 ? pick(made.tables).name : undefined
      const body = table ? `select count(*) >= 0 from ${table}` : 'select true'
      statements.push(
        `create function ${own}(anyelement) returns boolean language sql stable as $b$ ${body} $b$`,
      )
      made.functions.push(own)
      statements.push(`create function ${quote(name())}(a int default 3, variadic b text[] default '{}') returns int immutable language plpgsql
        set search_path to ${pick(['public', 'pg_catalog, pg_temp'])} as $f$ begin return a; end $f$`)
      statements.push(
        `create function ${quote(name())}(x int) returns int language sql immutable begin atomic select x + 1; end`,
      )
    },
    () => {
      const own = quote(name())
      statements.push(`create aggregate ${own}(int) (sfunc = int4pl, stype = int, initcond = '0')`)
      statements.push(`create procedure ${quote(name())}(x int) language sql as 'select 1'`)
      statements.push(
        `create sequence ${quote(name())} as ${pick(['int', 'bigint'])} increment ${pick(['7', '-1'])} ${once(2) ? 'cycle' : ''}`,
      )
    },
    () => {
      const own = quote(name())
      statements.push(
        `create collation ${own} (provider = icu, locale = 'de-u-co-phonebk', deterministic = ${once(2)})`,
      )
      statements.push(`create text search configuration ${quote(name())} (copy = simple)`)
      statements.push(
        `create operator === (leftarg = int, rightarg = int, function = int4eq, commutator = ===, negator = <~>)`,
      )
    },
  ]
  const addTable = () => {
    const own = quote(name())
    const key = !once(4)
    const columns = new Map<string, readonly string[]>()
    const definitions: string[] = key
      ? [
          `id ${pick(['bigint generated always as identity', 'int generated by default as identity (increment 3)', 'serial'])} primary key`,
        ]
      : []
    for (let at = int(5); at >= 0; at--) {
      const column = quote(name())
      const [kind, values] = type()
      const extra = once(5) ? ` default ${values[0]}` : ''
      definitions.push(
        `${column} ${kind}${extra}${once(9) && values[0] !== 'null' ? ` constraint ${quote(name())} not null` : ''}`,
      )
      columns.set(column, values)
    }
    if (once(3)) definitions.push(`n int, twice int generated always as (n * 2) stored`)
    if (once(4) && made.functions.length > 0)
      definitions.push(`checked int, constraint ${quote(name())} check (${pick(made.functions)}(checked))`)
    statements.push(
      `create ${once(8) ? 'unlogged ' : ''}table ${own} (${definitions.join(', ')})${once(6) ? ' with (fillfactor = 70)' : ''}`,
    )
    made.tables.push({ name: own, columns: [...columns.keys()], key })
    for (let row = int(4); row > 0; row--) {
      const names = [...columns.keys()]
      const values = names.map((column) => pick(columns.get(column) ?? ['null']))
      statements.push(
        names.length === 0
          ? `insert into ${own} default values`
          : `insert into ${own} (${names.join(', ')}) values (${values.join(', ')})`,
      )
    }
  }
  const aboutTable: ((table: { name: string; columns: string[]; key: boolean }) => void)[] = [
    ({ name: table, columns }) =>
      statements.push(
        `create ${once(3) ? 'unique ' : ''}index ${quote(name())} on ${table} (${pick(columns)}${once(4) ? ' desc' : ''})`,
      ),
    ({ name: table, columns }) =>
      statements.push(
        `create index on ${table} ((${pick(columns)}::text)) where ${pick(columns)} is not null`,
      ),
    ({ name: table }) => {
      const other = pick(made.tables.filter(({ key }) => key))
      if (other)
        statements.push(
          `alter table ${table} add column ${quote(name())} bigint references ${other.name} ${pick(['', 'on delete cascade', 'deferrable initially deferred', 'not valid'])}`,
        )
    },
    ({ name: table, columns }) =>
      statements.push(
        `create ${once(3) ? 'materialized ' : ''}view ${quote(name())} as select ${columns.join(', ')}, count(*) over () as n from ${table}`,
      ),
    ({ name: table, columns }) =>
      statements.push(
        `create view ${quote(name())} with (security_barrier, check_option = local) as select ${pick(columns)} from ${table} where true`,
      ),
    ({ name: table }) => {
      const trigger = quote(name())
      statements.push(
        `create function ${trigger}() returns trigger language plpgsql as $t$ begin return new; end $t$`,
      )
      statements.push(
        `create trigger ${trigger} ${pick(['before', 'after'])} insert or update on ${table} for each row execute function ${trigger}()`,
      )
      if (once(2))
        statements.push(
          `alter table ${table} ${pick(['disable', 'enable always', 'enable replica'])} trigger ${trigger}`,
        )
      if (once(3))
        statements.push(
          `create constraint trigger ${quote(name())} after insert on ${table} deferrable initially deferred for each row execute function ${trigger}()`,
        )
    },
    ({ name: table }) =>
      statements.push(`create rule ${quote(name())} as on delete to ${table} do also select 1`),
    ({ name: table }) => {
      statements.push(
        `alter table ${table} enable row level security`,
        `create policy ${quote(name())} on ${table} ${once(2) ? 'as restrictive' : ''} for ${pick(['all', 'select', 'update'])} using (true)`,
      )
      if (once(2)) statements.push(`alter table ${table} force row level security`)
    },
    ({ name: table, columns }) =>
      statements.push(
        `create statistics ${quote(name())} (ndistinct, mcv) on ${columns.slice(0, 2).join(', ')}${columns.length < 2 ? ', id' : ''} from ${table}`,
      ),
    ({ name: table, columns }) =>
      statements.push(
        `comment on table ${table} is 'it''s \\ $$'`,
        `comment on column ${table}.${pick(columns)} is E'\\n'`,
      ),
    ({ name: table }) =>
      statements.push(`grant select on ${table} to public`, `revoke delete on ${table} from current_user`),
    ({ name: table, columns }) =>
      statements.push(
        `alter table ${table} alter column ${pick(columns)} set statistics 77`,
        `alter table ${table} alter column ${pick(columns)} set storage external`,
        `alter table ${table} replica identity full`,
      ),
    ({ name: table }) => {
      const child = quote(name())
      statements.push(
        `create table ${child} (extra int) inherits (${table})`,
        `insert into ${child} (extra) values (1)`,
      )
    },
    ({ name: table, columns }) =>
      statements.push(
        `alter table ${table} drop column ${pick(columns)}`,
        `alter table ${table} add column ${quote(name())} text default 'added'`,
      ),
    ({ name: table }) =>
      statements.push(
        `alter table ${table} add constraint ${quote(name())} check (true) not valid`,
        `alter table ${table} alter column n set not null`,
      ),
  ]
  const partitioned = () => {
    const own = quote(name())
    const [first, second, deep] = [quote(name()), quote(name()), quote(name())]
    statements.push(
      `create table ${own} (at date not null, path text, primary key (at${once(2) ? '' : ', path'})) partition by range (at)`,
      `create table ${first} partition of ${own} for values from ('2024-01-01') to ('2025-01-01')`,
      `create table ${second} (path text, at date not null)`,
      `alter table ${own} attach partition ${second} for values from (minvalue) to ('2024-01-01')`,
      `create table ${quote(name())} partition of ${own} default partition by list (path)`,
      `insert into ${own} values ('2024-05-05', 'a'), ('1999-01-01', 'b')`,
      `create index ${quote(name())} on ${own} (path)`,
      `create table ${deep} (path text) partition by list (path)`,
      `create table ${quote(name())} partition of ${deep} for values in (E'C:\\\\x', 'it''s', null)`,
      `insert into ${deep} values (E'C:\\\\x'), (null)`,
    )
    if (once(2)) statements.push(`alter table ${own} detach partition ${first}`)
  }
  for (let at = 3 + int(5); at > 0; at--) pick(kinds)()
  for (let at = 1 + int(4); at > 0; at--) addTable()
  if (once(2)) partitioned()
  for (let at = 2 + int(9); at > 0; at--) pick(aboutTable)(pick(made.tables))
  for (let at = int(5); at > 0; at--) statements.push(...pick(SITUATIONS)(random, () => quote(name())))
  return statements
}
