import { TenancyError } from '@org/core'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import {
  email,
  id,
  invitation,
  name,
  packageKey,
  reason,
  status,
  tenantKey,
  timestamp,
} from '../http/schemas.ts'
import { invite } from '../hub/invitations.ts'
import type { Hub } from '../hub/open-hub.ts'
import { OPERATORS_PACKAGE } from '../hub/platform.ts'
import { findTenant, notThePlatform, presentTenant, tenantShape } from './tenants.ts'

const tag = 'Tenants'
const params = z.object({ id: tenantKey })

const WITHOUT_PASSWORD = `select u.id from "user" u left join user_credential c on c.user_id = u.id
  where u.id = $1 and c.password_hash is null`

/** A tenant that the hub knows by name gets its schema back; one that it does not has left. */
const KEEP_NAME = `insert into hub.tenant_profile (key, name, onboarded_at) values ($1, $1, now()) on conflict (key) do nothing`

/** What an operator does for a tenant: packages, its schema, its first groups and administrator. */
export function tenantPackageRoutes(hub: Hub): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/v1/tenants/{id}/packages/{packageKey}/assign',
      access: 'platform.packages.assign',
      summary: 'Assign a package, or change its status or expiry',
      tag,
      params: params.extend({ packageKey }),
      body: z.strictObject({
        status: status.default('active'),
        reason: reason.optional(),
        expiresAt: timestamp.nullable().optional().describe('From then on the tenant does not have it'),
      }),
      creates: true,
      data: tenantShape,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, body, operate }) => {
        const tenant = notThePlatform(await presentTenant(hub, params.id))
        const { catalog } = await hub.governance.current()
        if (!Object.hasOwn(catalog.packages, params.packageKey) || params.packageKey === OPERATORS_PACKAGE) {
          throw noPackage()
        }
        const { packageKey } = params
        const { status, expiresAt } = body
        return await operate(tenant, async (tx, trail) => {
          const store = await hub.governance.within(tx)
          const until = typeof expiresAt === 'string' ? new Date(expiresAt) : expiresAt
          await store.assignPackage(tenant, packageKey, { status, reason: body.reason, expiresAt: until })
          trail.record({ entity: { type: 'package', id: packageKey }, after: { ...body, tenant } })
          if (status === 'suspended') trail.publish('package.unassigned', { tenant, packageKey })
          else
            trail.publish('tenant.package.assigned', {
              tenant,
              packageKey,
              status,
              expiresAt: expiresAt ?? null,
            })
          return await findTenant({ control: tx }, tenant)
        })
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/tenants/{id}/seeds',
      access: 'platform.seeds.run',
      summary: 'Make the first groups, and the administrator when one is given; adds only what is not there',
      tag,
      params,
      body: z.strictObject({
        adminUser: z.strictObject({ email, name }).optional(),
      }),
      creates: 'secret',
      data: z.object({
        groups: z.array(z.string()),
        adminId: id.nullable(),
        invitation: invitation.nullable().describe('For an administrator without a password'),
      }),
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, body, announce, operate, reference }) => {
        const tenant = notThePlatform(await presentTenant(hub, params.id))
        reference(tenant)
        await announce(tenant)
        // Everybody's store: what it remembers of the tenant's people is told of the change.
        const { store } = await hub.governance.current()
        return await operate(tenant, async (_tx, trail) => {
          const seeded = await hub.inTenant(tenant, async (db) => {
            const { groups, adminId } = await store.seed(db, { admin: body.adminUser })
            const { rowCount } = await db.query(WITHOUT_PASSWORD, [adminId])
            const invited = adminId !== null && rowCount === 1 ? await invite(db, adminId) : null
            return { groups: [...groups], adminId, invitation: invited }
          })
          trail.record({ metadata: { groups: seeded.groups, adminId: seeded.adminId } })
          return seeded
        })
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/tenants/{id}/schema',
      access: 'platform.schemas.create',
      summary: "Create the tenant's schema, or complete it with the migrations it lacks",
      tag,
      params,
      creates: true,
      data: tenantShape,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, announce, operate }) => {
        const tenant = notThePlatform(await presentTenant(hub, params.id))
        await announce(tenant)
        return await operate(tenant, async (tx, trail) => {
          // The hub still knows the tenant: its dropped schema goes back to its own, not to a new owner.
          await hub.outside(() => hub.tenancy.provision(tenant, { reuseDeletedKey: true }))
          await hub.keeping.enrol(tx, [tenant])
          trail.record({ metadata: { schema: 'complete' } })
          trail.publish('tenant.provisioned', { tenant })
          return await findTenant({ control: tx }, tenant)
        })
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/tenants/{id}/schema',
      access: 'platform.schemas.delete',
      summary: "Drop the tenant's schema with everything in it, without a backup; its name and packages stay",
      tag,
      params,
      query: z.strictObject({ confirm: tenantKey.describe('The tenant once more') }),
      data: tenantShape,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, query, announce, operate }) => {
        const tenant = notThePlatform(await presentTenant(hub, params.id))
        if (query.confirm !== tenant) throw notConfirmed()
        await announce(tenant)
        return await operate(tenant, async (tx, trail) => {
          await tx.query(KEEP_NAME, [tenant])
          await hub.outside(() => hub.tenancy.drop(tenant))
          trail.record({ metadata: { schema: 'dropped' } })
          return await findTenant({ control: tx }, tenant)
        })
      },
    }),
  ]
}

function noPackage(): TenancyError {
  return new TenancyError('NOT_FOUND', 'There is no such package. See GET /v1/catalog/packages.')
}

function notConfirmed(): TenancyError {
  return new TenancyError('VALIDATION_ERROR', 'confirm has to be the tenant.', {
    details: { field: 'query.confirm', reason: 'not_the_tenant' },
  })
}
