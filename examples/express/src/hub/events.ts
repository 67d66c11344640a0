import { z } from 'zod'
import type { HubConfig } from '../config.ts'
import { id, packageKey, status, tenantKey, timestamp } from '../http/schemas.ts'

type Profile = HubConfig['OPERATING_PROFILE']

/** Each profile has what those before it have. */
const ORDER: readonly Profile[] = ['mvp', 'standard', 'enterprise']

/**
 * What the hub tells webhooks: ids, never people. A change that its readers would not understand is a new version; both are
 * then sent until nobody asks for the old one.
 */
export const EVENTS = {
  'tenant.created': since('mvp', { tenant: tenantKey, packageKey, adminId: id }),
  'tenant.package.assigned': since('mvp', {
    tenant: tenantKey,
    packageKey,
    status,
    expiresAt: timestamp.nullable(),
  }),
  'user.created': since('mvp', { userId: id }),
  'user.updated': since('mvp', { userId: id }),
  'group.permission.changed': since('mvp', {
    groupId: id,
    permissionId: id,
    change: z.enum(['granted', 'revoked']),
  }),
  'api_key.revoked': since('mvp', { apiKeyId: id }),

  'user.status.changed': since('standard', { userId: id, status }),
  'user.erased': since('standard', { userId: id }),
  'group.created': since('standard', { groupId: id }),
  'group.updated': since('standard', { groupId: id }),
  'user_group.changed': since('standard', {
    groupId: id,
    userId: id,
    change: z.enum(['added', 'removed']),
  }),
  'api_key.created': since('standard', { apiKeyId: id }),
  'package.unassigned': since('standard', { tenant: tenantKey, packageKey }),

  'tenant.branding.changed': since('enterprise', {}),
  'tenant.config.changed': since('enterprise', {}),
  'tenant.provisioned': since('enterprise', { tenant: tenantKey }),
  'tenant.suspended': since('enterprise', { tenant: tenantKey }),
  'tenant.resumed': since('enterprise', { tenant: tenantKey }),
  'tenant.maintenance.changed': since('enterprise', { tenant: tenantKey, on: z.boolean() }),
  'tenant.impersonated': since('enterprise', {
    tenant: tenantKey,
    operatorId: z.string(),
    userId: id,
    until: timestamp,
  }),
} as const

export type EventType = keyof typeof EVENTS
/** What an event carries, beside its `version`. */
export type EventData<T extends EventType> = z.input<(typeof EVENTS)[T]['data']>

function since<D extends z.ZodRawShape>(profile: Profile, data: D) {
  return { profile, version: 1, data: z.strictObject(data) } as const
}

export const EVENT_TYPES = Object.keys(EVENTS) as EventType[]

/** Whether the profile in force has it. */
export function isTold(type: EventType, inForce: Profile): boolean {
  return ORDER.indexOf(EVENTS[type].profile) <= ORDER.indexOf(inForce)
}

/** The event as it is sent: checked against its schema, with the version of it. */
export function payloadOf<T extends EventType>(type: T, data: EventData<T>): Record<string, unknown> {
  const { version, data: schema } = EVENTS[type]
  return { version, ...(schema as z.ZodType<object>).parse(data) }
}
