import { type Queryable, TenancyError } from '@org/core'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
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
      status: 201,
      data: z.object({ user, invitation }),
      errors: ['DUPLICATE_RESOURCE', 'CONFLICT'],
      handle: async ({ tenancy, actor, body, evaluator }) => {
        const { store } = await hub.governance.current()
        const most = (await evaluator()).limit('max_users').value
        return await tenancy.transaction(async (db) => {
          const made = await store.users.create(db, body)
          await requireRoom(db, most)
          return { user: await findUser(db, made.id), invitation: await invite(db, made.id, actor) }
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
      handle: async ({ tenancy, params, body }) => {
        const { store } = await hub.governance.current()
        return await tenancy.transaction(async (db) => {
          await store.users.rename(db, params.id, body.name)
          return await findUser(db, params.id)
        })
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
      handle: async ({ tenancy, actor, params, body }) => {
        const { store } = await hub.governance.current()
        await requireNotAbove(hub.governance, tenancy, actor, params.id)
        return await tenancy.transaction(async (db) => {
          const { id } = await store.users.setStatus(db, params.id, body.status, { reason: body.reason })
          // By the id as it is stored: one in capitals is the same user, but not the same text.
          if (body.status === 'suspended') await endLogins(hub.tokens, db, id)
          return await findUser(db, id)
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
      status: 201,
      data: invitation,
      errors: ['NOT_FOUND'],
      handle: async ({ tenancy, actor, params }) => {
        await requireNotAbove(hub.governance, tenancy, actor, params.id)
        return await tenancy.transaction(async (db) => {
          await findUser(db, params.id)
          return await invite(db, params.id, actor)
        })
      },
    }),
  ]
}

/** @throws TenancyError NOT_FOUND */
async function findUser(db: Queryable, userId: string): Promise<User> {
  const { rows } = await db.query<User>(FIND, [userId])
  if (rows[0]) return rows[0]
  throw new TenancyError('NOT_FOUND', 'The tenant has no such user.')
}

/**
 * Counted behind the insert: changes of one tenant's users come one after the other, so no two take the last place.
 *
 * @throws TenancyError CONFLICT
 */
async function requireRoom(db: Queryable, most: number): Promise<void> {
  const { rows } = await db.query<{ users: number }>(COUNT)
  if ((rows[0]?.users ?? 0) <= most) return
  throw new TenancyError('CONFLICT', 'The plan of the tenant has no more users.', {
    details: { reason: 'limit_reached', limit: 'max_users' },
  })
}
