import { relations } from 'drizzle-orm'
import {
  bigint,
  boolean,
  char,
  cidr,
  customType,
  date,
  doublePrecision,
  inet,
  integer,
  interval,
  json,
  jsonb,
  macaddr,
  numeric,
  pgTable,
  point,
  real,
  smallint,
  text,
  time,
  timestamp,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core'
import type { Migration } from '../../src/index.ts'

export const users = pgTable('users', {
  id: integer().primaryKey(),
  name: text().notNull(),
})

export const posts = pgTable('posts', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  authorId: integer('author_id')
    .notNull()
    .references(() => users.id),
  title: text().notNull().unique(),
})

export const usersRelations = relations(users, ({ many }) => ({ posts: many(posts) }))
export const postsRelations = relations(posts, ({ one }) => ({
  author: one(users, { fields: [posts.authorId], references: [users.id] }),
}))

const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' })

/** A column of every kind whose value changes its form on the way. */
export const samples = pgTable('samples', {
  id: integer().primaryKey(),
  flag: boolean(),
  small: smallint(),
  big: bigint({ mode: 'bigint' }),
  bigNumber: bigint({ mode: 'number' }),
  exact: numeric({ precision: 30, scale: 10 }),
  exactNumber: numeric({ mode: 'number' }),
  single: real(),
  double: doublePrecision(),
  fixed: char({ length: 4 }),
  limited: varchar({ length: 20 }),
  day: date(),
  dayDate: date({ mode: 'date' }),
  clock: time(),
  at: timestamp(),
  atText: timestamp({ mode: 'string', precision: 6 }),
  atZone: timestamp({ withTimezone: true }),
  atZoneText: timestamp({ withTimezone: true, mode: 'string' }),
  span: interval(),
  plain: json(),
  binary: jsonb(),
  words: text().array(),
  grid: integer().array().array(),
  days: date().array(),
  moments: timestamp({ withTimezone: true, mode: 'string' }).array(),
  amounts: numeric().array(),
  ident: uuid(),
  address: inet(),
  network: cidr(),
  hardware: macaddr(),
  place: point({ mode: 'xy' }),
  bytes: bytea(),
})

export const schema = { users, posts, usersRelations, postsRelations, samples }
export type Schema = typeof schema

export const MIGRATIONS: readonly Migration[] = [
  {
    id: '0001_users_and_posts',
    sql: `create table users (id int primary key, name text not null);
      create table posts (
        id int primary key generated always as identity,
        author_id int not null references users,
        title text not null unique)`,
  },
  {
    id: '0002_samples',
    sql: `create table samples (
      id int primary key, flag boolean, small smallint, big bigint, "bigNumber" bigint, exact numeric(30, 10),
      "exactNumber" numeric, single real, double double precision, fixed char(4), limited varchar(20), day date,
      "dayDate" date, clock time, at timestamp, "atText" timestamp(6), "atZone" timestamptz,
      "atZoneText" timestamptz, span interval, plain json, "binary" jsonb, words text[], grid int[][],
      days date[], moments timestamptz[], amounts numeric[], ident uuid, address inet, network cidr,
      hardware macaddr, place point, bytes bytea)`,
  },
]
