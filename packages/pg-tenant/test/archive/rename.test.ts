import { describe, expect, it } from 'vitest'
import { renameSchemaIn } from '../../src/archive/structure/rename.ts'

const renamed = (sql: string) => renameSchemaIn(sql, 'shop', 'HERE')

// PostgreSQL writes columns behind the name of their table, which may be the schema's own.
describe('a schema is renamed in a definition', () => {
  it.each([
    ['create table shop.shop (id int)', 'create table "HERE".shop (id int)'],
    [
      'create view shop.v as  SELECT shop.id\n   FROM shop',
      'create view "HERE".v as  SELECT shop.id\n   FROM shop',
    ],
    [
      'create view shop.v as SELECT id, shop.f(shop.id) AS f, (shop.a || shop.b) AS ab, shop.c::shop.text FROM shop.pg_class JOIN shop ON (shop.id = pg_class.id) WHERE shop.d',
      'create view "HERE".v as SELECT id, "HERE".f(shop.id) AS f, (shop.a || shop.b) AS ab, shop.c::"HERE".text FROM "HERE".pg_class JOIN shop ON (shop.id = pg_class.id) WHERE shop.d',
    ],
    [
      'create view shop.v as SELECT (shop.a OPERATOR(shop.=) shop.b) FROM shop GROUP BY shop.a COLLATE shop.de',
      'create view "HERE".v as SELECT (shop.a OPERATOR("HERE".=) shop.b) FROM shop GROUP BY shop.a COLLATE "HERE".de',
    ],
    [
      'create policy p on shop.other using ((shop.id IN ( SELECT shop.id FROM shop)))',
      'create policy p on "HERE".other using ((shop.id IN ( SELECT shop.id FROM shop)))',
    ],
    [
      'CREATE OR REPLACE FUNCTION shop.f(shop.text, b shop.int4) RETURNS SETOF shop.text BEGIN ATOMIC SELECT shop.id FROM shop; END',
      'CREATE OR REPLACE FUNCTION "HERE".f("HERE".text, b "HERE".int4) RETURNS SETOF "HERE".text BEGIN ATOMIC SELECT shop.id FROM shop; END',
    ],
    [
      "create view shop.v as SELECT OVERLAY('a'::text PLACING shop.v FROM shop.i FOR shop.j) AS o, EXTRACT(year FROM shop.d) AS e, (shop.at AT TIME ZONE shop.z) AS z, TRIM(BOTH FROM shop.v) AS t, JSON_OBJECT('k' : shop.v) AS j, shop.v::shop.text AS c FROM shop WHERE (shop.a IS DISTINCT FROM shop.b) OFFSET shop.f(1)",
      `create view "HERE".v as SELECT OVERLAY('a'::text PLACING shop.v FROM shop.i FOR shop.j) AS o, EXTRACT(year FROM shop.d) AS e, (shop.at AT TIME ZONE shop.z) AS z, TRIM(BOTH FROM shop.v) AS t, JSON_OBJECT('k' : shop.v) AS j, shop.v::"HERE".text AS c FROM shop WHERE (shop.a IS DISTINCT FROM shop.b) OFFSET "HERE".f(1)`,
    ],
    [
      'create view shop.v as SELECT f( SELECT shop.a FROM shop.t, shop) AS f FROM shop.u, shop',
      'create view "HERE".v as SELECT f( SELECT shop.a FROM "HERE".t, shop) AS f FROM "HERE".u, shop',
    ],
    // Where nothing else has the name it is the schema's, wherever it stands.
    [
      'create view shop.v as SELECT shop.f() AS f, shop.text',
      'create view "HERE".v as SELECT "HERE".f() AS f, "HERE".text',
    ],
    [
      "create function shop.f() returns int set search_path to 'shop', 'public' as 'shop.x'",
      `create function "HERE".f() returns int set search_path to 'HERE', 'public' as 'shop.x'`,
    ],
    [
      'create table shop.t (a "shop".x, b other.shop.y)',
      'create table "HERE".t (a "HERE".x, b other.shop.y)',
    ],
  ])('%s', (sql, expected) => {
    expect(renamed(sql)).toBe(expected)
    expect(renameSchemaIn(expected, 'HERE', 'shop').replaceAll('"shop"', 'shop')).toBe(
      sql.replaceAll('"shop"', 'shop'),
    )
  })
})
