import type { Guard } from './guard.ts'
import { cryptoEnvelopesGuards } from './guards/crypto-envelopes.ts'
import { cryptoKeysGuards } from './guards/crypto-keys.ts'
import { cryptoSettingsGuards } from './guards/crypto-settings.ts'
import { cryptoTokensGuards } from './guards/crypto-tokens.ts'
import { scopeGuards } from './guards/pg-tenant.ts'
import { rbacGuards } from './guards/rbac.ts'

export const GUARDS: readonly Guard[] = [
  ...scopeGuards,
  ...cryptoEnvelopesGuards,
  ...cryptoSettingsGuards,
  ...cryptoTokensGuards,
  ...cryptoKeysGuards,
  ...rbacGuards,
]
