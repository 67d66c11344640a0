import { invalidField, type Queryable, type TenantKey } from '@org/core'
import { toolOfPattern } from '../catalog/keys.ts'
import type { Catalog } from '../catalog/model.ts'
import { isFlag, isLimit } from '../snapshot/check.ts'
import type { Flags, Limits } from '../snapshot/model.ts'
import { momentOf, optionalText, packageOf, patternOf, statusOf, textOf } from './input.ts'

export interface AssignOptions {
  /** Default `active`. */
  readonly status?: 'active' | 'suspended' | undefined
  readonly reason?: string | undefined
  /** When it begins (default: now, or as it was). */
  readonly assignedAt?: Date | undefined
  /** From then on it is not live (default: never). */
  readonly expiresAt?: Date | null | undefined
}

export interface PlanDefinition {
  readonly name: string
  /** Upper bounds by name; `null` and what is left out of the three standard ones is unlimited. */
  readonly limits: Limits
  readonly features?: readonly string[] | undefined
  readonly price?: number | null | undefined
}

/** Who is entitled to what, in the control schema. Each change is one statement, committed when it resolves. */
export interface Entitlements<Action extends string = string, Package extends string = string> {
  /** Again: replaces status and expiry. @throws TenancyError VALIDATION_ERROR; CONFLICT before `syncCatalog` */
  assignPackage(tenant: TenantKey, packageKey: Package, options?: AssignOptions): Promise<void>
  /** @returns whether the tenant had it */
  unassignPackage(tenant: TenantKey, packageKey: Package): Promise<boolean>
  /** What this tenant has beside its packages; replaces an override of the same target. */
  setOverride(
    tenant: TenantKey,
    target: Action | `${string}.*`,
    override: {
      readonly effect?: 'allow' | 'deny' | undefined
      readonly limits?: Limits | undefined
      readonly flags?: Flags | undefined
    },
  ): Promise<void>
  /** @returns whether there was one */
  removeOverride(tenant: TenantKey, target: Action | `${string}.*`): Promise<boolean>
  /** Makes or replaces a plan, for all tenants that have it. */
  putPlan(key: string, plan: PlanDefinition): Promise<void>
  /** The tenant's plan (`null`: none), limits and flags of its own; what is left out stays. */
  setTenant(
    tenant: TenantKey,
    settings: {
      readonly plan?: string | null | undefined
      readonly limits?: Limits | undefined
      readonly flags?: Flags | undefined
    },
  ): Promise<void>
  /**
   * Counts something the tenant uses, up to a limit: `evaluator.limit('max_users').value`.
   *
   * @param amount negative to give back
   * @returns what is used now; `undefined` when the limit does not allow it, and then nothing is counted
   */
  takeResource(
    tenant: TenantKey,
    resource: string,
    amount: number,
    limit: number | null,
  ): Promise<number | undefined>
  /** Everything about a tenant that leaves. */
  forgetTenant(tenant: TenantKey): Promise<void>
}

export function entitlementsOf<Action extends string, Package extends string>(
  control: Queryable,
  schema: string,
  catalog: Catalog,
  changed: () => void,
): Entitlements<Action, Package> {
  const sql = statements(schema)
  const run = async (text: string, values: unknown[]) => {
    try {
      return await control.query<{ used?: string }>(text, values)
    } finally {
      // Also when it failed: nobody knows what was committed.
      changed()
    }
  }
  return {
    async assignPackage(tenant, packageKey, { status = 'active', reason, assignedAt, expiresAt } = {}) {
      await run(sql.assign, [
        keyOf(tenant),
        packageOf(catalog, packageKey),
        statusOf(status),
        optionalText(reason, 'reason'),
        momentOf(assignedAt, 'assignedAt'),
        momentOf(expiresAt, 'expiresAt'),
      ])
    },
    unassignPackage: async (tenant, packageKey) =>
      (await run(sql.unassign, [keyOf(tenant), packageKey])).rowCount === 1,
    async setOverride(tenant, target, { effect, limits, flags }) {
      if (effect !== undefined && effect !== 'allow' && effect !== 'deny') {
        throw invalidField('effect', 'allow or deny')
      }
      await run(sql.override, [
        keyOf(tenant),
        ...targetOf(patternOf(catalog, target)),
        effect ?? null,
        limits === undefined ? null : valuesOf(limits, 'limits', isLimit),
        flags === undefined ? null : valuesOf(flags, 'flags', isFlag),
      ])
    },
    removeOverride: async (tenant, target) =>
      (await run(sql.removeOverride, [keyOf(tenant), ...targetOf(target)])).rowCount === 1,
    async putPlan(key, plan) {
      if (!/^[a-z][a-z0-9_-]{0,62}$/.test(key))
        throw invalidField('key', 'lower case, 1 to 63 of a-z, 0-9, "_", "-"')
      await run(sql.plan, planValues(key, plan))
    },
    async setTenant(tenant, { plan, limits, flags }) {
      await run(sql.tenant, [
        keyOf(tenant),
        plan !== undefined,
        plan ?? null,
        limits === undefined ? null : valuesOf(limits, 'limits', isLimit),
        flags === undefined ? null : valuesOf(flags, 'flags', isFlag),
      ])
    },
    async takeResource(tenant, resource, amount, limit) {
      if (!Number.isFinite(amount)) throw invalidField('amount', 'a number')
      if (!isLimit(limit)) throw invalidField('limit', 'a number from 0, or null')
      const { rows } = await control.query<{ used: string }>(sql.take, [
        keyOf(tenant),
        textOf(resource, 'resource', 100),
        amount,
        limit,
      ])
      return rows[0] && Number(rows[0].used)
    },
    async forgetTenant(tenant) {
      await run(sql.forget, [keyOf(tenant)])
    },
  }
}

function statements(schema: string) {
  return {
    assign: `insert into ${schema}.tenant_package as t (tenant, package_key, status, suspended_reason, assigned_at, expires_at)
      values ($1, $2, $3, $4, coalesce($5::timestamptz, now()), $6)
      on conflict (tenant, package_key) do update set status = excluded.status,
        suspended_reason = excluded.suspended_reason, assigned_at = coalesce($5::timestamptz, t.assigned_at),
        expires_at = excluded.expires_at, updated_at = now()`,
    unassign: `delete from ${schema}.tenant_package where tenant = $1 and package_key = $2`,
    override: `insert into ${schema}.tenant_tool_override (tenant, tool_key, action_key, effect, limits, flags)
      values ($1, $2, $3, $4, $5::jsonb, $6::jsonb)
      on conflict on constraint uq_tenant_tool_override_tenant_target do update
        set effect = excluded.effect, limits = excluded.limits, flags = excluded.flags, updated_at = now()`,
    removeOverride: `delete from ${schema}.tenant_tool_override
      where tenant = $1 and tool_key is not distinct from $2 and action_key is not distinct from $3`,
    plan: `insert into ${schema}.plan (key, name, max_users, max_storage_gb, max_api_calls, limits, features, price)
      values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8)
      on conflict (key) do update set name = excluded.name, max_users = excluded.max_users,
        max_storage_gb = excluded.max_storage_gb, max_api_calls = excluded.max_api_calls, limits = excluded.limits,
        features = excluded.features, price = excluded.price, updated_at = now()`,
    tenant: `insert into ${schema}.tenant_entitlement as t (tenant, plan_key, limits, flags)
      values ($1, $3, coalesce($4::jsonb, '{}'), coalesce($5::jsonb, '{}'))
      on conflict (tenant) do update set plan_key = case when $2::boolean then $3 else t.plan_key end,
        limits = coalesce($4::jsonb, t.limits), flags = coalesce($5::jsonb, t.flags)`,
    // The check is part of the update: two who take the last one do not both get it.
    take: `with tenant as (
        insert into ${schema}.tenant_entitlement (tenant) values ($1) on conflict (tenant) do nothing)
      insert into ${schema}.tenant_resource as r (tenant, resource_type, used, limit_value)
      select $1, $2, greatest($3::numeric, 0), $4::numeric where $3::numeric <= 0 or $4::numeric is null or $3 <= $4
      on conflict (tenant, resource_type) do update set used = greatest(r.used + $3, 0), limit_value = $4, updated_at = now()
        where $3::numeric <= 0 or $4::numeric is null or r.used + $3 <= $4
      returning used`,
    forget: `delete from ${schema}.tenant_entitlement where tenant = $1`,
  }
}

const keyOf = (tenant: string) => textOf(tenant, 'tenant')

/** Tool and action: one of the two. */
function targetOf(pattern: string): [string | null, string | null] {
  const tool = toolOfPattern(pattern)
  return tool === undefined ? [null, pattern] : [tool, null]
}

function valuesOf(values: unknown, field: string, test: (value: unknown) => boolean): string {
  const plain = typeof values === 'object' && values !== null && !Array.isArray(values)
  if (plain && Object.values(values).every(test)) return JSON.stringify(values)
  throw invalidField(field, 'an object of names and values')
}

function planValues(key: string, { name, limits, features = [], price = null }: PlanDefinition): unknown[] {
  valuesOf(limits, 'limits', isLimit)
  if (!Array.isArray(features)) throw invalidField('features', 'a list of texts')
  for (const feature of features) textOf(feature, 'features')
  const { max_users = null, max_storage_gb = null, max_api_calls = null, ...others } = limits
  const json = [JSON.stringify(others), JSON.stringify(features)]
  return [key, textOf(name, 'name'), max_users, max_storage_gb, max_api_calls, ...json, price]
}
