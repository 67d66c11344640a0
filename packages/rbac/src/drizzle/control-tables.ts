import {
  bigint,
  boolean,
  jsonb,
  numeric,
  pgSchema,
  primaryKey,
  text,
  timestamp,
  unique,
  uuid,
} from 'drizzle-orm/pg-core'
import type { Flags, Limits } from '../snapshot/model.ts'
import { parseControlSchema } from '../store/install.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true })
const changedAt = () => moment('updated_at').notNull().defaultNow()
const entry = () => ({
  key: text('key').primaryKey(),
  name: text('name').notNull(),
  description: text('description'),
  status: text('status', { enum: ['active', 'deprecated'] })
    .notNull()
    .default('active'),
  createdAt: moment('created_at').notNull().defaultNow(),
  updatedAt: changedAt(),
})

/**
 * The tables of `installRbac`, for queries and reports.
 *
 * @param schema the control schema (default `rbac`)
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { controlTables } from '@org/rbac/drizzle'
 * import { getTableName } from 'drizzle-orm'
 *
 * const { tool } = controlTables('rbac')
 * getTableName(tool) // → 'tool'
 * ```
 */
export function controlTables(schema?: string) {
  const control = pgSchema(parseControlSchema(schema))
  const tool = control.table('tool', entry())
  const toolAction = control.table('tool_action', {
    ...entry(),
    toolKey: text('tool_key')
      .notNull()
      .references(() => tool.key),
    kind: text('kind', { enum: ['read', 'write', 'admin'] }).notNull(),
  })
  const packages = control.table('package', entry())
  const packageAction = control.table(
    'package_action',
    {
      packageKey: text('package_key')
        .notNull()
        .references(() => packages.key, { onDelete: 'cascade' }),
      actionKey: text('action_key')
        .notNull()
        .references(() => toolAction.key),
    },
    (table) => [primaryKey({ columns: [table.packageKey, table.actionKey] })],
  )
  const plan = control.table('plan', {
    key: text('key').primaryKey(),
    name: text('name').notNull(),
    maxUsers: bigint('max_users', { mode: 'number' }),
    maxStorageGb: numeric('max_storage_gb', { mode: 'number' }),
    maxApiCalls: bigint('max_api_calls', { mode: 'number' }),
    limits: jsonb('limits').$type<Limits>().notNull().default({}),
    features: jsonb('features').$type<readonly string[]>().notNull().default([]),
    price: numeric('price', { precision: 12, scale: 2 }),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: changedAt(),
  })
  const tenantEntitlement = control.table('tenant_entitlement', {
    tenant: text('tenant').primaryKey(),
    epoch: uuid('epoch').notNull().defaultRandom(),
    planKey: text('plan_key').references(() => plan.key),
    limits: jsonb('limits').$type<Limits>().notNull().default({}),
    flags: jsonb('flags').$type<Flags>().notNull().default({}),
    seededAt: moment('seeded_at'),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: changedAt(),
  })
  const tenantKey = () =>
    text('tenant')
      .notNull()
      .references(() => tenantEntitlement.tenant, { onDelete: 'cascade' })
  const tenantPackage = control.table(
    'tenant_package',
    {
      tenant: tenantKey(),
      packageKey: text('package_key')
        .notNull()
        .references(() => packages.key),
      status: text('status', { enum: ['active', 'suspended'] })
        .notNull()
        .default('active'),
      suspendedReason: text('suspended_reason'),
      assignedAt: moment('assigned_at').notNull().defaultNow(),
      expiresAt: moment('expires_at'),
      updatedAt: changedAt(),
    },
    (table) => [primaryKey({ columns: [table.tenant, table.packageKey] })],
  )
  const tenantToolOverride = control.table(
    'tenant_tool_override',
    {
      id: uuid('id').primaryKey().defaultRandom(),
      tenant: tenantKey(),
      toolKey: text('tool_key').references(() => tool.key),
      actionKey: text('action_key').references(() => toolAction.key),
      effect: text('effect', { enum: ['allow', 'deny'] }),
      limits: jsonb('limits').$type<Limits>(),
      flags: jsonb('flags').$type<Flags>(),
      createdAt: moment('created_at').notNull().defaultNow(),
      updatedAt: changedAt(),
    },
    (table) => [
      unique('uq_tenant_tool_override_tenant_target')
        .on(table.tenant, table.toolKey, table.actionKey)
        .nullsNotDistinct(),
    ],
  )
  const tenantResource = control.table(
    'tenant_resource',
    {
      tenant: tenantKey(),
      resourceType: text('resource_type').notNull(),
      used: numeric('used', { mode: 'number' }).notNull().default(0),
      limitValue: numeric('limit_value', { mode: 'number' }),
      updatedAt: changedAt(),
    },
    (table) => [primaryKey({ columns: [table.tenant, table.resourceType] })],
  )
  const catalogState = control.table('catalog_state', {
    one: boolean('one').primaryKey().default(true),
    epoch: uuid('epoch').notNull().defaultRandom(),
  })
  return {
    tool,
    toolAction,
    package: packages,
    packageAction,
    plan,
    tenantEntitlement,
    tenantPackage,
    tenantToolOverride,
    tenantResource,
    catalogState,
  }
}
