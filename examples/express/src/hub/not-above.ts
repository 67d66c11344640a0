import type { Actor, TenantQueryable } from '@org/core'
import type { Governance } from './governance.ts'
import { reachOf } from './reach.ts'

/** Of suspended groups as well: they may be resumed. */
const GRANTED = `select distinct p.tool_action as pattern from user_group m
  join "group" g on g.id = m.group_id and g.deleted_at is null
  join group_permission p on p.group_id = g.id
  where m.user_id = $1 and p.effect = 'allow'`

/**
 * Whoever gets an invitation of somebody can become them, so only who may do as much makes one.
 *
 * @throws TenancyError FORBIDDEN_ACTION
 */
export async function requireNotAbove(
  governance: Governance,
  tenancy: TenantQueryable,
  actor: Actor,
  userId: string,
): Promise<void> {
  const reach = await reachOf(governance, tenancy, actor)
  const { rows } = await tenancy.query<{ pattern: string }>(GRANTED, [userId])
  reach.requireWithin(rows.map(({ pattern }) => pattern))
}
