import { type Queryable, TenancyError } from '@org/core'
import { type Constraints, parseConstraints } from '@org/rbac'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { contains, createdAt, createdAtFilters, listPage, listQuery, search } from '../http/list.ts'
import { actionPattern, id, timestamp } from '../http/schemas.ts'
import type { Hub } from '../hub/open-hub.ts'
import { changeGroup, findGroup } from './groups.ts'

const tag = 'Groups'
const params = z.object({ id })
const effect = z.enum(['allow', 'deny'])
const scalar = z.union([
  z
    .string()
    .max(1_000)
    .regex(/^[^\p{Cs}\0]*$/u),
  z.number(),
  z.boolean(),
])
const number = z.number().optional()
const test = z.strictObject({
  eq: scalar.optional(),
  in: z.array(scalar).min(1).max(1_000).optional(),
  lt: number,
  lte: number,
  gt: number,
  gte: number,
  prefix: z.string().min(1).max(1_000).optional(),
})
/** The shape; what it may say is for `parseConstraints`. */
const constraints = z
  .record(
    z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,62}$/),
    z.union([scalar, z.array(scalar).min(1).max(1_000), test]),
  )
  .describe('On which records: each field a value, a list of values, or tests; or `{ own: true }`')
  .meta({ id: 'Constraints' })
const permission = z
  .object({
    id,
    action: actionPattern,
    effect,
    constraints: constraints.nullable(),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({ id: 'Permission' })
type Permission = Omit<z.output<typeof permission>, 'constraints' | 'createdAt' | 'updatedAt'> & {
  constraints: Constraints | null
  createdAt: Date
  updatedAt: Date
}

const COLUMNS = `p.id, p.tool_action as action, p.effect, p.constraints,
  p.created_at as "createdAt", p.updated_at as "updatedAt"`
const LIST = {
  from: 'from group_permission p where p.group_id = $1',
  columns: COLUMNS,
  sorts: {
    created_at: { sql: 'p.created_at', type: 'timestamptz' },
    action: { sql: 'p.tool_action', type: 'text' },
  },
  id: 'p.id::text',
  filters: { ...createdAtFilters('p.created_at'), effect: 'p.effect = $', q: contains('p.tool_action') },
} as const
const FIND = `select ${COLUMNS} from group_permission p where p.id = $1`

/** What groups grant and deny. Who may change it: see `Reach`. */
export function permissionRoutes(hub: Hub): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/groups/{id}/permissions',
      access: 'identity.groups.read',
      summary: 'What a group grants and denies',
      tag,
      params,
      query: listQuery(['created_at', 'action'], { ...createdAt, effect: effect.optional(), q: search }),
      data: permission,
      list: true,
      errors: ['NOT_FOUND'],
      handle: ({ tenancy, params, query }) =>
        tenancy.transaction(
          async (db) => {
            await findGroup(db, params.id)
            return await listPage<Permission>(db, LIST, query, [params.id])
          },
          { readOnly: true },
        ),
    }),
    endpoint({
      method: 'post',
      path: '/v1/groups/{id}/permissions',
      access: 'identity.permissions.update',
      summary: 'Grant an action, or `tool.*`, to a group, or deny it; what it says of it already is replaced',
      tag,
      params,
      body: z.strictObject({
        action: actionPattern,
        effect: effect.default('allow'),
        constraints: constraints.optional(),
      }),
      creates: true,
      status: 201,
      data: permission,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, body, ...call }) => {
        const { action, effect } = body
        const only = body.constraints && { constraints: parseConstraints(body.constraints) }
        return await changeGroup(hub, call, params.id, async ({ db, groups, reach, trail, before }) => {
          if (effect === 'allow') reach.requireEntitled([action])
          reach.requireWithin([action])
          const pattern = action as `${string}.*`
          const { id } = await groups.grant(db, params.id, { action: pattern, effect, ...only })
          const made = await findPermission(db, id)
          const { constraints } = made
          trail.record({ entity: entityOf(id), after: { groupId: before.id, action, effect, constraints } })
          trail.publish('group.permission.changed', {
            groupId: before.id,
            permissionId: id,
            change: 'granted',
          })
          return made
        })
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/groups/{id}/permissions/{permissionId}',
      access: 'identity.permissions.update',
      summary: 'Take a permission back',
      tag,
      params: z.object({ id, permissionId: id }),
      status: 204,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, ...call }) => {
        await changeGroup(hub, call, params.id, async ({ db, groups, trail, before }) => {
          const { id, action, effect, constraints } = await findPermission(db, params.permissionId)
          await groups.revoke(db, params.id, params.permissionId)
          trail.record({ entity: entityOf(id), before: { groupId: before.id, action, effect, constraints } })
          trail.publish('group.permission.changed', {
            groupId: before.id,
            permissionId: id,
            change: 'revoked',
          })
        })
        return undefined
      },
    }),
  ]
}

const entityOf = (id: string) => ({ type: 'group_permission', id })

async function findPermission(db: Queryable, permissionId: string): Promise<Permission> {
  const { rows } = await db.query<Permission>(FIND, [permissionId])
  if (rows[0]) return rows[0]
  throw new TenancyError('NOT_FOUND', 'The group has no such permission.')
}
