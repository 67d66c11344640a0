import { hash, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { AccessToken } from './claims.ts'
import type { KeySource } from './jwks.ts'

/** A token that was verified, and what must still hold for it to be accepted again. */
export interface Verified<C> {
  readonly token: AccessToken<C>
  readonly kid: string
  readonly key: KeyObject
  readonly keys: KeySource
  /** milliseconds since 1970 */
  readonly until: number
}

/** Tokens verified lately, so that RSA and JSON are paid for once per token. */
export interface VerifiedCache<C> {
  get(digest: string): Verified<C> | undefined
  set(digest: string, verified: Verified<C>): void
  delete(digest: string): void
}

/** @param max how many; each costs about 1.5 kB */
export function createVerifiedCache<C>(max: number): VerifiedCache<C> {
  return new LRUCache<string, Verified<C>>({ max })
}

/**
 * What a token is remembered by: SHA-256 of all of it, so that no usable token lies in the cache (or a heap dump of
 * it), and a token with one changed bit is another token. It costs under a microsecond, less than looking up the
 * text itself would: a map must hash that as well.
 */
export function digestOf(token: string): string {
  return hash('sha256', token, 'base64')
}
