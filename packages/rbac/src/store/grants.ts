import { type Actor, type Queryable, TenancyError } from '@org/core'
import type { Group, KeyGrant, Snapshot, Status } from '../snapshot/model.ts'
import { type Entitlement, type Read, SETTLED } from './entitlement.ts'
import { isUuid } from './input.ts'

/** What an actor was granted: the half of a snapshot that the tenant's schema holds. */
export interface Grants {
  readonly actor: Snapshot['actor']
  readonly groups: readonly Group[]
  readonly key: KeyGrant | null
}

/** A tenant without an epoch yet has none that could move: nothing of it is remembered. */
const REMEMBERED = `(${SETTLED} and exists (select from rbac_epoch))`

// The key is left out of an object, not null, where there is no constraint: a null one permits nothing.
const USER = `select coalesce((select epoch::text from rbac_epoch), 'none') as epoch, ${REMEMBERED} as settled,
  (select u.status from "user" u where u.id = $1 and u.deleted_at is null) as status,
  (select coalesce(jsonb_agg(jsonb_build_object('name', g.name, 'status', g.status, 'permissions', (
      select coalesce(jsonb_agg(jsonb_build_object('action', p.tool_action, 'effect', p.effect)
        || case when p.constraints is null then '{}' else jsonb_build_object('constraints', p.constraints) end
        order by p.tool_action), '[]')
      from group_permission p where p.group_id = g.id)) order by g.name), '[]')
    from user_group m join "group" g on g.id = m.group_id and g.deleted_at is null
    where m.user_id = $1) as groups`

// Behind a trigger that is not there, no change of a key would ever be learnt: then nothing is remembered.
const KEY = `select coalesce((select epoch::text from rbac_epoch), 'none') as epoch,
  ${REMEMBERED} and exists (select from pg_trigger
    where tgrelid = 'api_key'::regclass and tgname = 'trg_api_key_epoch' and tgenabled in ('O', 'A')) as settled,
  k.status, jsonb_build_object('name', k.name, 'status', case k.status when 'active' then 'active' else 'suspended' end,
    'expiresAt', k.expires_at, 'profile', k.profile, 'permissions', (
      select jsonb_agg(jsonb_build_object('action', action)) from unnest(k.actions) action)) as key
  from (select) as one left join api_key k on k.id = $1`

// Asked most often: as little as can be parsed.
const EPOCH = `select epoch::text as epoch, ${SETTLED} as settled from rbac_epoch`
const NO_EPOCH = { epoch: 'none', settled: false } as const

interface GrantRow {
  readonly epoch: string
  readonly settled: boolean
  readonly status: string | null
  readonly groups?: readonly Group[]
  readonly key?: KeyGrant
}

/** All an actor was granted, in one statement of the tenant's scope. Who is not there has nothing. */
export async function readGrants(
  db: Queryable,
  actor: Actor,
  apiKeys: boolean,
): Promise<Read<Grants> & { readonly value: Grants }> {
  const { type, id } = actor
  if (type === 'anonymous' || !isUuid(id) || (type === 'service' && !apiKeys)) {
    return { ...(await readEpoch(db)), value: nobody(id) }
  }
  const { rows } = await db.query<GrantRow>(type === 'user' ? USER : KEY, [id])
  const [row] = rows
  if (!row) throw new TenancyError('SERVICE_UNAVAILABLE', 'The grants of the tenant cannot be read.')
  const { epoch, settled, status } = row
  return { epoch, settled, value: status === null ? nobody(id) : grantsOf(type, id, status, row) }
}

export async function readEpoch(db: Queryable): Promise<Read<never>> {
  const { rows } = await db.query<{ epoch: string; settled: boolean }>(EPOCH)
  return { ...(rows[0] ?? NO_EPOCH), value: undefined }
}

function grantsOf(type: 'user' | 'service', id: string, status: string, { groups, key }: GrantRow): Grants {
  const actor = { type, id, status: status as Status }
  if (type === 'user') return { actor, groups: groups ?? [], key: null }
  // A revoked key is a suspended one to the evaluator.
  return { actor: { ...actor, status: key?.status ?? 'suspended' }, groups: [], key: key ?? null }
}

/** Somebody who is not known here: an account that permits nothing, whatever the id. */
function nobody(id: string | null): Grants {
  const name = id === null || id === '' ? 'nobody' : id.slice(0, 300)
  return { actor: { type: 'user', id: name, status: 'suspended' }, groups: [], key: null }
}

/**
 * The two halves together. The tenant counts as active: a suspended one has no scope to read grants in, and fails
 * before it comes here.
 */
export function snapshotOf(entitlement: Entitlement, { actor, groups, key }: Grants): Snapshot {
  const { limits, flags, plan, packages, overrides } = entitlement
  return { tenant: { status: 'active', limits, flags }, actor, packages, overrides, plan, groups, key }
}
