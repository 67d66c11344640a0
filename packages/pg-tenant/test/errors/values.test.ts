import { inspect } from 'node:util'
import { isTenancyError, type TenancyError, toErrorBody } from '@org/core'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { useWorld } from '../support/world.ts'

/**
 * An error keeps the server's reason and never a value. Every kind of error PostgreSQL raises about a value is raised with a
 * canary as that value, which must not be found anywhere in what the caller gets; and the reason must.
 */

const CANARY = 'canary@9c1b.example'
/** The same as a number, and what is left of it when it is cut. */
const NUMBER = '88888888888888888888'
const LEAKS = /canary|9c1b|8888888|63616e617279/i

const TABLES = `
  create type mood as enum ('sad', 'calm');
  create domain short_text as text constraint short check (length(value) < 5);
  create domain filled as text not null;
  create table person (
    id int primary key, email text unique, age int check (age < 150), nick varchar(5), code char(3), flags bit(3),
    small smallint, price numeric(4, 2), mood mood, born date, at timestamptz, span interval, spot point, u uuid, j jsonb,
    list int[], during int4range, addr inet, big text, "Odd ""name" text, st short_text, fl filled default 'x', must text not null default 'x',
    constraint adult check (nick <> 'minor' or age >= 18)
  );
  create index on person (big);
  create table pet (id int primary key, person_id int references person, "owner id" int references person (id));
  create table stay (room int, during int4range, exclude using gist (during with &&));
  create table part (k text) partition by list (k);
  create table part_a partition of part for values in ('a');
  create table word (word text check (length(word) < 5));
  create view adults as select * from person where age >= 18 with check option;
  create function raises(text, text) returns void language plpgsql as $$ begin
    raise exception using errcode = $2, message = 'no ' || $1, detail = 'Key (' || $1 || ')=(1) already exists.', hint = $1, column = $1, constraint = $1, table = $1, schema = $1, datatype = $1; end $$;
  create function imitates(text) returns void language plpgsql as $$ begin
    raise unique_violation using message = 'duplicate key value violates unique constraint "' || $1 || '"'; end $$;
  create function one_of(text) returns int language plpgsql as $$ declare r record; begin select $1 into strict r from generate_series(1, 2); return 1; end $$;
  create function asserts(text) returns int language plpgsql as $$ begin assert false, $1; return 1; end $$;
  create function cases(text) returns int language plpgsql as $$ begin case $1 when 'a' then return 1; end case; end $$;
  create function casts(text) returns int language plpgsql as $$ begin return $1::int; end $$;
  create function runs(text) returns void language plpgsql as $$ begin execute $1; end $$;
  insert into person (id, email, age) values (1, '${CANARY}', 30);
  insert into pet values (1, 1);
  insert into stay values (1, '[1,5)');
`

const world = useWorld([])
let tenancy: Tenancy

beforeAll(async () => {
  tenancy = world.tenancy({ migrations: [{ id: '0001', sql: TABLES }] })
  await tenancy.provision('acme')
})

async function errorOf(sql: string, values: readonly unknown[]): Promise<TenancyError> {
  const error = await tenancy.query('acme', sql, values).catch((reason: unknown) => reason)
  if (!isTenancyError(error)) throw error ?? new Error(`no error: ${sql}`)
  return error
}

function expectNoValue(error: TenancyError): void {
  const { message, stack, details } = error
  const all = [
    message,
    stack,
    JSON.stringify(details),
    inspect(error, { depth: null, showHidden: true }),
  ].join('\n')
  expect(all).not.toMatch(LEAKS)
  expect(JSON.stringify(toErrorBody(error))).not.toMatch(LEAKS)
}

type Case = readonly [
  sql: string,
  values: readonly unknown[],
  status: number,
  body: Readonly<Record<string, unknown>> | undefined,
  reason: string,
]

const FORMAT = { rule: 'format' }

/** Texts that functions read, and JSON of another shape. */
const TAKEN: readonly (readonly [expression: string, value: string, reason: string])[] = [
  ['now() at time zone $1', CANARY, 'time zone … not recognized'],
  ['localtimestamp at time zone $1', CANARY, 'time zone … not recognized'],
  ['current_time at time zone $1', CANARY, 'time zone … not recognized'],
  ["date_trunc('day', now(), $1)", CANARY, 'time zone … not recognized'],
  ['make_timestamptz(2024, 1, 1, 1, 1, 1, $1)', CANARY, ''],
  ['make_timestamptz(2024, 1, 1, 1, 1, 1, $1)', '+88888888:99', ''],
  ['now() at time zone $1::interval', '8888888 mon', 'interval time zone … must not include'],
  ['date_trunc($1, now())', CANARY, 'not recognized for type timestamp with time zone'],
  ['date_trunc($1, localtimestamp)', CANARY, 'not recognized for type timestamp without time zone'],
  ["date_trunc($1, interval '1 day')", CANARY, 'not recognized for type interval'],
  ['date_part($1, now())', CANARY, 'not recognized for type timestamp with time zone'],
  ['date_part($1, localtimestamp)', CANARY, 'not recognized for type timestamp without time zone'],
  ["date_part($1, interval '1 day')", CANARY, 'not recognized for type interval'],
  ['date_part($1, localtime)', CANARY, 'not recognized for type time without time zone'],
  ['date_part($1, current_time)', CANARY, 'not recognized for type time with time zone'],
  ["decode($1, 'hex')", CANARY, 'invalid hexadecimal digit: …'],
  ["decode($1, 'hex')", '888888888', 'odd number of digits'],
  ["decode($1, 'base64')", CANARY, 'found while decoding base64 sequence'],
  ["decode($1, 'base64')", 'canaryx', 'invalid base64 end sequence'],
  ['pg_size_bytes($1)', CANARY, 'invalid size: …'],
  ['parse_ident($1)', `${CANARY}..`, 'string is not a valid identifier: …'],
  ['($1::jsonb)::int', `"${CANARY}"`, 'cannot cast jsonb string to type integer'],
  ['jsonb_array_length($1)', `{"${CANARY}": 1}`, 'cannot get array length of a non-array'],
  ['json_array_length($1)', `{"${CANARY}": 1}`, 'cannot get array length of a non-array'],
  ['jsonb_object_keys($1)', `["${CANARY}"]`, 'cannot call jsonb_object_keys on an array'],
  ['json_object_keys($1)', `"${CANARY}"`, 'cannot call json_object_keys on a scalar'],
  ['jsonb_each($1)', `["${CANARY}"]`, 'cannot call jsonb_each on a non-object'],
  ['json_each($1)', `["${CANARY}"]`, 'cannot deconstruct an array as an object'],
  ['jsonb_array_elements($1)', `{"${CANARY}": 1}`, 'cannot extract elements from an object'],
  ['json_array_elements($1)', `"${CANARY}"`, 'cannot call json_array_elements on a scalar'],
  ['json_array_elements($1)', `{"${CANARY}": 1}`, 'cannot call json_array_elements on a non-array'],
  ['r from jsonb_to_recordset($1) as r (id int)', `{"${CANARY}": 1}`, 'cannot call jsonb_to_recordset'],
  ['r from jsonb_to_recordset($1) as r (id int)', `["${CANARY}"]`, 'must be an array of objects'],
  ['r from json_to_recordset($1) as r (id int)', `{"${CANARY}": 1}`, 'cannot call json_to_recordset'],
  ['r from json_to_recordset($1) as r (id int)', `["${CANARY}"]`, 'must be an array of objects'],
  ['r from jsonb_to_record($1) as r (id int)', `["${CANARY}"]`, 'on an array'],
  ['r from json_to_record($1) as r (id int)', `["${CANARY}"]`, 'on an array'],
  ['jsonb_populate_record(null::person, $1)', `"${CANARY}"`, 'on a scalar'],
  ['xmlcomment($1)', `${CANARY}--`, 'invalid XML comment'],
]

const REFUSED: readonly Case[] = [
  ...TAKEN.map(([sql, value, reason]): Case => [`select ${sql}`, [value], 400, FORMAT, reason]),
  ['insert into stay values (1, $1)', ['[98,7)'], 400, { rule: 'out_of_range' }, 'range lower bound must be'],
  [
    'insert into stay values (1, int4range($1, 7))',
    [98],
    400,
    { rule: 'out_of_range' },
    'range lower bound must be',
  ],
  ['select $1::bytea', [`\\x${CANARY}`], 400, { rule: 'format' }, 'invalid hexadecimal digit: …'],
  [
    'select $1::jsonb',
    [`{"a": "\\u0000${CANARY}"}`],
    400,
    { rule: 'encoding' },
    'unsupported Unicode escape sequence',
  ],
  [
    'insert into person (id, must) values (2, null)',
    [],
    400,
    { field: 'must', rule: 'required' },
    'null value in column "must" of relation "person" violates not-null constraint',
  ],
  [
    'insert into person (id, age, nick) values (2, $1, $2)',
    [999, 'can'],
    400,
    { field: 'age', rule: 'check' },
    'new row for relation "person" violates check constraint "person_age_check"',
  ],
  ['insert into word values ($1)', ['canary)=('], 400, { rule: 'check', field: 'word' }, 'word_word_check'],
  [
    'insert into person (id, nick, age) values (2, $1, 3)',
    ['minor'],
    400,
    { rule: 'check' },
    'new row for relation "person" violates check constraint "adult"',
  ],
  [
    'insert into person (id, email) values (2, $1)',
    [CANARY],
    409,
    { field: 'email' },
    'duplicate key value violates unique constraint "person_email_key"',
  ],
  [
    'insert into person (id, email) select 7, unnest($1::text[]) on conflict (id) do update set email = excluded.email',
    [[`1${CANARY}`, `2${CANARY}`]],
    400,
    { rule: 'repeated' },
    'ON CONFLICT DO UPDATE command cannot affect row a second time',
  ],
  [
    'merge into person using unnest($1::text[]) as sent (email) on id = 1 when matched then update set email = sent.email',
    [[`1${CANARY}`, `2${CANARY}`]],
    400,
    { rule: 'repeated' },
    'MERGE command cannot affect row a second time',
  ],
  [
    'insert into pet values (2, $1)',
    [88888888],
    409,
    { field: 'person_id', rule: 'reference' },
    'insert or update on table "pet" violates foreign key constraint "pet_person_id_fkey"',
  ],
  [
    'delete from person where id = $1',
    [1],
    409,
    { field: 'id', rule: 'referenced' },
    'foreign key constraint "pet_person_id_fkey" on table "pet"',
  ],
  [
    'insert into stay values (2, $1)',
    ['[2,88888888)'],
    409,
    { field: 'during', rule: 'exclusion' },
    'conflicting key value violates exclusion constraint "stay_during_excl"',
  ],
  [
    'insert into part values ($1)',
    [CANARY],
    400,
    { rule: 'check' },
    'no partition of relation "part" found for row',
  ],
  [
    'insert into part_a values ($1)',
    [CANARY],
    400,
    { rule: 'check' },
    'new row for relation "part_a" violates partition constraint',
  ],
  [
    'insert into adults (id, age, email) values (3, 3, $1)',
    [`x${CANARY}`],
    400,
    { rule: 'check' },
    'new row violates check option for view "adults"',
  ],
  [
    'update person set st = $1',
    [CANARY],
    400,
    { rule: 'check' },
    'value for domain short_text violates check constraint "short"',
  ],
  [
    'update person set fl = $1',
    [null],
    400,
    { rule: 'required' },
    'domain filled does not allow null values',
  ],
  [
    'update person set nick = $1',
    [CANARY],
    400,
    { rule: 'too_long' },
    'value too long for type character varying(5)',
  ],
  [
    'update person set code = $1',
    [CANARY],
    400,
    { rule: 'too_long' },
    'value too long for type character(3)',
  ],
  [
    'update person set flags = $1',
    ['1010101'],
    400,
    { rule: 'too_long' },
    'bit string length 7 does not match type bit(3)',
  ],
  [
    'update person set big = $1',
    [
      CANARY.repeat(40_000)
        .split('')
        .map((c, at) => c + ((at * 7919) % 1009))
        .join(''),
    ],
    400,
    { rule: 'too_long' },
    'index row',
  ],
  ['update person set small = $1::int', [88888888], 400, { rule: 'out_of_range' }, 'smallint out of range'],
  [
    'update person set age = $1',
    [NUMBER],
    400,
    { rule: 'out_of_range' },
    'value … is out of range for type integer',
  ],
  [
    'update person set age = $1::int8',
    [NUMBER],
    400,
    { rule: 'out_of_range' },
    'value … is out of range for type bigint',
  ],
  ['update person set price = $1', [NUMBER], 400, { rule: 'out_of_range' }, 'numeric field overflow'],
  [
    'select $1::float8',
    ['8888888e8888'],
    400,
    { rule: 'out_of_range' },
    'is out of range for type double precision',
  ],
  [
    'update person set born = $1',
    ['2026-88-88'],
    400,
    { rule: 'out_of_range' },
    'date/time field value out of range: …',
  ],
  [
    'update person set age = $1',
    [CANARY],
    400,
    { rule: 'format' },
    'invalid input syntax for type integer: …',
  ],
  ['update person set born = $1', [CANARY], 400, { rule: 'format' }, 'invalid input syntax for type date: …'],
  [
    'update person set at = $1',
    [CANARY],
    400,
    { rule: 'format' },
    'invalid input syntax for type timestamp with time zone: …',
  ],
  [
    'update person set span = $1',
    [CANARY],
    400,
    { rule: 'format' },
    'invalid input syntax for type interval: …',
  ],
  [
    'update person set spot = $1',
    [CANARY],
    400,
    { rule: 'format' },
    'invalid input syntax for type point: …',
  ],
  ['update person set u = $1', [CANARY], 400, { rule: 'format' }, 'invalid input syntax for type uuid: …'],
  ['update person set addr = $1', [CANARY], 400, { rule: 'format' }, 'invalid input syntax for type inet: …'],
  [
    'update person set j = $1',
    [`{"${CANARY}`],
    400,
    { rule: 'format' },
    'invalid input syntax for type json',
  ],
  ['update person set mood = $1', [CANARY], 400, { rule: 'format' }, 'invalid input value for enum mood: …'],
  ['update person set list = $1', [CANARY], 400, { rule: 'format' }, 'malformed array literal: …'],
  ['update person set during = $1', [CANARY], 400, { rule: 'format' }, 'malformed range literal: …'],
  ['select $1::person', [CANARY], 400, { rule: 'format' }, 'malformed record literal: …'],
  [
    'update person set "Odd ""name" = $1',
    [`${CANARY}\0`],
    400,
    { rule: 'encoding' },
    'invalid byte sequence for encoding "UTF8": …',
  ],
  ['select casts($1)', [CANARY], 400, { rule: 'format' }, 'invalid input syntax for type integer: …'],
]

/** Not about one value of the request: 500, with the reason in the log and nothing for the client. */
const WRONG: readonly Case[] = [
  ['selec 1', [], 500, undefined, 'syntax error at or near "selec"'],
  ['select 1 from person where ;', [], 500, undefined, 'syntax error at or near ";"'],
  [`select 1 $$${CANARY}$$`, [], 500, undefined, 'syntax error ('],
  [`select 1 2 "${CANARY}"`, [], 500, undefined, 'syntax error ('],
  ['do $$ begin commit; end $$', [], 500, undefined, 'invalid transaction termination'],
  [
    "select convert_to($1, 'LATIN1')",
    ['\u{1F600}'],
    400,
    { rule: 'encoding' },
    'has no equivalent in encoding "LATIN1"',
  ],
  ['select 1 / $1::int', [0], 500, undefined, 'division by zero'],
  ["select to_date($1, 'YYYY-MM-DD')", [CANARY], 400, { rule: 'format' }, 'invalid value … for …'],
  ['select regexp_match($1, $1)', [`(${CANARY}`], 400, { rule: 'format' }, 'invalid regular expression: …'],
  ['select repeat($1, 2000000000)', [CANARY], 500, undefined, 'requested length too large'],
  ['select lpad($1, 2000000000)', [CANARY], 500, undefined, 'requested length too large'],
  ['select chr($1)', [888888888], 500, undefined, 'requested character too large for encoding: …'],
  ['select * from person limit $1', [-88888888], 400, { rule: 'out_of_range' }, 'LIMIT must not be negative'],
  [
    'select * from person offset $1',
    [-88888888],
    400,
    { rule: 'out_of_range' },
    'OFFSET must not be negative',
  ],
  [
    'select $1 like $1',
    [`${CANARY}\\`],
    400,
    { rule: 'format' },
    'LIKE pattern must not end with escape character',
  ],
  ['select $1::tsvector', [`'${CANARY}`], 400, { rule: 'format' }, 'syntax error in tsvector: …'],
  ['select to_tsquery($1)', [`${CANARY} & (`], 400, { rule: 'format' }, 'no operand in tsquery: …'],
  ['select to_tsquery($1)', [`${CANARY} b`], 400, { rule: 'format' }, 'syntax error in tsquery: …'],
  [
    'select id from person where to_tsvector(email) @@ to_tsquery($1)',
    [`'${CANARY}`],
    400,
    { rule: 'format' },
    'syntax error in tsquery: …',
  ],
  [
    'select ($1 || $2)::text::tsvector',
    ["'", CANARY],
    400,
    { rule: 'format' },
    'syntax error in tsvector: …',
  ],
  [
    "select jsonb_path_query('{}', ($1 || '')::jsonpath)",
    [`$[${CANARY}`],
    400,
    { rule: 'format' },
    'of jsonpath input',
  ],
  ['select unistr($1)', [`\\z${CANARY}`], 400, { rule: 'format' }, 'SQLSTATE 42601'],
  // What stands in the statement is the program's.
  ["select 'a b'::tsquery", [], 500, undefined, 'syntax error in tsquery: …'],
  ['select $1::jsonb', ['['.repeat(50_000) + CANARY], 400, { rule: 'format' }, 'stack depth limit exceeded'],
  [
    'select to_tsvector($1)',
    [Array.from({ length: 150_000 }, (_, at) => `${at}${CANARY}`).join(' ')],
    400,
    { rule: 'too_long' },
    'string is too long for tsvector',
  ],
  ['select $1::jsonpath', [CANARY], 400, { rule: 'format' }, 'syntax error'],
  [
    "select jsonb_path_query(to_jsonb($1::text), '$.double()')",
    [CANARY],
    500,
    undefined,
    'of jsonpath item method',
  ],
  [
    "select jsonb_path_query(to_jsonb($1::text), '$.datetime()')",
    [CANARY],
    500,
    undefined,
    'format is not recognized: …',
  ],
  ['select encode($1, $2)', [Buffer.from('x'), CANARY], 500, undefined, 'unrecognized encoding: …'],
  [
    'select set_config($1, $2, true)',
    ['work_mem', CANARY],
    500,
    undefined,
    'invalid value for parameter "work_mem": …',
  ],
  [
    'select set_config($1, $2, true)',
    [CANARY, 'x'],
    500,
    undefined,
    'invalid configuration parameter name …',
  ],
  ['select format($1, 1)', [`%${CANARY}`], 500, undefined, 'unrecognized format() type specifier …'],
  [
    'update person set age = (select id from unnest($1::int[]) id)',
    [[1, 2]],
    500,
    undefined,
    'more than one row returned',
  ],
  ['select sqrt($1::float8)', [-8888888], 500, undefined, 'cannot take square root of a negative number'],
  ['select generate_series(1, 10, $1::int)', [0], 500, undefined, 'step size cannot equal zero'],
  [
    'select ntile($1::int) over () from person',
    [-88888888],
    500,
    undefined,
    'argument of ntile must be greater than zero',
  ],
  [
    'select * from person tablesample bernoulli ($1)',
    [88888888],
    500,
    undefined,
    'sample percentage must be between 0 and 100',
  ],
  ['select $1::cidr', ['10.88.88.88/8'], 400, { rule: 'format' }, 'invalid cidr value: …'],
  ['select $1::varbit', [`2${CANARY}`], 400, { rule: 'format' }, '… is not a valid binary digit'],
  ['select one_of($1)', [CANARY], 500, undefined, 'query returned more than one row'],
  ['select asserts($1)', [CANARY], 500, undefined, 'assert failure'],
  ['select cases($1)', [CANARY], 500, undefined, 'case not found'],
  ['select query_to_xml($1, true, false, $2)', [`select ${CANARY}`, ''], 500, undefined, 'syntax error'],
  ['select to_regclass($1)', ['a.b.canary.d'], 500, undefined, ''],
  ['select pg_notify($1, $2)', ['x', CANARY.repeat(999)], 500, undefined, 'payload string too long'],
  ['select * from person order by 88888888', [], 500, undefined, 'SQLSTATE 42P10'],
  ['select * from person where age = 123.8888888.789', [], 500, undefined, 'syntax error'],
  ['select 1 8888888', [], 500, undefined, 'syntax error'],
  ['select raises($1, $2)', [CANARY, 'P0001'], 500, undefined, 'raise exception'],
  ['select raises($1, $2)', [CANARY, '22P02'], 500, undefined, 'invalid text representation'],
  ['select raises($1, $2)', [CANARY, '23514'], 409, undefined, 'check violation'],
  ['select raises($1, $2)', [CANARY, '42501'], 500, undefined, 'insufficient privilege'],
  ['select imitates($1)', [CANARY], 409, undefined, 'unique violation'],
  ['select runs($1)', [`select "${CANARY}"`], 500, undefined, 'undefined column'],
  ['select runs($1)', [`selekt '${CANARY}'`], 500, undefined, 'syntax error'],
  [`select '${CANARY}' '${CANARY}'`, [], 500, undefined, 'syntax error'],
  ['insert into nowhere values ($1)', [CANARY], 500, undefined, 'relation "nowhere" does not exist'],
  [
    'insert into person (nothing) values ($1)',
    [CANARY],
    500,
    undefined,
    'column "nothing" of relation "person" does not exist',
  ],
  ['select nothing($1::text)', [CANARY], 500, undefined, 'function nothing(text) does not exist'],
  ['select $1', [], 500, undefined, ''],
  ['select $1::regclass', [CANARY], 500, undefined, 'SQLSTATE'],
  ['select $1::regtype', ['canary'], 500, undefined, 'undefined object'],
  ['select $1::regrole', ['canary'], 500, undefined, 'undefined object'],
  ['select $1::regproc', ['canary'], 500, undefined, 'undefined function'],
  ['select nextval($1)', ['canary'], 500, undefined, 'undefined table'],
  ["select has_table_privilege($1, $2, 'select')", ['canary', 'person'], 500, undefined, 'undefined object'],
]

/** PostgreSQL 16 and later. */
const LATER: readonly Case[] = [
  [
    'select json($1 with unique keys)',
    [`{"${CANARY}":1,"${CANARY}":2}`],
    400,
    { rule: 'format' },
    'duplicate JSON object key',
  ],
]

describe('an error about a value', () => {
  it.each([...REFUSED, ...WRONG, ...(process.env.TEST_PG_VERSION === '15' ? [] : LATER)])(
    '%s',
    async (sql, values, status, body, reason) => {
      const error = await errorOf(sql, values)
      expectNoValue(error)
      expect(error.message).toContain(reason)
      const answer = toErrorBody(error)
      expect([answer.status, answer.body.error.details]).toEqual([status, body])
    },
  )

  it.each(REFUSED)('at every other door: %s', async (sql, values, status, body) => {
    const pool = tenancy.pool('acme')
    const errors = [
      await tenancy.withTenant('acme', (db) => db.query(sql, values)).catch((reason: unknown) => reason),
      await tenancy.withTenant('acme', (db) =>
        db.savepoint((inner) => inner.query(sql, values)).catch((reason: unknown) => reason),
      ),
      await pool.query(sql, [...values]).catch((reason: unknown) => reason),
    ]
    expect(inspect(errors, { depth: null, showHidden: true })).not.toMatch(LEAKS)
    expect(JSON.stringify(errors)).not.toMatch(LEAKS)
    const told = errors.map((error) => toErrorBody(isTenancyError(error) ? error : (error as Error).cause))
    for (const answer of told) expect([answer.status, answer.body.error.details]).toEqual([status, body])
    expect(errors[2]).toMatchObject({ name: 'error', code: expect.stringMatching(/^(21|22|23|44|54)/) })
  })

  it.each(['P0001', '23505', '23514'])(
    'that a function raised with a value in every field, through a pool: %s',
    async (state) => {
      const pool = tenancy.pool('acme')
      const raise = (value: string) =>
        pool.query('select raises($1, $2)', [value, state]).catch((reason: unknown) => reason)
      const error = await raise(CANARY)
      expect(inspect(error, { depth: null, showHidden: true })).not.toMatch(LEAKS)
      expect(error).toMatchObject({ name: 'error', code: state })
      expect(await raise('adult')).toMatchObject({ constraint: 'adult', table: 'adult' })
    },
  )

  it('is read at once, however long the context that SQL made of it: this process is everybody’s', async () => {
    for (const part of ['\rSQL statement "', '\nSQL statement "', '/* _room_', '\nCOPY a, line 1'])
      expect(await errorOf('select runs($1)', [`select 1 / 0, '${part.repeat(60_000)}'`])).toMatchObject({
        message: expect.stringContaining('division by zero'),
      })
  })

  it('says which parameter could not be read, to the developer', async () => {
    const error = await errorOf('insert into person (id, email, age) values ($1, $2, $3)', [
      5,
      CANARY,
      CANARY,
    ])
    expectNoValue(error)
    expect(error).toMatchObject({
      code: 'VALIDATION_ERROR',
      details: { parameter: 3, rule: 'format', sqlState: '22P02' },
    })
    expect(toErrorBody(error).body.error.details).toEqual({ rule: 'format' })
  })

  it('of COPY says line and field', async () => {
    const { Readable } = await import('node:stream')
    const { pipeline } = await import('node:stream/promises')
    const copying = tenancy.withTenant('acme', async (db) => {
      const into = await db.copyFrom('copy person (id, age) from stdin')
      await pipeline(Readable.from(['7\t1\n8\t', CANARY, '\n']), into)
    })
    const error = await copying.catch((reason: unknown) => reason)
    if (!isTenancyError(error)) throw error
    expectNoValue(error)
    expect(error).toMatchObject({
      code: 'VALIDATION_ERROR',
      details: { field: 'age', line: 2, rule: 'format' },
    })
  })

  it('a message in another language is left out; the names stay', async () => {
    const { rows } = await world.root.query("select setting from pg_settings where name = 'lc_messages'")
    expect(rows).toHaveLength(1)
    const { reasonOf } = await import('../../src/errors/server-reason.ts')
    const error = {
      name: 'error',
      severity: 'FEHLER',
      code: '23505',
      message: `doppelter Schlüsselwert »${CANARY}« verletzt`,
    }
    expect(reasonOf(error)).toBeUndefined()
  })
})
