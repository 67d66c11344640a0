import { type Queryable, TenancyError } from '@org/core'
import type { Snapshot } from '@org/rbac'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { actionKey, email, id, tenantKey } from '../http/schemas.ts'
import { endLogins } from '../hub/logins.ts'
import type { Hub } from '../hub/open-hub.ts'

const tag = 'Me'
const me = z
  .object({
    id,
    type: z.enum(['user', 'service']),
    tenant: tenantKey,
    name: z.string(),
    email: email.nullable().describe('`null` for a service'),
    groups: z.array(z.object({ id, name: z.string() })).describe('The active ones'),
    permissions: z.array(
      z.object({ action: actionKey, constrained: z.boolean().describe('Whether it depends on the record') }),
    ),
    limits: z.record(z.string(), z.number().nullable()).describe('`null`: unlimited'),
    features: z.array(z.string()),
  })
  .meta({ id: 'Me' })

const USER = `select u.name, u.email, (
    select coalesce(jsonb_agg(jsonb_build_object('id', g.id, 'name', g.name) order by g.name), '[]')
    from user_group m join "group" g on g.id = m.group_id and g.status = 'active' and g.deleted_at is null
    where m.user_id = u.id) as groups
  from "user" u where u.id = $1 and u.deleted_at is null`
const SERVICE = `select name, null as email, '[]'::jsonb as groups from api_key where id = $1`

interface Who {
  readonly name: string
  readonly email: string | null
  readonly groups: readonly { readonly id: string; readonly name: string }[]
}

export function meRoutes(hub: Hub): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/me',
      access: 'account.me.read',
      summary: 'Who one is, and what one may do',
      tag,
      data: me,
      handle: async ({ tenancy, tenant, actor, evaluator }) => {
        const { type, id } = actor
        if (type === 'anonymous') throw new TenancyError('UNAUTHORIZED', 'Nobody has signed in.')
        const { store, catalog } = await hub.governance.current()
        const [who, rights, snapshot] = await Promise.all([
          whoIs(tenancy, type, id),
          evaluator(),
          store.loadSnapshot(tenancy, actor),
        ])
        const limits = Object.keys(catalog.limits).map((name) => [name, finite(rights.limit(name).value)])
        return {
          id,
          type,
          tenant,
          ...who,
          permissions: rights.list(),
          limits: Object.fromEntries(limits),
          features: namesOfFeatures(snapshot).filter((name) => rights.feature(name)),
        }
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/me/logout',
      access: 'account.me.read',
      summary: 'End all logins of this user, on every device',
      tag,
      status: 204,
      handle: async ({ actor, change }) => {
        if (actor.type !== 'user') {
          throw new TenancyError('FORBIDDEN_ACTION', 'An API key has no logins: revoke it instead.', {
            details: { reason: 'not_a_user' },
          })
        }
        await change(async (db, trail) => {
          await endLogins(hub.tokens, db, actor.id)
          trail.record({ entity: { type: 'user', id: actor.id }, metadata: { logins: 'all ended' } })
        })
        return undefined
      },
    }),
  ]
}

async function whoIs(db: Queryable, type: 'user' | 'service', id: string): Promise<Who> {
  const { rows } = await db.query<Who>(type === 'user' ? USER : SERVICE, [id])
  if (rows[0]) return rows[0]
  throw new TenancyError('NOT_FOUND', 'Whoever this was is no longer there.')
}

/** JSON has no infinity. */
const finite = (value: number) => (Number.isFinite(value) ? value : null)

/** Wherever one may be switched on; whether it is, the evaluator says. */
function namesOfFeatures({ plan, tenant, overrides = [] }: Snapshot): string[] {
  const flags = [tenant.flags, ...overrides.map((one) => one.flags)]
  const names = [...(plan?.features ?? []), ...flags.flatMap((one) => Object.keys(one ?? {}))]
  return [...new Set(names)].sort()
}
