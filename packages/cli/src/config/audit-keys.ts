import type { MacKeys } from '@org/governance/audit'
import { CliError } from '../cli-error.ts'
import type { Environment } from './settings.ts'

/** The keys of the audit log, of `AUDIT_KEYS`: `k2=<base64>,k1=<base64>`; `undefined` when it is not set. */
export function auditKeysOf({ AUDIT_KEYS = '' }: Environment): MacKeys | undefined {
  const pairs = AUDIT_KEYS.split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
    .map((pair) => [pair.split('=')[0] ?? '', pair.slice(pair.indexOf('=') + 1)])
  return pairs.length > 0 ? (Object.fromEntries(pairs) as MacKeys) : undefined
}

/** @throws CliError CONFIGURATION */
export function requireAuditKeys(env: Environment): MacKeys {
  const keys = auditKeysOf(env)
  if (keys) return keys
  throw new CliError(
    'CONFIGURATION',
    'Set AUDIT_KEYS to the keys of the audit log, the current one first: k2=<base64>,k1=<base64>.',
  )
}
