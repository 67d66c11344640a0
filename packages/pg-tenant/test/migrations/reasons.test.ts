// @module-tag sampled
import { describe, expect, test } from 'vitest'
import { inTurn } from '../support/sample.ts'
import { useWorld } from '../support/world.ts'

/** What a migration is told, as written, when the server refuses it; `-` where the server's words may hold what only data knew. */
const REFUSED: readonly (readonly [sql: string, reason: string])[] = [
  ["create function f() returns nope language sql as 'select 1'", 'type "nope" does not exist'],
  ["create function f() returns int language sql as 'select nope'", 'column "nope" does not exist'],
  ["create function f() returns int language sql as 'select 1 from nope'", 'relation "nope" does not exist'],
  ["create function f() returns int language sql as 'select $$x$$'", 'declared to return integer'],
  ["create function f() returns int language plpgsql as 'begin retrn 1; end'", 'at or near "retrn"'],
  ['create function f() returns int language c as $$a$$, $$b$$', 'permission denied for language c'],
  [
    'create trigger x before insert on t\nfor each row\nexecute function nope()',
    'function nope() does not exist',
  ],
  [
    "create function f() returns int language sql as 'select 1'; drop function g(int)",
    'function g(integer) does not',
  ],
  ['create view v as select a from t; create or replace view v as select 1 as b', 'view column "a" to "b"'],
  ['create table u (a int primary key); create table v (a text references u)', 'cannot be implemented'],
  ['create table u (a json primary key)', 'data type json has no default operator class'],
  ['create table u (a int, a int)', 'column "a" specified more than once'],
  ['create table u (a int generated always as (random()::int) stored)', 'expression is not immutable'],
  ['create table u (a int) with (nope = 1)', 'unrecognized parameter "nope"'],
  [
    "create function f() returns int language plpgsql as $$ begin execute 'select \"' || chr(81) || chr(88) || '\"'; end $$; select f()",
    '-',
  ],
  [
    "create function f(r text) returns regclass language sql as 'select r::regclass'; select f(chr(81) || chr(88))",
    '-',
  ],
  [
    "create function f(r text) returns text language plpgsql as $$ begin execute 'select 1 as x, 2 as ' || r || '; SQL statement \"'; end $$; select f(chr(81) || chr(88))",
    '-',
  ],
]

const world = useWorld([])
const tables = { id: '0001', sql: 'create table t (a int)' }

describe.each([false, true])(
  'a migration that the server refuses, of a tenant that is there: %s',
  (isThere) => {
    // Each in one of the two ways; what must not be told in both.
    const here = REFUSED.filter(([, reason], at) => reason === '-' || (at % 2 === 0) === isThere)
    test.each(inTurn(here, 3))('%s', async (sql, reason) => {
      const migrations = [tables, { id: '0002', sql }]
      if (isThere) await world.tenancy({ migrations: [tables] }).provision('acme')
      const { message } = await world
        .tenancy({ migrations })
        .provision('acme')
        .then(
          () => expect.unreachable('it was let pass'),
          (error: Error) => error,
        )
      if (reason === '-') expect(message).not.toMatch(/qx/i)
      else expect(message).toContain(reason)
      expect(message).toMatch(/^Migration 0002, line 1: /)
    })
  },
)
