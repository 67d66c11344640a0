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
      status: 201,
      data: issued,
      errors: ['DUPLICATE_RESOURCE'],
      handle: async ({ tenancy, tenant, actor, body }) => {
        const { name, profile, actions = [] } = body
        const rights = profile === undefined ? { actions } : { profile }
        const reach = await reachOf(hub.governance, tenancy, actor)
        reach.requireEntitled(actions)
        reach.requireKeyWithin(rights)
        return await tenancy.transaction(async (db) => {
          const made = await apiKeys.create(db, { name, expiresAt: dateOf(body.expiresAt), ...rights })
          // Before the commit: an entry without a key does no harm, a key without an entry opens nothing.
          await directory.add(control, made.record.keyId, tenant)
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
      body: z.strictObject({ status: keyStatus, reason: reason.optional() }),
      data: apiKey,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ tenancy, actor, params, body }) => {
        const reach = await reachOf(hub.governance, tenancy, actor)
        return await tenancy.transaction(async (db) => {
          if (body.status === 'suspended') return await apiKeys.suspend(db, params.id, body.reason)
          if (body.status === 'revoked') return await apiKeys.revoke(db, params.id, body.reason)
          reach.requireKeyWithin(await apiKeys.get(db, params.id))
          return await apiKeys.activate(db, params.id)
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
      data: issued,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ tenancy, actor, params, body: { overlapSeconds: overlap, expiresAt } }) => {
        const reach = await reachOf(hub.governance, tenancy, actor)
        return await tenancy.transaction(async (db) => {
          reach.requireKeyWithin(await apiKeys.get(db, params.id))
          const until = expiresAt !== undefined && { expiresAt: dateOf(expiresAt) }
          return shown(await apiKeys.rotate(db, params.id, { overlap, ...until }))
        })
      },
    }),
  ]
}

const shown = ({ key, record }: IssuedApiKey) => ({ key, apiKey: record })

const dateOf = (moment: string | null | undefined) => (moment ? new Date(moment) : null)
