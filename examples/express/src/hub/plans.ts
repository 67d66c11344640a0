import { type Queryable, TenancyError } from '@org/core'
import type { Keeping } from './keeping.ts'

const PLAN = 'select from rbac.plan where key = $1'

/** @throws TenancyError VALIDATION_ERROR that names the field the plan was sent in */
export async function requirePlan(
  { control }: { readonly control: Queryable },
  plan: string,
  field: string,
): Promise<void> {
  if ((await control.query(PLAN, [plan])).rowCount === 1) return
  throw new TenancyError('VALIDATION_ERROR', 'There is no such plan. See GET /v1/plans.', {
    details: { field, reason: 'unknown_plan' },
  })
}

/** As `rbac` decides it: the tenant's own limit, else its plan's. */
const CALLS = `select e.tenant, case when e.limits ? $2 then (e.limits ->> $2)::float8 else p.max_api_calls::float8 end as calls
  from rbac.tenant_entitlement e left join rbac.plan p on p.key = e.plan_key where e.tenant = any ($1)`

/** Hands the month's API calls that plans and tenants' own limits allow on to whoever counts them. */
export async function keepLimits(
  { used }: Pick<Keeping, 'used'>,
  tx: Queryable,
  tenants: readonly string[],
): Promise<void> {
  const { rows } = await tx.query<{ tenant: string; calls: number | null }>(CALLS, [tenants, 'max_api_calls'])
  for (const { tenant, calls } of rows) await used.setLimits(tx, tenant, { api_calls: calls })
}
