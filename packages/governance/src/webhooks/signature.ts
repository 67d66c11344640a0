import { createHmac, randomBytes } from 'node:crypto'
import { invalidField } from '../input/input.ts'

/** Standard Webhooks 1.0.0: symmetric secrets are base64 of 24 to 64 bytes behind this. */
const PREFIX = 'whsec_'
const BYTES = 32

/** A new secret, `whsec_…`: shown once, stored sealed. */
export function newSecret(): string {
  return PREFIX + randomBytes(BYTES).toString('base64')
}

/** @throws TenancyError VALIDATION_ERROR */
export function parseSecret(secret: unknown): Buffer {
  const text = typeof secret === 'string' && secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : ''
  const key = Buffer.from(text, 'base64')
  if (key.length >= 24 && key.length <= 64 && key.toString('base64') === text) return key
  throw invalidField('secret', `${PREFIX} and base64 of 24 to 64 bytes`)
}

/** What goes with a message (Standard Webhooks 1.0.0, "Webhook headers"). */
export interface SignedHeaders {
  readonly 'webhook-id': string
  readonly 'webhook-timestamp': string
  readonly 'webhook-signature': string
}

/**
 * Signs `id.timestamp.body` with each of the secrets: during a rotation the old and the new one, so that a receiver that
 * knows either is satisfied.
 *
 * @param timestamp seconds since 1970, of this attempt: receivers refuse what is older than some minutes (replay)
 * @param body the bytes as they are sent
 * @example
 * ```ts
 * import { sign } from '@org/governance/webhooks'
 *
 * const secret = `whsec_${Buffer.alloc(32).toString('base64')}`
 * const headers = sign([secret], 'msg_1', 1_700_000_000, '{"type":"note.created"}')
 * headers['webhook-id'] // → 'msg_1'
 * headers['webhook-signature'].slice(0, 3) // → 'v1,'
 * ```
 */
export function sign(
  secrets: readonly string[],
  id: string,
  timestamp: number,
  body: string | Buffer,
): SignedHeaders {
  const signatures = secrets.map((secret) => {
    const mac = createHmac('sha256', parseSecret(secret)).update(`${id}.${timestamp}.`).update(body)
    return `v1,${mac.digest('base64')}`
  })
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  }
}
