import { parseTenantKey, type TenantKey } from '@org/core'
import { createEvaluator } from '@org/rbac'
import { z } from 'zod'
import { type Endpoint, endpoint, type Page } from '../http/endpoint.ts'
import { moment } from '../http/list.ts'
import { tenantKey, timestamp } from '../http/schemas.ts'
import type { Hub } from '../hub/open-hub.ts'
import { NOBODY } from './tenant-limits.ts'
import { findTenant } from './tenants.ts'

const tag = 'Usage'
const usage = z
  .object({
    action: z.string(),
    periodStart: timestamp,
    periodEnd: timestamp,
    count: z.number().int(),
  })
  .meta({ id: 'Usage' })
const query = z.strictObject({
  period: z.enum(['day', 'month']).default('month').describe('In UTC'),
  action: z
    .string()
    .min(1)
    .max(100)
    .regex(/^[a-z0-9_.]*$/)
    .optional(),
  from: moment.optional().describe('Default: a year ago'),
  to: moment.optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  cursor: z.string().max(1_000).optional().describe('`meta.nextCursor` of the page before'),
})
const quota = z
  .object({
    resource: z.enum(['users', 'storage_gb', 'api_calls']),
    used: z.number(),
    limit: z.number().nullable().describe('`null`: unlimited'),
  })
  .meta({ id: 'Quota' })

const USERS = 'select count(*)::float8 as used from "user" where deleted_at is null'
const STORAGE = `select used::float8 as used from rbac.tenant_resource where tenant = $1 and resource_type = 'max_storage_gb'`
const LIMITS = { users: 'max_users', storage_gb: 'max_storage_gb', api_calls: 'max_api_calls' } as const

/** What was done how often, and how much of its plan a tenant has used. */
export function usageRoutes(hub: Hub): Endpoint[] {
  const page = async (
    tenant: TenantKey,
    asked: z.output<typeof query>,
  ): Promise<Page<z.output<typeof usage>>> => {
    const { data, meta } = await hub.used.list(hub.control, tenant, asked)
    return { items: data, nextCursor: meta.nextCursor }
  }
  const calls = async (tenant: TenantKey) => {
    const all = await hub.used.resources(hub.control, tenant)
    return all.find(({ resource }) => resource === 'api_calls')?.used ?? 0
  }
  const storage = async (tenant: TenantKey) =>
    (await hub.control.query<{ used: number }>(STORAGE, [tenant])).rows[0]?.used ?? 0
  return [
    endpoint({
      method: 'get',
      path: '/v1/usage',
      access: 'account.usage.read',
      summary: 'What was changed how often, by action and period',
      tag,
      query,
      data: usage,
      list: true,
      handle: ({ tenant, query }) => page(tenant, query),
    }),
    endpoint({
      method: 'get',
      path: '/v1/usage/quotas',
      access: 'account.usage.read',
      summary:
        'How much of its plan the tenant has used: users, storage, API calls of the month (to the last hundred)',
      tag,
      data: z.array(quota),
      handle: async ({ tenant, tenancy }) => {
        const { store, catalog } = await hub.governance.current()
        const limits = createEvaluator(catalog, await store.loadSnapshot(tenancy, NOBODY))
        const used = {
          users: (await tenancy.query<{ used: number }>(USERS)).rows[0]?.used ?? 0,
          storage_gb: await storage(tenant),
          api_calls: await calls(tenant),
        }
        return (Object.keys(LIMITS) as (keyof typeof LIMITS)[]).map((resource) => {
          const { value } = limits.limit(LIMITS[resource])
          return { resource, used: used[resource], limit: Number.isFinite(value) ? value : null }
        })
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/tenants/{id}/usage',
      access: 'platform.audit.read',
      summary: 'What was changed how often in a tenant, by action and period',
      tag,
      params: z.object({ id: tenantKey }),
      query,
      data: usage,
      list: true,
      errors: ['NOT_FOUND'],
      handle: async ({ params, query }) => page(parseTenantKey((await findTenant(hub, params.id)).id), query),
    }),
  ]
}
