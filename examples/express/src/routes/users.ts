import { TenancyError } from '@org/core'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { contains, createdAt, createdAtFilters, listPage, listQuery, search } from '../http/list.ts'
import { email, id, invitation, name, reason, status, timestamp } from '../http/schemas.ts'
import { invite } from '../hub/invitations.ts'
import type { Hub } from '../hub/open-hub.ts'

const tag = 'Users'
const user = z
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
type User = Omit<z.output<typeof user>, 'createdAt' | 'updatedAt'> & { createdAt: Date; updatedAt: Date }

const COLUMNS = `u.id, u.email, u.name, u.status, u.suspended_reason as "suspendedReason",
  u.auth_provider as "authProvider", u.created_at as "createdAt", u.updated_at as "updatedAt"`
const LIST = {
  from: 'from "user" u where u.deleted_at is null',
  columns: COLUMNS,
  sorts: {
    created_at: { sql: 'u.created_at', type: 'timestamptz' },
    name: { sql: 'u.name', type: 'text' },
  },
  id: 'u.id::text',
  filters: {
    ...createdAtFilters('u.created_at'),
    status: 'u.status = $',
    q: `(${contains('u.email')} or ${contains('u.name')})`,
  },
} as const
const FIND = `select ${COLUMNS} from "user" u where u.id = $1 and u.deleted_at is null`

export function userRoutes(hub: Hub): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/users',
      access: 'identity.users.read',
      summary: 'Users of the tenant',
      tag,
      query: listQuery(['created_at', 'name'], { ...createdAt, status: status.optional(), q: search }),
      data: user,
      list: true,
      handle: ({ tenancy, query }) => listPage<User>(tenancy, LIST, query),
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
      errors: ['DUPLICATE_RESOURCE'],
      handle: async ({ tenancy, body }) => {
        const { store } = await hub.governance.current()
        return await tenancy.transaction(async (db) => {
          const made = await store.users.create(db, body)
          return { user: await find(db, made.id), invitation: await invite(db, made.id) }
        })
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/users/{id}',
      access: 'identity.users.update',
      summary: 'Rename a user',
      tag,
      params: z.object({ id }),
      body: z.strictObject({ name }),
      data: user,
      errors: ['NOT_FOUND'],
      handle: async ({ tenancy, params, body }) => {
        const { store } = await hub.governance.current()
        return await tenancy.transaction(async (db) => {
          await store.users.rename(db, params.id, body.name)
          return await find(db, params.id)
        })
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/users/{id}/status',
      access: 'identity.users.update',
      summary: 'Suspend a user, or let them in again',
      tag,
      params: z.object({ id }),
      body: z.strictObject({ status, reason: reason.optional() }),
      data: user,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ tenancy, params, body }) => {
        const { store } = await hub.governance.current()
        return await tenancy.transaction(async (db) => {
          await store.users.setStatus(db, params.id, body.status, { reason: body.reason })
          return await find(db, params.id)
        })
      },
    }),
  ]
}

async function find(db: { query: Parameters<typeof listPage>[0]['query'] }, userId: string): Promise<User> {
  const { rows } = await db.query<User>(FIND, [userId])
  if (rows[0]) return rows[0]
  throw new TenancyError('NOT_FOUND', 'The tenant has no such user.')
}
