export type { EnvelopeFacts, Envelopes, EnvelopesOf, SecretPlace } from './envelope/envelopes.ts'
export type { KeyColumn, SealedTable } from './envelope/sealed-table.ts'
export {
  type CredentialFacts,
  type CredentialFilter,
  type CredentialWrite,
  type IntegrationCredential,
  type IntegrationCredentials,
  integrationCredentials,
  type NewCredential,
} from './integrations/credentials.ts'
export { integrationsMigration, integrationsRowMigration } from './integrations/migration.ts'
export { dataKeyBelongings } from './keys/belongings.ts'
export {
  createDataKeys,
  type DataKeyOptions,
  type DataKeys,
  type RewrapProgress,
} from './keys/data-keys.ts'
export {
  type KeyRing,
  type KeyRingFormat,
  type KeyRingOptions,
  keyRing,
  keyRingFromEnv,
} from './keys/key-ring.ts'
export { type KeyWrapper, localWrapper } from './keys/key-wrapper.ts'
export { type DataKeyTable, dataKeyMigration } from './keys/sql.ts'
export {
  type FleetRotationOptions,
  type RotationProgress,
  type RotationReport,
  rotate,
} from './rotation/fleet.ts'
export { assertKeyUnused, type KeyUseOptions, keysInUse } from './rotation/keys-in-use.ts'
export type { RotationOptions } from './rotation/options.ts'
export { SEALED_SETTINGS } from './rotation/sealed-table.ts'
export type { RotationCounts, UnreadableValue } from './rotation/tally.ts'
export { rotateTenant, type TenantRotation } from './rotation/tenant.ts'
export {
  type DeclaredSetting,
  type SettingDefinition,
  type SettingDefinitions,
  secret,
  text,
} from './settings/definition.ts'
export type { PlaintextUse } from './settings/keeper.ts'
export { SETTINGS_TABLE, settingsMigration } from './settings/migration.ts'
export { defineSettings, MASKED } from './settings/settings.ts'
export type {
  Masked,
  SecretKey,
  SetOptions,
  SettingEntry,
  SettingInput,
  SettingKey,
  SettingList,
  SettingListOptions,
  SettingOutput,
  Settings,
  SettingsOptions,
  SettingValue,
} from './settings/types.ts'
