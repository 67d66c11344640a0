import { isNull, sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  boolean,
  index,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'

const moment = (name: string) => timestamp(name, { withTimezone: true })
const made = () => ({
  createdAt: moment('created_at').notNull().defaultNow(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
})

/** Users of a tenant. The tables of `RBAC_MIGRATION` for queries: unqualified, so of whichever tenant's scope it is. */
export const user = pgTable(
  'user',
  {
    id: uuid('id').primaryKey().defaultRandom(),
    email: text('email').notNull(),
    name: text('name').notNull(),
    status: text('status', { enum: ['active', 'suspended'] })
      .notNull()
      .default('active'),
    suspendedReason: text('suspended_reason'),
    authProvider: text('auth_provider').notNull().default('password'),
    ...made(),
    deletedAt: moment('deleted_at'),
  },
  (table) => [
    uniqueIndex('idx_user_email').on(sql`lower(${table.email})`).where(isNull(table.deletedAt)),
    index('idx_user_created_at_id').on(table.createdAt, table.id),
  ],
)

export const group = pgTable(
  'group',
  {
    id: uuid('id').primaryKey().defaultRandom(),
    name: text('name').notNull(),
    description: text('description'),
    status: text('status', { enum: ['active', 'suspended'] })
      .notNull()
      .default('active'),
    suspendedReason: text('suspended_reason'),
    ...made(),
    deletedAt: moment('deleted_at'),
  },
  (table) => [uniqueIndex('idx_group_name').on(table.name).where(isNull(table.deletedAt))],
)

const member = (column: () => AnyPgColumn) => [column, { onDelete: 'cascade' as const }] as const

export const userGroup = pgTable(
  'user_group',
  {
    userId: uuid('user_id')
      .notNull()
      .references(...member(() => user.id)),
    groupId: uuid('group_id')
      .notNull()
      .references(...member(() => group.id)),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ name: 'pk_user_group', columns: [table.userId, table.groupId] }),
    index('idx_user_group_group_id').on(table.groupId),
  ],
)

export const groupPermission = pgTable(
  'group_permission',
  {
    id: uuid('id').primaryKey().defaultRandom(),
    groupId: uuid('group_id')
      .notNull()
      .references(...member(() => group.id)),
    toolAction: text('tool_action').notNull(),
    effect: text('effect', { enum: ['allow', 'deny'] })
      .notNull()
      .default('allow'),
    constraints: jsonb('constraints').$type<Readonly<Record<string, unknown>>>(),
    ...made(),
  },
  (table) => [unique('uq_group_permission_group_id_tool_action').on(table.groupId, table.toolAction)],
)

/** The tenant's epoch: triggers write it, nobody else has to. */
export const rbacEpoch = pgTable('rbac_epoch', {
  one: boolean('one').primaryKey().default(true),
  epoch: uuid('epoch').notNull().defaultRandom(),
  administration: text('administration').array().notNull().default([]),
  administered: boolean('administered').notNull().default(false),
  updatedAt: moment('updated_at').notNull().defaultNow(),
})
