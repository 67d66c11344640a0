import { askTogether, isTenancyError, type Queryable, TenancyError, type TenantKey } from '@org/core'
import type { AssignedPackage, Flags, Limits, Override, Plan } from '../snapshot/model.ts'

/** What a tenant is entitled to: the half of a snapshot that the control schema holds. */
export interface Entitlement {
  readonly limits: Limits
  readonly flags: Flags
  readonly plan: Plan | null
  readonly packages: readonly AssignedPackage[]
  readonly overrides: readonly Override[]
}

/** Something read, with the epoch it belongs to. */
export interface Read<T> {
  readonly epoch: string
  /** Whether it is committed and of now: not so inside a transaction that wrote, or that keeps an older snapshot. */
  readonly settled: boolean
  /** `undefined` when the epoch is the one that was known. */
  readonly value: T | undefined
}

/** A transaction that has written has an id; one above `read committed` sees the past. */
export const SETTLED = `(pg_current_xact_id_if_assigned() is null
    and current_setting('transaction_isolation') = 'read committed')`

/** `schema` is quoted. $1 tenant, $2 whether packages are edited at run time. */
const entitlementSql = (
  schema: string,
) => `select concat(coalesce(e.epoch::text, 'none'), ':', c.epoch) as epoch, ${SETTLED} as settled,
  jsonb_build_object(
    'limits', coalesce(e.limits, '{}'), 'flags', coalesce(e.flags, '{}'),
    'plan', (
      select jsonb_build_object('key', p.key, 'features', p.features, 'limits', jsonb_build_object(
        'max_users', p.max_users, 'max_storage_gb', p.max_storage_gb, 'max_api_calls', p.max_api_calls) || p.limits)
      from ${schema}.plan p where p.key = e.plan_key),
    'packages', (
      select coalesce(jsonb_agg(jsonb_build_object('key', t.package_key, 'status', t.status,
          'assignedAt', t.assigned_at, 'expiresAt', t.expires_at)
        || case when $2 then jsonb_build_object('actions', (
          select coalesce(jsonb_agg(a.action_key order by a.action_key), '[]') from ${schema}.package_action a
          where a.package_key = t.package_key)) else '{}' end order by t.package_key), '[]')
      from ${schema}.tenant_package t where t.tenant = $1),
    'overrides', (
      select coalesce(jsonb_agg(jsonb_build_object('target', coalesce(o.action_key, o.tool_key || '.*'),
          'effect', o.effect, 'limits', o.limits, 'flags', o.flags) order by o.id), '[]')
      from ${schema}.tenant_tool_override o where o.tenant = $1)
  ) as entitlement
from ${schema}.catalog_state c
left join ${schema}.tenant_entitlement e on e.tenant = $1`

/** `schema` is quoted. $1 tenants */
const epochsSql = (
  schema: string,
) => `select asked.tenant, concat(coalesce(e.epoch::text, 'none'), ':', c.epoch) as epoch, ${SETTLED} as settled
from ${schema}.catalog_state c cross join unnest($1::text[]) asked(tenant)
left join ${schema}.tenant_entitlement e on e.tenant = asked.tenant`

/**
 * Whether entitlements have changed: epochs of many tenants in one statement.
 *
 * @throws TenancyError SERVICE_UNAVAILABLE: what cannot be read permits nothing
 */
export function entitlementEpochs(
  control: Queryable,
  schema: string,
): (tenant: TenantKey) => Promise<Read<never>> {
  const ask = askTogether(async (tenants: readonly TenantKey[]) => {
    const { rows } = await control.query<Read<never> & { tenant: TenantKey }>(epochsSql(schema), [tenants])
    return new Map(rows.map((row) => [row.tenant, row]))
  })
  return async (tenant) => {
    const row = await ask(tenant).catch((error: unknown) => {
      throw unreadable(error)
    })
    if (!row) throw unreadable(undefined)
    return row
  }
}

/**
 * Reads a tenant's entitlement. It is read through `control`, never inside the tenant's scope: there is nothing a
 * tenant's SQL could be trusted to say about who it is, and nothing of the control schema it may see.
 *
 * @throws TenancyError SERVICE_UNAVAILABLE: what cannot be read permits nothing
 */
export async function readEntitlement(
  control: Queryable,
  schema: string,
  tenant: TenantKey,
  storedPackages: boolean,
): Promise<Read<Entitlement> & { readonly value: Entitlement }> {
  const { rows } = await control
    .query<{ epoch: string; settled: boolean; entitlement: Entitlement }>(entitlementSql(schema), [
      tenant,
      storedPackages,
    ])
    .catch((error: unknown) => {
      throw unreadable(error)
    })
  const [row] = rows
  if (!row) throw unreadable(undefined)
  return { epoch: row.epoch, settled: row.settled, value: row.entitlement }
}

function unreadable(cause: unknown): TenancyError {
  if (isTenancyError(cause)) return cause
  return new TenancyError(
    'SERVICE_UNAVAILABLE',
    'What the tenant is entitled to cannot be read, so nothing is permitted. Run installRbac(admin), and check the ' +
      'connection and privileges of the control pool.',
    { cause },
  )
}
