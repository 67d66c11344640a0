import { createHash } from 'node:crypto'
import type { SealedPlace } from '@org/core'
import { invalidField, storable } from '../input/input.ts'
import { fingerprintOf, type RequestParts } from './fingerprint.ts'

/** Which piece of work is to be done once. */
export interface IdempotentRequest {
  /** The tenant's key, as it was resolved. */
  readonly tenant: string
  /** Who asks, e.g. `user:4711`: a key of somebody else is another key. 1 to 200 characters. */
  readonly principal: string
  /** What is asked for, e.g. the key of the `tool_action`: the same key at another route is another key. */
  readonly handler: string
  /** From the `Idempotency-Key` header; 1 to 255 characters. */
  readonly key: string
  /** What a repetition must equal; else it is refused with 422. */
  readonly fingerprint: RequestParts | Uint8Array
}

/** @internal The same, checked. */
export interface CheckedRequest {
  readonly tenant: string
  readonly id: readonly [principal: string, handler: string, key: string]
  readonly fingerprint: Buffer
  /** The answer is sealed to this key of this tenant: it opens nowhere else. */
  readonly place: SealedPlace
}

/** @internal @throws TenancyError VALIDATION_ERROR */
export function checkRequest(request: IdempotentRequest): CheckedRequest {
  if (typeof request !== 'object' || request === null) throw invalidField('request', 'an object')
  const id = [
    text(request, 'principal', 200),
    text(request, 'handler', 200),
    text(request, 'key', 255),
  ] as const
  const { tenant, fingerprint: parts } = request
  if (typeof tenant !== 'string') throw invalidField('tenant', "a tenant's key")
  const fingerprint = parts instanceof Uint8Array ? Buffer.from(parts) : fingerprintOf(parts)
  if (fingerprint.length !== 32)
    throw invalidField('fingerprint', 'a digest of 32 bytes, or the parts of the request')
  const name = createHash('sha256').update(JSON.stringify(id)).digest('base64url')
  return { tenant, id, fingerprint, place: { tenant, table: 'idempotency_key', name } }
}

function text(request: IdempotentRequest, field: 'principal' | 'handler' | 'key', max: number): string {
  const value: unknown = request[field]
  if (typeof value === 'string' && value !== '' && value.length <= max && storable(value)) return value
  throw invalidField(field, `a text of 1 to ${max} characters`)
}
