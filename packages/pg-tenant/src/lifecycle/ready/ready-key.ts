import { randomBytes } from 'node:crypto'
import type { TenantKey } from '@org/core'

const RESERVED = '_ready_'

/**
 * The key of a tenant that is nobody's yet. No caller can name it: keys begin with a letter or digit (`parseTenantKey`),
 * so no scope, drop or backup of it can be asked for. Random, so that two who make some at once do not meet.
 */
export function readyKey(): TenantKey {
  return (RESERVED + randomBytes(6).toString('hex')) as TenantKey
}
