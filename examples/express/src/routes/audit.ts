import { parseTenantKey, type TenantKey } from '@org/core'
import type { AuditRecord } from '@org/governance/audit'
import { z } from 'zod'
import { type Endpoint, endpoint, type Page } from '../http/endpoint.ts'
import { moment } from '../http/list.ts'
import { id, tenantKey, timestamp } from '../http/schemas.ts'
import type { Hub } from '../hub/open-hub.ts'
import { findTenant } from './tenants.ts'

const tag = 'Audit log'
const actorType = z.enum(['user', 'service', 'operator', 'system', 'anonymous'])
const text = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cs}\0]*$/u)
const change = z.union([
  z.object({ from: z.json().optional(), to: z.json().optional() }),
  z.object({ changed: z.literal(true) }).describe('What it was is not kept'),
])
const entry = z
  .object({
    id,
    createdAt: timestamp,
    actor: z.object({ type: actorType, id: z.string().nullable() }),
    action: z.string(),
    entity: z.object({ type: z.string(), id: z.string() }).nullable(),
    requestId: z.string().nullable(),
    changes: z.record(z.string(), change).nullable(),
    metadata: z.json().nullable(),
    ip: z.string().optional().describe('With `include=personal`, until whoever it was is erased'),
    userAgent: z.string().optional(),
  })
  .meta({ id: 'AuditEntry' })
type Entry = z.output<typeof entry>

const query = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(1_000).optional().describe('`meta.nextCursor` of the page before'),
  actor: text.optional().describe('Whose id it is'),
  actorType: actorType.optional(),
  action: text.optional(),
  entityType: text.optional(),
  entityId: text.optional(),
  requestId: text.optional(),
  createdAtFrom: moment.optional(),
  createdAtTo: moment.optional(),
  include: z.literal('personal').optional().describe('Address and program of whoever it was'),
})
const verification = z
  .object({
    ok: z.boolean(),
    entries: z.number().int().describe('As they were sealed'),
    unsealed: z.number().int().describe('Not sealed yet; the worker does it every minute'),
    removed: z.number().int().describe('By retention'),
    head: z.object({ number: z.number().int(), digest: z.string() }).nullable().describe('Keep it elsewhere'),
    faults: z.array(
      z.object({
        kind: z.enum([
          ...(['entry_missing', 'entry_changed', 'entry_inserted', 'entry_forged'] as const),
          ...(['seal_missing', 'seal_changed', 'head_missing'] as const),
        ]),
        seal: z.number().int(),
        id: id.nullable(),
      }),
    ),
  })
  .meta({ id: 'AuditVerification' })
const head = z.strictObject({
  number: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional()
    .describe(
      'With `number`: the head of an earlier verification. A log whose end was cut off shows only so',
    ),
})

/** Who did what: for a tenant its own, for operators any tenant's. */
export function auditRoutes(hub: Hub): Endpoint[] {
  const page = async (
    tenant: TenantKey,
    { include, ...asked }: z.output<typeof query>,
  ): Promise<Page<Entry>> => {
    const personal = include === 'personal'
    const { data, meta } = await hub.audit.list(hub.control, tenant, { ...asked, personal })
    return { items: data.map(shown), nextCursor: meta.nextCursor }
  }
  const verify = async (tenant: TenantKey, { number, digest }: z.output<typeof head>) => {
    const expected = number !== undefined && digest !== undefined && { expected: { number, digest } }
    const { seals: _, ...found } = await hub.audit.verify(hub.control, tenant, { ...expected })
    return found
  }
  const params = z.object({ id: tenantKey })
  const tenantOf = async (key: string) => parseTenantKey((await findTenant(hub, key)).id)
  return [
    endpoint({
      method: 'get',
      path: '/v1/audit-logs',
      access: 'account.audit.read',
      summary: 'Who did what in the tenant, the newest first; operators included',
      tag,
      query,
      data: entry,
      list: true,
      handle: ({ tenant, query }) => page(tenant, query),
    }),
    endpoint({
      method: 'get',
      path: '/v1/audit-logs/verification',
      access: 'account.audit.read',
      summary: 'Whether the audit log is as it was written: names what was changed, removed or made up',
      tag,
      query: head,
      data: verification,
      handle: ({ tenant, query }) => verify(tenant, query),
    }),
    endpoint({
      method: 'get',
      path: '/v1/tenants/{id}/audit-logs',
      access: 'platform.audit.read',
      summary: 'The audit log of a tenant',
      tag,
      params,
      query,
      data: entry,
      list: true,
      errors: ['NOT_FOUND'],
      handle: async ({ params, query }) => page(await tenantOf(params.id), query),
    }),
    endpoint({
      method: 'get',
      path: '/v1/tenants/{id}/audit-logs/verification',
      access: 'platform.audit.read',
      summary: 'Whether the audit log of a tenant is as it was written',
      tag,
      params,
      query: head,
      data: verification,
      errors: ['NOT_FOUND'],
      handle: async ({ params, query }) => verify(await tenantOf(params.id), query),
    }),
  ]
}

function shown(record: AuditRecord): Entry {
  return record as Entry
}
