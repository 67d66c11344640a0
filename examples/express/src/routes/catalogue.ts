import { TenancyError } from '@org/core'
import type { Catalog } from '@org/rbac'
import { z } from 'zod'
import { catalog as own } from '../catalog.ts'
import { type Call, type Endpoint, endpoint } from '../http/endpoint.ts'
import { contains, createdAt, createdAtFilters, listPage, listQuery, search } from '../http/list.ts'
import { actionKey, actionPattern, name, packageKey, timestamp, toolKey } from '../http/schemas.ts'
import type { Hub } from '../hub/open-hub.ts'
import { OPERATORS_PACKAGE } from '../hub/platform.ts'

const tag = 'Catalogue'
const description = z
  .string()
  .trim()
  .max(200)
  .regex(/^\P{C}*$/u)
const entryStatus = z.enum(['active', 'deprecated'])
const facts = {
  name: z.string(),
  description: z.string().nullable(),
  status: entryStatus,
  createdAt: timestamp,
  updatedAt: timestamp,
}
const kind = z.enum(['read', 'write', 'admin'])
const tool = z.object({ key: toolKey, ...facts }).meta({ id: 'Tool' })
const action = z.object({ key: actionKey, toolKey, kind, ...facts }).meta({ id: 'Action' })
const pack = z.object({ key: packageKey, actions: z.array(actionKey), ...facts }).meta({ id: 'Package' })
type Operate = Pick<Call<unknown, unknown, unknown>, 'operate' | 'reference'>
type Dated<T extends z.ZodType> = Omit<z.output<T>, 'createdAt' | 'updatedAt'> & {
  createdAt: Date
  updatedAt: Date
}

const FACTS = (t: string) =>
  `${t}.key, ${t}.name, ${t}.description, ${t}.status, ${t}.created_at as "createdAt", ${t}.updated_at as "updatedAt"`
const TOOL = FACTS('t')
const ACTION = `${FACTS('a')}, a.tool_key as "toolKey", a.kind`
const PACKAGE = `${FACTS('p')}, array(select action_key from rbac.package_action l where l.package_key = p.key order by 1) as actions`

const listOf = (table: string, t: string, columns: string) =>
  ({
    from: `from rbac.${table} ${t} where true`,
    columns,
    sorts: {
      key: { sql: `${t}.key`, type: 'text' },
      created_at: { sql: `${t}.created_at`, type: 'timestamptz' },
    },
    id: `${t}.key`,
    filters: {
      ...createdAtFilters(`${t}.created_at`),
      status: `${t}.status = $`,
      q: `(${contains(`${t}.key`)} or ${contains(`${t}.name`)})`,
    },
  }) as const
const TOOLS = listOf('tool', 't', TOOL)
const ACTIONS = listOf('tool_action', 'a', ACTION)
const PACKAGES = listOf('package', 'p', PACKAGE)

const ADD_TOOL = `insert into rbac.tool as t (key, name, description) values ($1, $2, $3)
  on conflict do nothing returning ${TOOL}`
const ADD_ACTION = `insert into rbac.tool_action as a (key, tool_key, name, description, kind)
  select $1, key, $2, $4, $5 from rbac.tool where key = $3 on conflict do nothing returning ${ACTION}`
const ADD_PACKAGE = `insert into rbac.package as p (key, name, description) values ($1, $2, $3)
  on conflict do nothing returning ${PACKAGE}`
const FILL_PACKAGE = `insert into rbac.package_action (package_key, action_key)
  select $1, a.key from rbac.tool_action a
  where a.key = any ($2) or a.tool_key || '.*' = any ($2) on conflict do nothing`
const FIND_PACKAGE = `select ${PACKAGE} from rbac.package p where p.key = $1`

/** Tools, actions and packages of every product that the hub governs; the hub's own are in its code. */
export function catalogueRoutes(hub: Hub): Endpoint[] {
  const query = listQuery(['created_at', 'key'], { ...createdAt, status: entryStatus.optional(), q: search })
  const entry = z.strictObject({ name, description: description.optional() })
  // Who cannot look now finds out within a second.
  const reload = () => hub.governance.reload().catch(() => undefined)
  /** A new entry of the catalogue; the first of `values` is its key. */
  const added = <T extends object>(
    { operate, reference }: Operate,
    type: string,
    text: string,
    values: unknown[],
  ) =>
    operate(undefined, async (tx, trail) => {
      const [made] = (await tx.query<T>(text, values)).rows
      if (made === undefined) throw taken()
      const id = String(values[0])
      trail.record({ entity: { type, id }, after: { name: values[1] } })
      tx.afterCommit(reload)
      reference(id)
      return made
    })
  return [
    endpoint({
      method: 'get',
      path: '/v1/catalog/tools',
      access: 'catalog.tools.read',
      summary: 'Tools',
      tag,
      query,
      data: tool,
      list: true,
      handle: (call) => listPage<Dated<typeof tool>>(hub.control, TOOLS, call.query),
    }),
    endpoint({
      method: 'post',
      path: '/v1/catalog/tools',
      access: 'catalog.tools.create',
      summary: 'Add a tool',
      tag,
      body: entry.extend({ key: toolKey }),
      creates: true,
      status: 201,
      data: tool,
      errors: ['DUPLICATE_RESOURCE'],
      handle: ({ body, ...call }) => {
        refuseInherited(body.key, 'body.key')
        return added<Dated<typeof tool>>(call, 'tool', ADD_TOOL, [body.key, body.name, body.description])
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/catalog/actions',
      access: 'catalog.tools.read',
      summary: 'Actions of all tools',
      tag,
      query,
      data: action,
      list: true,
      handle: (call) => listPage<Dated<typeof action>>(hub.control, ACTIONS, call.query),
    }),
    endpoint({
      method: 'post',
      path: '/v1/catalog/tools/{toolKey}/actions',
      access: 'catalog.actions.create',
      summary: 'Add an action to a tool',
      tag,
      params: z.object({ toolKey }),
      body: entry.extend({ key: actionKey, kind }),
      creates: true,
      status: 201,
      data: action,
      errors: ['NOT_FOUND', 'DUPLICATE_RESOURCE', 'CONFLICT'],
      handle: async ({ params, body, ...call }) => {
        const { catalog } = await hub.governance.current()
        if (!Object.hasOwn(catalog.tools, params.toolKey)) throw missing('tool')
        if (Object.hasOwn(own.tools, params.toolKey)) throw ofTheHub()
        if (!body.key.startsWith(`${params.toolKey}.`)) throw field('body.key', 'not_of_this_tool')
        refuseInherited(body.key, 'body.key')
        const values = [body.key, body.name, params.toolKey, body.description, body.kind]
        return await added<Dated<typeof action>>(call, 'tool_action', ADD_ACTION, values)
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/catalog/packages',
      access: 'catalog.tools.read',
      summary: 'Packages and what they hold',
      tag,
      query,
      data: pack,
      list: true,
      handle: (call) => listPage<Dated<typeof pack>>(hub.control, PACKAGES, call.query),
    }),
    endpoint({
      method: 'post',
      path: '/v1/catalog/packages',
      access: 'catalog.packages.create',
      summary: 'Add a package',
      tag,
      body: entry.extend({ key: packageKey }),
      creates: true,
      status: 201,
      data: pack,
      errors: ['DUPLICATE_RESOURCE'],
      handle: ({ body, ...call }) => {
        refuseInherited(body.key, 'body.key')
        return added<Dated<typeof pack>>(call, 'package', ADD_PACKAGE, [
          body.key,
          body.name,
          body.description,
        ])
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/catalog/packages/{packageKey}/actions',
      access: 'catalog.packages.update',
      summary: 'Put actions into a package; tenants that have it get them at once',
      tag,
      params: z.object({ packageKey }),
      body: z.strictObject({ actions: z.array(actionPattern).min(1).max(500) }),
      creates: true,
      data: pack,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, body, operate }) => {
        const { catalog } = await hub.governance.current()
        if (!Object.hasOwn(catalog.packages, params.packageKey)) throw missing('package')
        if (params.packageKey === OPERATORS_PACKAGE) throw ofTheHub()
        if (body.actions.some((one) => !isKnown(catalog, one))) throw field('body.actions', 'unknown_action')
        if (body.actions.some(isForOperators)) throw ofTheHub()
        return await operate(undefined, async (tx, trail) => {
          await tx.query(FILL_PACKAGE, [params.packageKey, body.actions])
          const [made] = (await tx.query<Dated<typeof pack>>(FIND_PACKAGE, [params.packageKey])).rows
          if (made === undefined) throw missing('package')
          const { actions } = body
          trail.record({ entity: { type: 'package', id: params.packageKey }, metadata: { actions } })
          tx.afterCommit(reload)
          return made
        })
      },
    }),
  ]
}

function isKnown(catalog: Catalog, pattern: string): boolean {
  const [tool = '', rest] = pattern.split('.')
  return rest === '*' ? Object.hasOwn(catalog.tools, tool) : catalog.has(pattern)
}

/** What is for operators is in no package but theirs, or a tenant that buys it would be one. */
function isForOperators(pattern: string): boolean {
  return pattern.startsWith('platform.') || pattern.startsWith('catalog.')
}

/** Keys that every object has (`constructor`) would be found where nobody defined them. */
function refuseInherited(key: string, where: string): void {
  if (key.split('.').some((part) => part in {} || part === 'prototype')) throw field(where, 'reserved')
}

function taken(): TenancyError {
  return new TenancyError('DUPLICATE_RESOURCE', 'There is one of this key.', { details: { field: 'key' } })
}

function missing(what: string): TenancyError {
  return new TenancyError('NOT_FOUND', `There is no such ${what}.`)
}

function ofTheHub(): TenancyError {
  return new TenancyError('CONFLICT', "The hub's own tools and packages are defined in its code.", {
    details: { reason: 'own' },
  })
}

function field(name: string, reason: string): TenancyError {
  return new TenancyError('VALIDATION_ERROR', 'What was sent is not what it has to be.', {
    details: { field: name, reason },
  })
}
