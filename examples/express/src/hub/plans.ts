import { type Queryable, TenancyError } from '@org/core'

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
