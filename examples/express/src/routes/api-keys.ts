import type { TenantQueryable } from '@org/core'
import type { ApiKeyRecord, IssuedApiKey } from '@org/crypto/api-keys'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { contains, createdAt, createdAtFilters, listPage, listQuery, search } from '../http/list.ts'
import { actionKey, id, reason, timestamp } from '../http/schemas.ts'
import type { Hub } from '../hub/open-hub.ts'
import { reachOf } from '../hub/reach.ts'

const tag = 'API keys'
const params = z.object({ id })
const keyName = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^\P{C}*$/u)
const profile = z.enum(['read-only', 'write', 'admin'])
const keyStatus = z.enum(['active', 'suspended', 'revoked'])
const apiKey = z
  .object({
    id,
    keyId: z.string().describe('The part of the key that is no secret, to recognise it by'),
    name: keyName,
    env: z.enum(['live', 'test']),
    profile: profile.nullable(),
    actions: z.array(z.string()).nullable(),
    status: keyStatus,
    suspendedReason: z.string().nullable(),
    expiresAt: timestamp.nullable(),
    lastUsedAt: timestamp.nullable().describe('To the minute'),
    overlapUntil: timestamp.nullable().describe('Until when the key before the last rotation works as well'),
    createdAt: timestamp,
    updatedAt: timestamp,
  })
  .meta({ id: 'ApiKey' })
const issued = z.object({ key: z.string().describe('Shown once, now'), apiKey }).meta({ id: 'IssuedApiKey' })
const newKey = z
  .strictObject({
    name: keyName,
    profile: profile.optional(),
    actions: z.array(actionKey).min(1).max(500).optional(),
    expiresAt: timestamp.nullable().optional(),
  })
  .refine(({ profile, actions }) => (profile === undefined) !== (actions === undefined), {
    path: ['profile'],
    message: 'one of the two',
  })
  .describe('Either `profile` or `actions`')

const newStatus = z.strictObject({ status: keyStatus, reason: reason.optional() })

const LIST = {
  from: 'from api_key k where true',
  columns: `k.id, k.key_id as "keyId", k.name, k.env, k.profile, k.actions, k.status,
    k.suspended_reason as "suspendedReason", k.expires_at as "expiresAt", k.last_used_at as "lastUsedAt",
    k.previous_expires_at as "overlapUntil", k.created_at as "createdAt", k.updated_at as "updatedAt"`,
  sorts: {
    created_at: { sql: 'k.created_at', type: 'timestamptz' },
    name: { sql: 'k.name', type: 'text' },
  },
  id: 'k.id::text',
  filters: { ...createdAtFilters('k.created_at'), status: 'k.status = $', q: contains('k.name') },
} as const

/** Keys of service accounts: each is an actor of its own, of type `service`. */
export function apiKeyRoutes(hub: Hub): Endpoint[] {
  const { apiKeys, directory, control } = hub
  const setStatus = (db: TenantQueryable, key: string, to: z.output<typeof newStatus>) => {
    if (to.status === 'suspended') return apiKeys.suspend(db, key, to.reason)
    if (to.status === 'revoked') return apiKeys.revoke(db, key, to.reason)
    return apiKeys.activate(db, key)
  }
  return [
    endpoint({
      method: 'get',
      path: '/v1/api-keys',
      access: 'identity.api_keys.read',
      summary: 'API keys of the tenant, never their text',
      tag,
      query: listQuery(['created_at', 'name'], { ...createdAt, status: keyStatus.optional(), q: search }),
      data: apiKey,
      list: true,
      handle: ({ tenancy, query }) => listPage<ApiKeyRecord>(tenancy, LIST, query),
    }),
    endpoint({
      method: 'post',
      path: '/v1/api-keys',
      access: 'identity.api_keys.create',
      summary: 'Make an API key, with a profile or with actions; it never exceeds its maker',
      tag,
      body: newKey,
      creates: 'secret',
      status: 201,
      data: issued,
      errors: ['DUPLICATE_RESOURCE'],
      handle: async ({ tenancy, tenant, actor, body, change, reference }) => {
        const { name, profile, actions = [] } = body
        const rights = profile === undefined ? { actions } : { profile }
        const reach = await reachOf(hub.governance, tenancy, actor)
        reach.requireEntitled(actions)
        reach.requireKeyWithin(rights)
        return await change(async (db, trail) => {
          const made = await apiKeys.create(db, { name, expiresAt: dateOf(body.expiresAt), ...rights })
          // Before the commit: an entry without a key does no harm, a key without an entry opens nothing.
          await directory.add(control, made.record.keyId, tenant)
          trail.record({ entity: entityOf(made.record), after: factsOf(made.record) })
          trail.publish('api_key.created', { apiKeyId: made.record.id })
          reference(made.record.id)
          return shown(made)
        })
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/api-keys/{id}/status',
      access: 'identity.api_keys.update',
      summary: 'Suspend, resume or revoke an API key, from the next request on; revoked is for ever',
      tag,
      params,
      body: newStatus,
      data: apiKey,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ tenancy, actor, params, body, change }) => {
        const reach = await reachOf(hub.governance, tenancy, actor)
        return await change(async (db, trail) => {
          const before = await apiKeys.get(db, params.id)
          if (body.status === 'active') reach.requireKeyWithin(before)
          const after = await setStatus(db, params.id, body)
          trail.record({ entity: entityOf(after), before: factsOf(before), after: factsOf(after) })
          if (body.status === 'revoked') trail.publish('api_key.revoked', { apiKeyId: after.id })
          return after
        })
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/api-keys/{id}/rotate',
      access: 'identity.api_keys.update',
      summary: 'A new text for the same key; the old one works until the overlap ends',
      tag,
      params,
      body: z.strictObject({
        overlapSeconds: z.number().int().min(0).max(2_592_000).default(86_400),
        expiresAt: timestamp.nullable().optional().describe('Left out, it stays'),
      }),
      creates: 'secret',
      data: issued,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ tenancy, actor, params, body, change, reference }) => {
        const { overlapSeconds: overlap, expiresAt } = body
        const reach = await reachOf(hub.governance, tenancy, actor)
        return await change(async (db, trail) => {
          reach.requireKeyWithin(await apiKeys.get(db, params.id))
          const until = expiresAt !== undefined && { expiresAt: dateOf(expiresAt) }
          const made = await apiKeys.rotate(db, params.id, { overlap, ...until })
          trail.record({ entity: entityOf(made.record), metadata: { rotated: true } })
          reference(made.record.id)
          return shown(made)
        })
      },
    }),
  ]
}

const entityOf = ({ id }: ApiKeyRecord) => ({ type: 'api_key', id })

function factsOf({ name, profile, actions, status, suspendedReason, expiresAt }: ApiKeyRecord): object {
  return { name, profile, actions, status, suspendedReason, expiresAt }
}

const shown = ({ key, record }: IssuedApiKey) => ({ key, apiKey: record })

const dateOf = (moment: string | null | undefined) => (moment ? new Date(moment) : null)
