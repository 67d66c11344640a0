import type { TenantKey } from '@org/core'

/** Of so many: one change then empties a thousandth of what is remembered, and tells whoever listens next to nothing. */
const BUCKETS = 1_024

/** Which tenants a change may be of, as the payload of a notification: FNV-1a (RFC 9923) of the key, ten bits of it. */
export function bucketOf(tenant: TenantKey): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < tenant.length; at++) hash = Math.imul(hash ^ tenant.charCodeAt(at), 0x01000193)
  return String((hash >>> 0) % BUCKETS)
}

/** Whether a change with that payload may be of a tenant; `undefined` where it may be of any. */
export function changedIn(payload: string): ((tenant: TenantKey) => boolean) | undefined {
  return /^\d{1,4}$/.test(payload) ? (tenant) => bucketOf(tenant) === payload : undefined
}
