import { parseTenantKey, type Queryable, TenancyError, type TenantKey } from '@org/core'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { contains, createdAt, createdAtFilters, listPage, listQuery, search } from '../http/list.ts'
import {
  email,
  id,
  invitation,
  name,
  packageKey,
  planKey,
  reason,
  tenantKey,
  timestamp,
} from '../http/schemas.ts'
import { leave } from '../hub/leave.ts'
import { onboard } from '../hub/onboard.ts'
import type { Hub } from '../hub/open-hub.ts'
import { PLATFORM } from '../hub/platform.ts'

const tag = 'Tenants'
const domain = z
  .string()
  .max(253)
  .regex(/^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/)
const tenantStatus = z.enum(['provisioning', 'active', 'suspended', 'deleting', 'deleted'])
export const tenantShape = z
  .object({
    id: tenantKey,
    slug: tenantKey,
    name: z.string(),
    domain: z.string().nullable(),
    status: tenantStatus,
    suspendedReason: z.string().nullable(),
    plan: z.string().nullable(),
    isolation: z.string(),
    schemaVersion: z.string().nullable(),
    packages: z.array(z.string()),
    bytes: z.number().nullable().optional().describe('With `include=size`: tables, indexes and TOAST'),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({ id: 'Tenant' })
type Dated = 'createdAt' | 'updatedAt'
export type Tenant = Omit<z.output<typeof tenantShape>, Dated> & Record<Dated, Date>

/** The registry says which tenants there are; the hub knows their names, `rbac` what they were assigned. */
const COLUMNS = `t.key as id, t.key as slug, coalesce(p.name, t.key) as name, p.domain, t.status,
  t.suspended_reason as "suspendedReason", e.plan_key as plan, t.isolation, t.schema_version as "schemaVersion",
  array(select package_key from rbac.tenant_package k where k.tenant = t.key and k.status = 'active'
    and (k.expires_at is null or k.expires_at > now()) order by 1) as packages,
  t.created_at as "createdAt", greatest(t.updated_at, p.updated_at) as "updatedAt"`
const FROM = `from tenancy.tenant t
  left join hub.tenant_profile p on p.key = t.key
  left join rbac.tenant_entitlement e on e.tenant = t.key
  where t.status <> 'ready'`
const LIST = {
  from: FROM,
  columns: COLUMNS,
  sorts: { created_at: { sql: 't.created_at', type: 'timestamptz' }, slug: { sql: 't.key', type: 'text' } },
  id: 't.key',
  filters: {
    ...createdAtFilters('t.created_at'),
    status: 't.status = $',
    q: `(${contains('t.key')} or ${contains(`coalesce(p.name, '')`)})`,
  },
} as const
const FIND = `select ${COLUMNS} ${FROM} and t.key = $1`
const NAMED = 'select from hub.tenant_profile where key = $1'
const RENAME = `insert into hub.tenant_profile as p (key, name, domain, onboarded_at) values ($1, coalesce($2, $1), $3, now())
  on conflict (key) do update set name = coalesce($2, p.name),
    domain = case when $4 then $3 else p.domain end, updated_at = now()`

export function tenantRoutes(hub: Hub): Endpoint[] {
  const params = z.object({ id: tenantKey })
  return [
    endpoint({
      method: 'post',
      path: '/v1/tenants',
      access: 'platform.tenants.create',
      summary: 'Create a tenant with its package and administrator',
      tag,
      body: z.strictObject({
        slug: tenantKey,
        name,
        packageKey,
        plan: planKey.default('starter'),
        adminUser: z.strictObject({ email, name }),
      }),
      creates: 'secret',
      status: 201,
      data: z.object({ tenant: tenantShape, adminUser: z.object({ id, email }), invitation }),
      errors: ['DUPLICATE_RESOURCE', 'CONFLICT'],
      handle: async ({ body, announce, operate, reference }) => {
        const made = await hub.outside(() => onboard(hub, body, { announce, operate }))
        reference(made.tenant)
        const adminUser = { id: made.adminId, email: body.adminUser.email }
        return { tenant: await madeTenant(hub, made.tenant), adminUser, invitation: made.invitation }
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/tenants',
      access: 'platform.tenants.read',
      summary: 'Tenants',
      tag,
      query: listQuery(['created_at', 'slug'], {
        ...createdAt,
        status: tenantStatus.optional(),
        q: search,
        include: z.literal('size').optional(),
      }),
      data: tenantShape,
      list: true,
      handle: async ({ query }) => {
        const page = await listPage<Tenant>(hub.control, LIST, query)
        return query.include === 'size' ? { ...page, items: await withSizes(hub, page.items) } : page
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/tenants/{id}',
      access: 'platform.tenants.read',
      summary: 'One tenant',
      tag,
      params,
      data: tenantShape,
      errors: ['NOT_FOUND'],
      handle: ({ params }) => findTenant(hub, params.id),
    }),
    endpoint({
      method: 'patch',
      path: '/v1/tenants/{id}',
      access: 'platform.tenants.update',
      summary: 'Rename, suspend or resume a tenant',
      tag,
      params,
      body: z.strictObject({
        name: name.optional(),
        domain: domain.nullable().optional(),
        status: z.enum(['active', 'suspended']).optional(),
        reason: reason.optional(),
      }),
      data: tenantShape,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, body, announce, operate }) => {
        const before = await presentTenant(hub, params.id)
        const tenant = parseTenantKey(before.id)
        if (body.status !== undefined) await announce(tenant)
        return await operate(tenant, async (tx, trail) => {
          if (body.name !== undefined || body.domain !== undefined) {
            const { name = null, domain = null } = body
            await tx.query(RENAME, [tenant, name, domain, body.domain !== undefined])
          }
          // Of the library, and so in a transaction of its own: last, so that what it refuses leaves nothing.
          if (body.status !== undefined) await setStatus(hub, tenant, body.status, body.reason)
          const after = await findTenant({ control: tx }, tenant)
          trail.record({ before: factsOf(before), after: factsOf(after) })
          if (before.status !== after.status) {
            trail.publish(after.status === 'suspended' ? 'tenant.suspended' : 'tenant.resumed', { tenant })
          }
          return after
        })
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/tenants/{id}',
      access: 'platform.tenants.delete',
      summary: 'Off-board a tenant: back it up, drop everything, leave a receipt',
      tag,
      params,
      query: z.strictObject({
        confirm: tenantKey.describe('The tenant once more'),
        backup: z.literal('skip').optional().describe('Drop without a backup: the data is gone for good'),
      }),
      data: z.object({ tenant: tenantKey, tables: z.number().int(), rows: z.number(), backup: z.boolean() }),
      errors: ['NOT_FOUND', 'CONFLICT', 'VALIDATION_ERROR'],
      handle: async ({ params, query, actor, announce, operate }) => {
        // Also one that has left: a leave that was cut off goes on.
        const tenant = notThePlatform(await findTenant(hub, params.id))
        if (query.confirm !== tenant) throw field('query.confirm', 'not_the_tenant')
        await announce(tenant)
        return await operate(undefined, async (tx, trail) => {
          const skipBackup = query.backup === 'skip'
          const left = await hub.outside(() => leave(hub, tx, tenant, { skipBackup, actor }))
          trail.record({
            entity: { type: 'tenant', id: tenant },
            metadata: { left: true, backup: left.backup },
          })
          return left
        })
      },
    }),
  ]
}

/** @throws TenancyError NOT_FOUND */
export async function findTenant({ control }: { readonly control: Queryable }, key: string): Promise<Tenant> {
  const { rows } = await control.query<Tenant>(FIND, [key])
  if (rows[0]) return rows[0]
  throw new TenancyError('NOT_FOUND', 'There is no such tenant.')
}

/** One that the request has made: it may not be committed yet, where the request is done once. */
export function madeTenant({ control }: Hub, key: string): Promise<Tenant> {
  return control.transaction((tx) => findTenant({ control: tx }, key))
}

/** For what changes it: one that has left is only remembered. @throws TenancyError NOT_FOUND, CONFLICT */
export async function presentTenant(hub: Hub, key: string): Promise<Tenant> {
  const tenant = await findTenant(hub, key)
  // Who only lost the schema is known by name still.
  if (tenant.status !== 'deleted' || (await hub.control.query(NAMED, [key])).rowCount === 1) return tenant
  throw new TenancyError('CONFLICT', 'The tenant has left, and its key stays its own. Choose another one.', {
    details: { reason: 'left' },
  })
}

/** The operators' own tenant is neither suspended nor dropped: nobody could undo it. @throws TenancyError CONFLICT */
export function notThePlatform({ id: tenant }: Tenant): TenantKey {
  if (tenant !== PLATFORM) return parseTenantKey(tenant)
  throw ofTheOperators()
}

function ofTheOperators(): TenancyError {
  return new TenancyError('CONFLICT', 'This is the tenant of the operators.', {
    details: { reason: 'platform' },
  })
}

function factsOf({ name, domain, status, suspendedReason }: Tenant): object {
  return { name, domain, status, suspendedReason }
}

/** One query for the page, of what VACUUM and ANALYZE last counted. */
async function withSizes({ tenancy, outside }: Hub, tenants: readonly Tenant[]): Promise<Tenant[]> {
  const there = tenants
    .filter(({ status }) => status === 'active' || status === 'suspended')
    .map(({ id }) => id)
  const sizes = await outside(() => tenancy.stats({ tenants: there, exact: false }))
  const bytes = new Map<string, number | null>(sizes.tenants.map((one) => [one.key, one.bytes]))
  return tenants.map((tenant) => ({ ...tenant, bytes: bytes.get(tenant.id) ?? null }))
}

async function setStatus(
  hub: Hub,
  tenant: TenantKey,
  status: 'active' | 'suspended',
  why?: string,
): Promise<void> {
  if (status === 'suspended' && tenant === PLATFORM) throw ofTheOperators()
  await hub.outside(() =>
    status === 'suspended' ? hub.tenancy.suspend(tenant, why) : hub.tenancy.resume(tenant),
  )
}

function field(name: string, why: string): TenancyError {
  return new TenancyError('VALIDATION_ERROR', 'What was sent is not what it has to be.', {
    details: { field: name, reason: why },
  })
}
