import { type Queryable, TenancyError, type TenantKey } from '@org/core'
import type { SubjectData } from '@org/governance/privacy'
import { z } from 'zod'
import { type Call, type Endpoint, endpoint } from '../http/endpoint.ts'
import { contains, createdAt, createdAtFilters, listPage, listQuery, search } from '../http/list.ts'
import { email, id, invitation, name, reason, status, timestamp } from '../http/schemas.ts'
import { invite } from '../hub/invitations.ts'
import { endLogins } from '../hub/logins.ts'
import { requireNotAbove } from '../hub/not-above.ts'
import type { Hub } from '../hub/open-hub.ts'

const tag = 'Users'
const params = z.object({ id })
export const user = z
  .object({
    id,
    email,
    name,
    status,
    suspendedReason: z.string().nullable(),
    authProvider: z.string(),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({ id: 'User' })
export type User = Omit<z.output<typeof user>, 'createdAt' | 'updatedAt'> & {
  createdAt: Date
  updatedAt: Date
}

/** How users are listed; `from` may say which. */
export const USER_LIST = {
  from: 'from "user" u where u.deleted_at is null',
  columns: `u.id, u.email, u.name, u.status, u.suspended_reason as "suspendedReason",
    u.auth_provider as "authProvider", u.created_at as "createdAt", u.updated_at as "updatedAt"`,
  sorts: {
    created_at: { sql: 'u.created_at', type: 'timestamptz' },
    name: { sql: 'u.name', type: 'text' },
    email: { sql: 'u.email', type: 'text' },
  },
  id: 'u.id::text',
  filters: {
    ...createdAtFilters('u.created_at'),
    status: 'u.status = $',
    q: `(${contains('u.email')} or ${contains('u.name')})`,
  },
} as const
export const userQuery = listQuery(['created_at', 'name', 'email'], {
  ...createdAt,
  status: status.optional(),
  q: search,
})
const FIND = `select ${USER_LIST.columns} from "user" u where u.id = $1 and u.deleted_at is null`
const COUNT = 'select count(*)::int as users from "user" where deleted_at is null'

export function userRoutes(hub: Hub): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/users',
      access: 'identity.users.read',
      summary: 'Users of the tenant',
      tag,
      query: userQuery,
      data: user,
      list: true,
      handle: ({ tenancy, query }) => listPage<User>(tenancy, USER_LIST, query),
    }),
    endpoint({
      method: 'post',
      path: '/v1/users',
      access: 'identity.users.create',
      summary: 'Invite a user',
      tag,
      body: z.strictObject({ email, name }),
      creates: 'secret',
      status: 201,
      data: z.object({ user, invitation }),
      errors: ['DUPLICATE_RESOURCE', 'CONFLICT', 'QUOTA_EXCEEDED'],
      handle: async ({ actor, body, evaluator, change, reference }) => {
        const { store } = await hub.governance.current()
        const most = (await evaluator()).limit('max_users').value
        return await change(async (db, trail) => {
          const { id } = await store.users.create(db, body)
          await requireRoom(db, most)
          const made = await findUser(db, id)
          trail.record({ entity: { type: 'user', id }, after: factsOf(made) })
          trail.publish('user.created', { userId: id })
          reference(id)
          return { user: made, invitation: await invite(db, id, actor) }
        })
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/users/{id}',
      access: 'identity.users.update',
      summary: 'Rename a user',
      tag,
      params,
      body: z.strictObject({ name }),
      data: user,
      errors: ['NOT_FOUND'],
      handle: async ({ params, body, change }) => {
        const { store } = await hub.governance.current()
        return await change(async (db, trail) => {
          const before = await findUser(db, params.id)
          await store.users.rename(db, params.id, body.name)
          const after = await findUser(db, params.id)
          trail.record({
            entity: { type: 'user', id: after.id },
            before: factsOf(before),
            after: factsOf(after),
          })
          trail.publish('user.updated', { userId: after.id })
          return after
        })
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/users/{id}',
      access: 'identity.users.erase',
      summary:
        'Erase a user for good: what is known of the person goes, the id stays; never the last administrator',
      tag,
      params,
      status: 204,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ tenancy, tenant, actor, params, change }) => {
        await requireNotAbove(hub.governance, tenancy, actor, params.id)
        const { rows } = await tenancy.query<Erasable>(ERASABLE, [params.id])
        if (rows[0] === undefined) throw noUser()
        await eraseUser(hub, tenant, rows[0], change)
        return undefined
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/users/{id}/status',
      access: 'identity.users.update',
      summary: 'Suspend a user, which ends their logins at once, or let them in again',
      tag,
      params,
      body: z.strictObject({ status, reason: reason.optional() }),
      data: user,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ tenancy, actor, params, body, change }) => {
        const { store } = await hub.governance.current()
        await requireNotAbove(hub.governance, tenancy, actor, params.id)
        return await change(async (db, trail) => {
          const before = await findUser(db, params.id)
          const { id } = await store.users.setStatus(db, params.id, body.status, { reason: body.reason })
          // By the id as it is stored: one in capitals is the same user, but not the same text.
          if (body.status === 'suspended') await endLogins(hub.tokens, db, id)
          const after = await findUser(db, id)
          trail.record({ entity: { type: 'user', id }, before: factsOf(before), after: factsOf(after) })
          trail.publish('user.status.changed', { userId: id, status: body.status })
          return after
        })
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/users/{id}/invitation',
      access: 'identity.users.update',
      summary: 'Invite a user again, to choose a new password; the invitation before is worth nothing',
      tag,
      params,
      creates: 'secret',
      status: 201,
      data: invitation,
      errors: ['NOT_FOUND'],
      handle: async ({ tenancy, actor, params, change, reference }) => {
        await requireNotAbove(hub.governance, tenancy, actor, params.id)
        return await change(async (db, trail) => {
          const { id } = await findUser(db, params.id)
          trail.record({ entity: { type: 'user', id }, metadata: { invited: true } })
          reference(id)
          return await invite(db, id, actor)
        })
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/users/{id}/data',
      access: 'identity.users.export',
      summary: 'All that is kept of a user, by table',
      tag,
      params,
      data: z.record(z.string(), z.array(z.record(z.string(), z.json()))),
      errors: ['NOT_FOUND'],
      handle: async ({ tenancy, tenant, actor, params }) => {
        // Who may read a credential's hash could try passwords: only who may as much as the user.
        await requireNotAbove(hub.governance, tenancy, actor, params.id)
        const { id } = await findUser(tenancy, params.id)
        return jsonOf(await hub.people().export(tenant, id))
      },
    }),
  ]
}

/** Removed, and perhaps not erased yet: then it is asked for again. */
const ERASABLE = `select id, deleted_at is not null as removed from "user"
  where id = $1 and (deleted_at is null or email !~ '^erased-')`
interface Erasable {
  readonly id: string
  readonly removed: boolean
}

/**
 * First the user is removed, which may be refused; then what is known of the person goes, and the key with which the audit log
 * seals it. Cut off between the two, the same request finishes it.
 */
async function eraseUser(
  hub: Hub,
  tenant: TenantKey,
  { id: userId, removed }: Erasable,
  change: Call<unknown, unknown, unknown>['change'],
): Promise<void> {
  const { store } = await hub.governance.current()
  const entity = { type: 'user', id: userId }
  if (!removed) {
    await change(async (db, trail) => {
      await endLogins(hub.tokens, db, userId)
      await store.users.remove(db, userId)
      trail.record({ entity, metadata: { removed: true } })
    })
  }
  const people = hub.people(() =>
    change(async (_db, trail) => {
      trail.record({ entity, metadata: { erased: true } })
      trail.publish('user.erased', { userId })
    }),
  )
  await people.erase(tenant, userId)
}

/** What the audit log compares: of a person that it changed, not to what. */
function factsOf({ email, name, status, suspendedReason }: User): object {
  return { email, name, status, suspendedReason }
}

function jsonOf(data: SubjectData): Record<string, Record<string, JsonValue>[]> {
  return JSON.parse(JSON.stringify(data))
}

type JsonValue = z.output<ReturnType<typeof z.json>>

/** @throws TenancyError NOT_FOUND */
async function findUser(db: Queryable, userId: string): Promise<User> {
  const { rows } = await db.query<User>(FIND, [userId])
  if (rows[0]) return rows[0]
  throw noUser()
}

function noUser(): TenancyError {
  return new TenancyError('NOT_FOUND', 'The tenant has no such user.')
}

/**
 * Counted behind the insert: changes of one tenant's users come one after the other, so no two take the last place.
 *
 * @throws TenancyError QUOTA_EXCEEDED
 */
async function requireRoom(db: Queryable, most: number): Promise<void> {
  const { rows } = await db.query<{ users: number }>(COUNT)
  if ((rows[0]?.users ?? 0) <= most) return
  throw new TenancyError('QUOTA_EXCEEDED', 'The plan of the tenant has no more users.', {
    details: { reason: 'limit_reached', limit: 'max_users' },
  })
}
