import type { TenantDb } from '@org/pg-tenant'
import { drizzle } from '@org/pg-tenant/drizzle'
import { bigint, boolean, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

// A client's tables, as migrations/ makes them in the schema of each. No schema is named here: the scope says whose.

/** Exact up to 2^53. */
const id = () => bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity()

export const notes = pgTable('notes', {
  id: id(),
  body: text().notNull(),
  published: boolean().notNull().default(false),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
})

export const noteLog = pgTable('note_log', {
  id: id(),
  noteId: bigint('note_id', { mode: 'number' }).notNull(),
  action: text({ enum: ['created', 'deleted'] }).notNull(),
  actor: text().notNull(),
  at: timestamp({ withTimezone: true }).notNull().defaultNow(),
})

/** Drizzle over the handle of a scope. Cheap: made in each scope, and dead when it ends. */
export const orm = (db: TenantDb) => drizzle(db, { schema: { notes, noteLog } })
