import { parseTenantKey, TenancyError, type TenantKey } from '@org/core'
import { createEvaluator, type Evaluator } from '@org/rbac'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { planKey, tenantKey } from '../http/schemas.ts'
import type { Hub } from '../hub/open-hub.ts'
import { keepLimits, requirePlan } from '../hub/plans.ts'
import { findTenant } from './tenants.ts'

const tag = 'Plans and limits'
const params = z.object({ id: tenantKey })
const limitName = z.string().regex(/^[a-z][a-z0-9_]{0,49}$/)
const bound = z.number().min(0).max(Number.MAX_SAFE_INTEGER).nullable().describe('`null` is unlimited')
const limits = z.record(limitName, bound)
const flags = z.record(limitName, z.boolean())
const resource = z
  .object({ resource: z.string(), used: z.number(), limit: z.number().nullable() })
  .meta({ id: 'Resource' })
const limit = z
  .object({
    name: z.string(),
    limit: z.number().nullable().describe('`null` is unlimited'),
    source: z.enum(['plan', 'override', 'none']),
    sentence: z.string(),
  })
  .meta({ id: 'Limit' })
const plan = z
  .object({
    key: planKey,
    name: z.string(),
    limits,
    features: z.array(z.string()),
    price: z.number().nullable(),
  })
  .meta({ id: 'Plan' })

const RESOURCES = `select resource_type as resource, used::float8 as used, limit_value::float8 as "limit"
  from rbac.tenant_resource where tenant = $1 order by 1`
const PLANS = `select key, name, features, price::float8 as price,
    limits || jsonb_build_object('max_users', max_users, 'max_storage_gb', max_storage_gb, 'max_api_calls', max_api_calls) as limits
  from rbac.plan order by key`

const ON_PLAN = 'select tenant from rbac.tenant_entitlement where plan_key = $1 order by tenant'

/** Nobody: limits are the tenant's, whoever asks. */
export const NOBODY = { type: 'user', id: '00000000-0000-0000-0000-000000000000' } as const

export function tenantLimitRoutes(hub: Hub): Endpoint[] {
  const limitsOf = async (tenant: TenantKey) => {
    const { catalog } = await hub.governance.current()
    const evaluator = await evaluatorOf(hub, tenant)
    return Object.keys(catalog.limits).map((name) => {
      const { value, source, sentence } = evaluator.limit(name)
      return { name, limit: Number.isFinite(value) ? value : null, source, sentence: sentence.en }
    })
  }
  return [
    endpoint({
      method: 'get',
      path: '/v1/tenants/{id}/resources',
      access: 'platform.resources.read',
      summary: 'What the tenant uses',
      tag,
      params,
      data: z.array(resource),
      errors: ['NOT_FOUND'],
      handle: async ({ params }) => {
        const { id } = await findTenant(hub, params.id)
        return (await hub.control.query<z.output<typeof resource>>(RESOURCES, [id])).rows
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/tenants/{id}/resources',
      access: 'platform.resources.update',
      summary: 'Count something the tenant uses, up to its limit; a negative amount gives back',
      tag,
      params,
      body: z.strictObject({ resource: limitName, amount: z.number().min(-1e12).max(1e12) }),
      creates: true,
      data: resource,
      errors: ['NOT_FOUND', 'CONFLICT', 'QUOTA_EXCEEDED'],
      handle: async ({ params, body, operate }) => {
        const tenant = await tenantOf(hub, params.id)
        const { value } = (await evaluatorOf(hub, tenant)).limit(body.resource)
        const bounded = Number.isFinite(value) ? value : null
        return await operate(tenant, async (tx, trail) => {
          const store = await hub.governance.within(tx)
          const used = await store.takeResource(tenant, body.resource, body.amount, bounded)
          if (used === undefined) throw limitReached(body.resource)
          trail.record({ metadata: { ...body, used } })
          return { resource: body.resource, used, limit: bounded }
        })
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/tenants/{id}/limits',
      access: 'platform.resources.read',
      summary: 'The limits of the tenant and where each comes from',
      tag,
      params,
      data: z.array(limit),
      errors: ['NOT_FOUND'],
      handle: async ({ params }) => limitsOf(await tenantOf(hub, params.id)),
    }),
    endpoint({
      method: 'put',
      path: '/v1/tenants/{id}/limits',
      access: 'platform.limits.update',
      summary: "Set the tenant's plan, and limits and flags of its own; what is left out stays",
      tag,
      params,
      body: z.strictObject({
        plan: planKey.nullable().optional(),
        limits: limits.optional(),
        flags: flags.optional(),
      }),
      data: z.array(limit),
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, body, operate }) => {
        const tenant = await tenantOf(hub, params.id)
        // Before anything is changed: the answer needs the tenant to be open.
        await evaluatorOf(hub, tenant)
        if (typeof body.plan === 'string') await requirePlan(hub, body.plan, 'body.plan')
        await operate(tenant, async (tx, trail) => {
          await (await hub.governance.within(tx)).setTenant(tenant, body)
          await keepLimits(hub, tx, [tenant])
          trail.record({ after: body })
        })
        return await limitsOf(tenant)
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/plans',
      access: 'catalog.plans.read',
      summary: 'Plans',
      tag,
      data: z.array(plan),
      handle: async () => (await hub.control.query<z.output<typeof plan>>(PLANS)).rows,
    }),
    endpoint({
      method: 'put',
      path: '/v1/plans/{planKey}',
      access: 'catalog.plans.update',
      summary: 'Make a plan or replace it, for all tenants that are on it',
      tag,
      params: z.object({ planKey }),
      body: z.strictObject({
        name: z
          .string()
          .min(1)
          .max(200)
          .regex(/^\P{C}*$/u),
        limits,
        features: z.array(limitName).max(100).default([]),
        price: z.number().min(0).max(9_999_999_999).nullable().default(null),
      }),
      status: 204,
      handle: async ({ params, body, operate }) => {
        await operate(undefined, async (tx, trail) => {
          await (await hub.governance.within(tx)).putPlan(params.planKey, body)
          const { rows } = await tx.query<{ tenant: string }>(ON_PLAN, [params.planKey])
          await keepLimits(
            hub,
            tx,
            rows.map(({ tenant }) => tenant),
          )
          trail.record({ entity: { type: 'plan', id: params.planKey }, after: body })
        })
        return undefined
      },
    }),
  ]
}

async function tenantOf(hub: Hub, key: string): Promise<TenantKey> {
  return parseTenantKey((await findTenant(hub, key)).id)
}

/** @throws TenancyError CONFLICT: what a suspended tenant may do is nothing */
async function evaluatorOf({ governance, inTenant }: Hub, tenant: TenantKey): Promise<Evaluator> {
  const { store, catalog } = await governance.current()
  return await inTenant(tenant, async (db) => createEvaluator(catalog, await store.loadSnapshot(db, NOBODY)))
}

function limitReached(resource: string): TenancyError {
  return new TenancyError('QUOTA_EXCEEDED', 'The limit of the tenant does not allow it.', {
    details: { reason: 'limit_reached', resource },
  })
}
