import { randomUUID } from 'node:crypto'
import { TenancyError } from '@org/core'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { email, id, invitation, name, reason, tenantKey, timestamp } from '../http/schemas.ts'
import { ACT, operatorOf } from '../hub/changes.ts'
import { cloneTenant } from '../hub/clone.ts'
import { isActive } from '../hub/logins.ts'
import type { Hub } from '../hub/open-hub.ts'
import { madeTenant, notThePlatform, presentTenant, tenantShape } from './tenants.ts'

const tag = 'Support'
const params = z.object({ id: tenantKey })

const ADMINISTRATOR = `select u.id from "user" u join user_group m on m.user_id = u.id join "group" g on g.id = m.group_id
  where g.name = 'ADM_CLIENTE' and g.status = 'active' and g.deleted_at is null
    and u.status = 'active' and u.deleted_at is null order by u.created_at, u.id limit 1`

/** What operators do to help a tenant; it sees all of it in its own audit log. */
export function supportRoutes(hub: Hub): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/v1/tenants/{id}/impersonation',
      access: 'platform.tenants.impersonate',
      summary:
        'Enter a tenant as one of its users (else its first administrator), for a time and for a reason',
      tag,
      params,
      body: z.strictObject({
        reason,
        userId: id.optional(),
        minutes: z.number().int().min(1).max(15).default(15),
      }),
      creates: 'secret',
      status: 201,
      data: z.object({
        id: z.string().describe('Ends it: `DELETE …/impersonation/{id}`'),
        userId: id,
        accessToken: z.string().describe('What is done with it is recorded as the operator’s'),
        expiresAt: timestamp,
      }),
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, body, actor, operate, reference, request }) => {
        refuseNested(request)
        const tenant = notThePlatform(await presentTenant(hub, params.id))
        const userId = await hub.inTenant(tenant, async (db) => {
          const found = body.userId ?? (await db.query<{ id: string }>(ADMINISTRATOR)).rows[0]?.id
          if (found !== undefined && (await isActive(db, found))) return found.toLowerCase()
          throw new TenancyError('NOT_FOUND', 'The tenant has no such user who is active.')
        })
        return await operate(tenant, async (_tx, trail) => {
          const jti = randomUUID()
          const lifetime = body.minutes * 60
          const { token, exp } = await hub.tokens.issuerFor(lifetime).issue({
            ...{ sub: userId, tenantId: tenant, type: 'user', jti },
            claims: { [ACT]: { sub: actor.id } },
          })
          const until = new Date(exp * 1_000).toISOString()
          const metadata = { impersonation: jti, reason: body.reason, until }
          trail.record({ entity: { type: 'user', id: userId }, metadata: { ...metadata, tenant } })
          trail.publish('tenant.impersonated', { tenant, operatorId: String(actor.id), userId, until })
          reference(jti)
          return { id: jti, userId, accessToken: token, expiresAt: until }
        })
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/tenants/{id}/impersonation/{impersonationId}',
      access: 'platform.tenants.impersonate',
      summary: 'Leave a tenant before the time is up',
      tag,
      params: params.extend({ impersonationId: id }),
      status: 204,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, announce, operate }) => {
        const tenant = notThePlatform(await presentTenant(hub, params.id))
        const jti = params.impersonationId.toLowerCase()
        await announce(tenant)
        await operate(tenant, async (_tx, trail) => {
          const exp = Math.floor(Date.now() / 1_000) + 3_600
          await hub.inTenant(tenant, (db) => hub.tokens.denylist.deny(db, { jti, exp }))
          trail.record({ metadata: { impersonation: jti, ended: true } })
        })
        return undefined
      },
    }),
    endpoint({
      method: 'put',
      path: '/v1/tenants/{id}/maintenance',
      access: 'platform.tenants.update',
      summary: 'Let a tenant be read only, for a reason it is not told, or end that',
      tag,
      params,
      body: z
        .strictObject({ on: z.boolean(), reason: reason.optional() })
        .refine(({ on, reason }) => !on || reason !== undefined, { path: ['reason'], message: 'given' })
        .describe('`reason` is needed to begin'),
      status: 204,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, body, operate }) => {
        const tenant = notThePlatform(await presentTenant(hub, params.id))
        await operate(tenant, async (tx, trail) => {
          await hub.maintenance.set(tx, tenant, body.on ? body.reason : undefined)
          tx.afterCommit(() => hub.maintenance.changed())
          trail.record({ metadata: { maintenance: body.on } })
          trail.publish('tenant.maintenance.changed', { tenant, on: body.on })
        })
        return undefined
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/tenants/{id}/clone',
      access: 'platform.tenants.clone',
      summary: 'Copy a tenant for trying things out: without its people, keys, secrets and webhooks',
      tag,
      params,
      body: z.strictObject({ slug: tenantKey, name, adminUser: z.strictObject({ email, name }) }),
      creates: 'secret',
      status: 201,
      data: z.object({ tenant: tenantShape, adminUser: z.object({ id, email }), invitation }),
      errors: ['NOT_FOUND', 'CONFLICT', 'DUPLICATE_RESOURCE'],
      handle: async ({ params, body, announce, operate, reference }) => {
        const source = notThePlatform(await presentTenant(hub, params.id))
        const made = await hub.outside(() => cloneTenant(hub, source, body, { announce, operate }))
        reference(made.tenant)
        return {
          tenant: await madeTenant(hub, made.tenant),
          adminUser: { id: made.adminId, email: body.adminUser.email },
          invitation: made.invitation,
        }
      },
    }),
  ]
}

/** An operator's own token, never one of an impersonation: nobody becomes another through a third. */
function refuseNested(request: Parameters<typeof operatorOf>[0]): void {
  if (operatorOf(request) === undefined) return
  throw new TenancyError('FORBIDDEN_ACTION', 'Leave the tenant you are in first.', {
    details: { reason: 'impersonating' },
  })
}
