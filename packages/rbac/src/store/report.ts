import type { Queryable } from '@org/core'
import { numbersOf } from '../catalog/define.ts'
import type { Catalog } from '../catalog/model.ts'
import { createEvaluator } from '../evaluate/evaluator.ts'
import type { Entitlement } from './entitlement.ts'
import { snapshotOf } from './grants.ts'

/** A grant that goes beyond what the tenant is entitled to. It permits nothing; it only looks as if it did. */
export interface WideGrant {
  readonly holder: 'group' | 'key'
  /** The group's or the key's name. */
  readonly name: string
  readonly action: string
  /** `unknown`: not in the catalogue (any more). `not_entitled`: the tenant does not have it now. */
  readonly reason: 'unknown' | 'not_entitled'
}

const GROUPS = `select 'group' as holder, g.name, p.tool_action as action from group_permission p
  join "group" g on g.id = p.group_id and g.deleted_at is null where p.effect = 'allow' order by 2, 3`
const KEYS = `select 'key' as holder, k.name, action from api_key k cross join unnest(k.actions) action
  where k.status = 'active' order by 2, 3`

/** Grants of groups, and keys, that are wider than their tenant. */
export async function wideGrants(
  db: Queryable,
  catalog: Catalog,
  entitlement: Entitlement,
  options: { readonly apiKeys: boolean; readonly now: () => number },
): Promise<WideGrant[]> {
  const entitled = entitledTo(catalog, entitlement, options.now)
  const found: WideGrant[] = []
  for (const text of options.apiKeys ? [GROUPS, KEYS] : [GROUPS]) {
    for (const row of (await db.query<Omit<WideGrant, 'reason'>>(text)).rows) {
      const numbers = numbersOf(catalog.index, row.action)
      if (numbers.length === 0) found.push({ ...row, reason: 'unknown' })
      else if (!numbers.some((number) => entitled.has(catalog.index.keys[number] as string))) {
        found.push({ ...row, reason: 'not_entitled' })
      }
    }
  }
  return found
}

/** What a key that may do everything may do: all its tenant is entitled to. */
function entitledTo(catalog: Catalog, entitlement: Entitlement, now: () => number): ReadonlySet<string> {
  const evaluator = createEvaluator(
    catalog,
    snapshotOf(entitlement, {
      actor: { type: 'service', id: 'report', status: 'active' },
      groups: [],
      key: { name: 'report', status: 'active', profile: 'admin' },
    }),
    { now },
  )
  return new Set(evaluator.list().map(({ action }) => action))
}
