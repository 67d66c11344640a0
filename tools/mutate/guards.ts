import type { Guard } from './guard.ts'
import { backupGuards } from './guards/backup.ts'
import { citusGuards } from './guards/citus.ts'
import { cliGuards } from './guards/cli.ts'
import { cryptoEnvelopesGuards } from './guards/crypto-envelopes.ts'
import { cryptoKeysGuards } from './guards/crypto-keys.ts'
import { cryptoSettingsGuards } from './guards/crypto-settings.ts'
import { cryptoTokensGuards } from './guards/crypto-tokens.ts'
import { examplesGuards } from './guards/examples.ts'
import { fleetGuards } from './guards/fleet.ts'
import { httpGuards } from './guards/http.ts'
import { levelsGuards } from './guards/levels.ts'
import { scopeGuards } from './guards/pg-tenant.ts'
import { rbacGuards } from './guards/rbac.ts'
import { rbacStoreGuards } from './guards/rbac-store.ts'
import { readyGuards } from './guards/ready.ts'
import { rowViewsGuards } from './guards/row-views.ts'
import { verifyGuards } from './guards/verify.ts'

export const GUARDS: readonly Guard[] = [
  ...scopeGuards,
  ...levelsGuards,
  ...readyGuards,
  ...rowViewsGuards,
  ...fleetGuards,
  ...verifyGuards,
  ...httpGuards,
  ...backupGuards,
  ...citusGuards,
  ...cliGuards,
  ...cryptoEnvelopesGuards,
  ...cryptoSettingsGuards,
  ...cryptoTokensGuards,
  ...cryptoKeysGuards,
  ...rbacGuards,
  ...rbacStoreGuards,
  ...examplesGuards,
]
