import {
  codedControl,
  type OptionNames,
  parseTenantKey,
  type Queryable,
  requireKnownOptions,
  type TenantQueryable,
} from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { pinnedControl, withOwnPath } from '../control/pinned.ts'
import { invalidOption } from '../input/input.ts'
import { macKey } from '../keys/macs.ts'
import { qualify } from '../sql/identifier.ts'
import { type CallQuota, type CallQuotaOptions, callQuota } from './calls.ts'
import {
  deltaSql,
  listUsage,
  meter,
  type RollUpReport,
  rollUp,
  type Usage,
  type UsageOptions,
  type UsagePage,
  type UsageTables,
} from './meter.ts'
import { giveBack, listResources, setLimits, type TenantResource, take } from './resources.ts'

export interface UsageLogOptions {
  /**
   * Of the application, 32 bytes or their base64: names of places are made unguessable with it. It must stay the same as
   * long as places are taken.
   */
  readonly key: Uint8Array | string
  /** As it was installed (default `governance`). */
  readonly controlSchema?: string | undefined
}

/** What tenants use, and may use. Made by {@link usage}. */
export interface UsageLog {
  /**
   * Counts a use in the transaction that it belongs to: it is counted if that commits. No round trip of its own where the
   * handle can queue.
   *
   * @throws TenancyError VALIDATION_ERROR with the field
   */
  meter(db: TenantQueryable, use: Usage): Promise<void>
  /**
   * Adds up what was counted since the last time: days by tenant and action. May run anywhere, also twice at once; exact
   * after any kill. What belongs to transactions that still run, or began after one, is added the next time.
   *
   * @param admin the tables' owner
   * @throws TenancyError CONFLICT, `details.reason` `other_server`, where a dump brought the tables here and doctor's statements were not run
   */
  rollUp(admin: Queryable): Promise<RollUpReport>
  /**
   * `GET /v1/usage`: by action and period, oldest first.
   *
   * @throws TenancyError VALIDATION_ERROR with the field; SERVICE_UNAVAILABLE, DATABASE_ERROR
   */
  list(control: Queryable, tenant: string, options?: UsageOptions): Promise<UsagePage>
  /**
   * Takes a place (or `amount` of them) for an entity in the transaction that makes it: never one over the limit, however
   * many ask at once. Taking it again for the same entity is nothing. Those who take the same resource of one tenant wait
   * for each other until they commit.
   *
   * @throws TenancyError QUOTA_EXCEEDED with `details.resource`; VALIDATION_ERROR
   */
  take(db: TenantQueryable, resource: string, entity: string, amount?: number): Promise<void>
  /** Gives a place back in the transaction that removes the entity; twice is once. */
  giveBack(db: TenantQueryable, resource: string, entity: string): Promise<void>
  /**
   * Sets limits, e.g. those of a plan: `{ users: 10, storage_gb: 5, seats: null }`; `null` for none. What is used already
   * stays used.
   *
   * @param control a role among the managers
   * @throws TenancyError VALIDATION_ERROR with the resource
   */
  setLimits(
    control: Queryable,
    tenant: string,
    limits: Readonly<Record<string, number | null>>,
  ): Promise<void>
  /** What a tenant uses and may use. */
  resources(control: Queryable, tenant: string): Promise<readonly TenantResource[]>
  /**
   * A limit on the calls of a month over all processes, without asking for each.
   *
   * @throws TenancyError INVALID_OPTION
   */
  calls(options: CallQuotaOptions): CallQuota
  /** Removes all of a tenant: for `onForget`. */
  forget(admin: Queryable, tenant: string): Promise<void>
}

const USAGE_OPTIONS: OptionNames<UsageLogOptions> = {
  key: true,
  controlSchema: true,
}

/**
 * @throws TenancyError INVALID_OPTION, KEY_INVALID
 * @example
 * ```ts
 * import { randomUUID } from 'node:crypto'
 * import { installUsage, usage } from '@org/governance/usage'
 *
 * await installUsage(adminPool, { isolation: tenancy.isolation, rolePrefix })
 * const used = usage({ key: Buffer.alloc(32, 7) }) // from the environment
 * await used.setLimits(adminPool, 'acme', { notes: 1_000 })
 * await tenancy.withTenant('acme', async (db) => {
 *   const { rows } = await db.query<{ id: string }>(`insert into notes (body) values ('hi') returning id`)
 *   for (const { id } of rows) await used.take(db, 'notes', id) // QUOTA_EXCEEDED, and the note is not made
 *   await used.meter(db, { requestId: randomUUID(), action: 'notes.note.create' })
 * })
 * ```
 */
export function usage(options: UsageLogOptions): UsageLog {
  requireKnownOptions(options, USAGE_OPTIONS)
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object with a key')
  const key = macKey('usage', options.key, 'usage')
  const tables = tablesIn(parseControlSchema(options.controlSchema))
  const delta = deltaSql(tables.delta)
  const INSTALL = 'installUsage(admin)'
  const coded = (control: Queryable) => codedControl(control, INSTALL)
  const keyOf = (tenant: unknown) => parseTenantKey(tenant, { prefix: '' })
  return {
    meter: async (db, use) => meter(db, delta, use),
    rollUp: async (admin) => withOwnPath(admin, INSTALL, (own) => rollUp(own, tables)),
    list: async (control, tenant, page = {}) => listUsage(coded(control), tables, keyOf(tenant), page),
    take: async (db, resource, entity, amount = 1) => take(db, tables, key, resource, entity, amount),
    giveBack: async (db, resource, entity) => giveBack(db, tables, key, resource, entity),
    setLimits: async (control, tenant, limits) => setLimits(coded(control), tables, keyOf(tenant), limits),
    resources: async (control, tenant) => listResources(coded(control), tables, keyOf(tenant)),
    calls: (quota) => callQuota(quota, tables),
    forget: async (admin, tenant) => {
      await pinnedControl(admin, INSTALL).query(
        `with a as (delete from ${tables.delta} where tenant = $1::text),
          b as (delete from ${tables.hold} where tenant = $1::text),
          c as (delete from ${tables.resource} where tenant = $1::text)
        delete from ${tables.metrics} where tenant = $1::text`,
        [keyOf(tenant)],
      )
    },
  }
}

function tablesIn(schema: string): UsageTables {
  const table = (name: string) => qualify(schema, name)
  return {
    delta: table('usage_delta'),
    cursor: table('usage_cursor'),
    metrics: table('usage_metrics'),
    resource: table('tenant_resource'),
    hold: table('resource_hold'),
    give: table('resource_return'),
  }
}
