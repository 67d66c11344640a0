import { createHash, createHmac, randomBytes } from 'node:crypto'
import type { TenantKey } from '@org/core'

/** 256 random bits: 43 characters of base64url, of which the last has only four bits that count. */
const SECRET = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/
const BYTES = 32

/** A refresh token as text: a fixed beginning, so that secret scanners find one that leaked, and the secret. */
export interface RefreshSecret {
  readonly text: string
  readonly bytes: Buffer
}

export function newSecret(prefix: string): RefreshSecret {
  return asText(prefix, randomBytes(BYTES))
}

/** Reads what a client presents, or `undefined` when it cannot be one of ours. */
export function readSecret(prefix: string, text: unknown): RefreshSecret | undefined {
  if (typeof text !== 'string' || text.length !== prefix.length + 44) return undefined
  if (!text.startsWith(`${prefix}_`)) return undefined
  const secret = text.slice(prefix.length + 1)
  return SECRET.test(secret) ? { text, bytes: Buffer.from(secret, 'base64url') } : undefined
}

/**
 * What the table holds in place of the token, in hex. Plain SHA-256: with 256 random bits there is nothing to guess,
 * so a slow hash or a salt would add cost and no safety (NIST SP 800-63B, 5.1.2.2 asks for them below 112 bits). The
 * tenant is part of what is hashed: a row copied into another tenant's table is found by no token there. A tenant
 * key has no U+0000, so the parts cannot run into one another.
 */
export function hashOf(tenant: TenantKey, { bytes }: RefreshSecret): string {
  return createHash('sha256').update(`pg-tenant refresh token v1\0${tenant}\0`).update(bytes).digest('hex')
}

/** The random part of a successor, kept in its parent's row; hex. */
export function newSalt(): string {
  return randomBytes(BYTES).toString('hex')
}

/**
 * The token that follows `parent`: HMAC-SHA-256 under the parent's secret over a random salt. So the same answer can
 * be given twice within the grace window although no token is ever stored, and it takes both halves: who reads the
 * table has no parent's secret (only its hash), and who stole a parent has no salt. The salt is forgotten as soon
 * as the successor is used, so a chain of old tokens leads nowhere.
 */
export function successorOf(
  prefix: string,
  tenant: TenantKey,
  parent: RefreshSecret,
  salt: string,
): RefreshSecret {
  const bytes = createHmac('sha256', parent.bytes)
    .update(`pg-tenant refresh successor v1\0${tenant}\0`)
    .update(Buffer.from(salt, 'hex'))
    .digest()
  return asText(prefix, bytes)
}

function asText(prefix: string, bytes: Buffer): RefreshSecret {
  return { text: `${prefix}_${bytes.toString('base64url')}`, bytes }
}
