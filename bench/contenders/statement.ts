import { integer, pgSchema, pgTable, text } from 'drizzle-orm/pg-core'

// The one piece of work every contender does: a row by its primary key, as most requests do most of the time.

/** Rows of `notes` in every tenant. */
const NOTES = 100

export const CREATE_NOTES = `
  create table notes (id integer primary key, body text not null);
  insert into notes select id, 'note ' || id from generate_series(1, ${NOTES}) as id`

/** The same at level `row`, where all tenants have one table. */
export const CREATE_SHARED_NOTES = `
  create table notes (
    tenant_id text not null default current_setting('app.tenant_id'), id integer, body text not null,
    primary key (tenant_id, id)
  )`
export const FILL_SHARED_NOTES = `insert into notes (id, body) select id, 'note ' || id from generate_series(1, ${NOTES}) as id`

/** As a tenant sees it: the search path says whose notes. */
export const SCOPED = 'select id, body from notes where id = $1'

/** Written out for one schema: nothing to scope. */
export const qualified = (schema: string): string => `select id, body from "${schema}".notes where id = $1`

export const randomId = (): number => 1 + Math.floor(Math.random() * NOTES)

const columns = { id: integer('id').primaryKey(), body: text('body').notNull() }

/** The same table for Drizzle, scoped and written out. */
export const notes = pgTable('notes', columns)
export const notesOf = (schema: string) => pgSchema(schema).table('notes', columns)
