import { type Queryable, TenancyError, type TenantQueryable } from '@org/core'
import type { Groups } from '@org/rbac/store'
import { z } from 'zod'
import { type Call, type Endpoint, endpoint } from '../http/endpoint.ts'
import { contains, createdAt, createdAtFilters, listPage, listQuery, search } from '../http/list.ts'
import { id, name, reason, status, timestamp } from '../http/schemas.ts'
import type { Trail } from '../hub/changes.ts'
import type { Hub } from '../hub/open-hub.ts'
import { type Reach, reachOf } from '../hub/reach.ts'
import { USER_LIST, type User, user, userQuery } from './users.ts'

const tag = 'Groups'
const params = z.object({ id })
const membership = z.object({ id, userId: id })
const description = z
  .string()
  .max(1_000)
  .regex(/^[^\p{Cs}\0]*$/u)
const group = z
  .object({
    id,
    name,
    description: description.nullable(),
    status,
    suspendedReason: z.string().nullable(),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({ id: 'Group' })
type Group = Omit<z.output<typeof group>, 'createdAt' | 'updatedAt'> & { createdAt: Date; updatedAt: Date }

const COLUMNS = `g.id, g.name, g.description, g.status, g.suspended_reason as "suspendedReason",
  g.created_at as "createdAt", g.updated_at as "updatedAt"`
const LIST = {
  from: 'from "group" g where g.deleted_at is null',
  columns: COLUMNS,
  sorts: {
    created_at: { sql: 'g.created_at', type: 'timestamptz' },
    name: { sql: 'g.name', type: 'text' },
  },
  id: 'g.id::text',
  filters: {
    ...createdAtFilters('g.created_at'),
    status: 'g.status = $',
    q: `(${contains('g.name')} or ${contains(`coalesce(g.description, '')`)})`,
  },
} as const
const FIND = `select ${COLUMNS} from "group" g where g.id = $1 and g.deleted_at is null`
const MEMBERS = {
  ...USER_LIST,
  from: `from "user" u join user_group m on m.user_id = u.id where m.group_id = $1 and u.deleted_at is null`,
}
const PATTERNS = 'select tool_action as pattern from group_permission where group_id = $1'

export function groupRoutes(hub: Hub): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/groups',
      access: 'identity.groups.read',
      summary: 'Groups of the tenant',
      tag,
      query: listQuery(['created_at', 'name'], { ...createdAt, status: status.optional(), q: search }),
      data: group,
      list: true,
      handle: ({ tenancy, query }) => listPage<Group>(tenancy, LIST, query),
    }),
    endpoint({
      method: 'post',
      path: '/v1/groups',
      access: 'identity.groups.create',
      summary: 'Create a group; it grants nothing yet',
      tag,
      body: z.strictObject({ name, description: description.optional() }),
      creates: true,
      status: 201,
      data: group,
      errors: ['DUPLICATE_RESOURCE'],
      handle: async ({ body, change }) => {
        const { store } = await hub.governance.current()
        return await change(async (db, trail) => {
          const { id } = await store.groups.create(db, body)
          const made = await findGroup(db, id)
          trail.record({ entity: { type: 'group', id }, after: factsOf(made) })
          trail.publish('group.created', { groupId: id })
          return made
        })
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/groups/{id}',
      access: 'identity.groups.update',
      summary: 'Rename or describe a group',
      tag,
      params,
      body: z.strictObject({ name: name.optional(), description: description.nullable().optional() }),
      data: group,
      errors: ['NOT_FOUND', 'DUPLICATE_RESOURCE'],
      // Two groups that changed names would make others give what they do not mean to.
      handle: ({ params, body, ...call }) =>
        changeGroup(hub, call, params.id, async ({ db, groups, trail, before }) => {
          await groups.update(db, params.id, body)
          const after = await findGroup(db, params.id)
          trail.record({ entity: entityOf(after), before: factsOf(before), after: factsOf(after) })
          trail.publish('group.updated', { groupId: after.id })
          return after
        }),
    }),
    endpoint({
      method: 'patch',
      path: '/v1/groups/{id}/status',
      access: 'identity.groups.update',
      summary: 'Suspend a group, which then neither grants nor denies, or resume it',
      tag,
      params,
      body: z.strictObject({ status, reason: reason.optional() }),
      data: group,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: ({ params, body, ...call }) =>
        changeGroup(hub, call, params.id, async ({ db, groups, trail, before }) => {
          await groups.setStatus(db, params.id, body.status, { reason: body.reason })
          const after = await findGroup(db, params.id)
          trail.record({ entity: entityOf(after), before: factsOf(before), after: factsOf(after) })
          trail.publish('group.updated', { groupId: after.id })
          return after
        }),
    }),
    endpoint({
      method: 'get',
      path: '/v1/groups/{id}/users',
      access: 'identity.groups.read',
      summary: 'Members of a group',
      tag,
      params,
      query: userQuery,
      data: user,
      list: true,
      errors: ['NOT_FOUND'],
      handle: ({ tenancy, params, query }) =>
        tenancy.transaction(
          async (db) => {
            await findGroup(db, params.id)
            return await listPage<User>(db, MEMBERS, query, [params.id])
          },
          { readOnly: true },
        ),
    }),
    endpoint({
      method: 'post',
      path: '/v1/groups/{id}/users/{userId}',
      access: 'identity.groups.update',
      summary: 'Put a user into a group; one who is in it already stays',
      tag,
      params: membership,
      creates: true,
      status: 204,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, ...call }) => {
        await changeGroup(hub, call, params.id, async ({ db, groups, trail, before }) => {
          await groups.addUser(db, params.id, params.userId)
          tellMembership(trail, before.id, params.userId, 'added')
        })
        return undefined
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/groups/{id}/users/{userId}',
      access: 'identity.groups.update',
      summary: 'Take a user out of a group; never the last administrator',
      tag,
      params: membership,
      status: 204,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, ...call }) => {
        await changeGroup(hub, call, params.id, async ({ db, groups, trail, before }) => {
          await groups.removeUser(db, params.id, params.userId)
          tellMembership(trail, before.id, params.userId, 'removed')
        })
        return undefined
      },
    }),
  ]
}

/** @throws TenancyError NOT_FOUND */
export async function findGroup(db: Queryable, groupId: string): Promise<Group> {
  const { rows } = await db.query<Group>(FIND, [groupId])
  if (rows[0]) return rows[0]
  throw new TenancyError('NOT_FOUND', 'The tenant has no such group.')
}

/**
 * The one way to change a group: in one transaction, by who holds all that it grants or denies. Denies count too: who is
 * taken out of a group that denies something gains it.
 *
 * @throws TenancyError NOT_FOUND, FORBIDDEN_ACTION
 */
export async function changeGroup<T>(
  { governance }: Hub,
  { tenancy, actor, change }: Pick<Call<unknown, unknown, unknown>, 'tenancy' | 'actor' | 'change'>,
  groupId: string,
  work: (given: GroupChange) => Promise<T>,
): Promise<T> {
  const { store } = await governance.current()
  const reach = await reachOf(governance, tenancy, actor)
  return await change(async (db, trail) => {
    const before = await findGroup(db, groupId)
    const { rows } = await db.query<{ pattern: string }>(PATTERNS, [groupId])
    reach.requireWithin(rows.map(({ pattern }) => pattern))
    return await work({ db, groups: store.groups, reach, trail, before })
  })
}

/** What a change of a group is given. */
interface GroupChange {
  readonly db: TenantQueryable
  readonly groups: Groups
  readonly reach: Reach
  readonly trail: Trail
  readonly before: Group
}

const entityOf = ({ id }: Group) => ({ type: 'group', id })

function factsOf({ name, description, status, suspendedReason }: Group): object {
  return { name, description, status, suspendedReason }
}

function tellMembership(trail: Trail, groupId: string, userId: string, change: 'added' | 'removed'): void {
  const user = userId.toLowerCase()
  trail.record({ entity: { type: 'group', id: groupId }, metadata: { [change]: user } })
  trail.publish('user_group.changed', { groupId, userId: user, change })
}
