import { parseTenantKey, TenancyError } from '@org/core'
import { createEvaluator } from '@org/rbac'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { listPage } from '../http/list.ts'
import { actionKey, id, status, tenantKey } from '../http/schemas.ts'
import type { Hub } from '../hub/open-hub.ts'
import { findTenant } from './tenants.ts'
import { USER_LIST, userQuery } from './users.ts'

const step = z
  .object({ link: z.string(), ok: z.boolean(), sentence: z.string() })
  .meta({ id: 'ExplanationStep' })
const explanation = z
  .object({
    action: actionKey,
    allowed: z.boolean(),
    sentence: z.string(),
    steps: z.array(step),
    missing: step.nullable(),
  })
  .meta({ id: 'Explanation' })

const user = z.object({ id, email: z.string(), name: z.string(), status }).meta({ id: 'TenantUser' })
const USERS = { ...USER_LIST, columns: 'u.id, u.email, u.name, u.status' }
const setting = z
  .object({
    key: z.string(),
    value: z.union([z.string(), z.number(), z.boolean()]).nullable(),
    masked: z.boolean(),
  })
  .meta({ id: 'TenantSetting' })

/** What an operator sees of a tenant's inside: who is there, what they may do and why, settings without their secrets. */
export function tenantInsideRoutes(hub: Hub): Endpoint[] {
  const params = z.object({ id: tenantKey })
  const tenantOf = async (key: string) => parseTenantKey((await findTenant(hub, key)).id)
  return [
    endpoint({
      method: 'get',
      path: '/v1/tenants/{id}/users',
      access: 'platform.tenants.explain',
      summary: "A tenant's users, to ask what they may do",
      tag: 'Tenants',
      params,
      query: userQuery,
      data: user,
      list: true,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, query }) => {
        const tenant = await tenantOf(params.id)
        return await hub.inTenant(tenant, (db) => listPage<z.output<typeof user>>(db, USERS, query))
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/tenants/{id}/settings',
      access: 'platform.tenants.read',
      summary: "A tenant's settings; secrets are masked, and not opened",
      tag: 'Tenants',
      params,
      data: z.array(setting),
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params }) => {
        const found = await hub.inTenant(await tenantOf(params.id), (db) => hub.settings.list(db))
        return Object.entries(found).map(([key, { value }]) => {
          const masked = typeof value === 'object'
          return { key, value: masked ? null : value, masked }
        })
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/tenants/{id}/explain',
      access: 'platform.tenants.explain',
      summary: 'Why somebody of a tenant may do something, or what is missing',
      tag: 'Tenants',
      params,
      query: z.strictObject({
        user: id.optional().describe('A user of the tenant; else `apiKey`'),
        apiKey: id.optional(),
        action: actionKey,
      }),
      data: explanation,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, query }) => {
        const actor = actorOf(query)
        const tenant = await tenantOf(params.id)
        const { store, catalog } = await hub.governance.current()
        const snapshot = await hub.inTenant(tenant, (db) => store.loadSnapshot(db, actor))
        const found = createEvaluator(catalog, snapshot).explain(query.action)
        const told = (one: (typeof found.steps)[number]) => ({
          link: one.link,
          ok: one.ok,
          sentence: one.sentence.en,
        })
        return {
          action: query.action,
          allowed: found.allowed,
          sentence: found.sentence.en,
          steps: found.steps.map(told),
          missing: found.missing ? told(found.missing) : null,
        }
      },
    }),
  ]
}

function actorOf({ user, apiKey }: { user?: string | undefined; apiKey?: string | undefined }) {
  if (user !== undefined && apiKey === undefined) return { type: 'user', id: user } as const
  if (apiKey !== undefined && user === undefined) return { type: 'service', id: apiKey } as const
  throw new TenancyError('VALIDATION_ERROR', 'Name either a user or an API key.', {
    details: { field: 'query.user', reason: 'one_of' },
  })
}
