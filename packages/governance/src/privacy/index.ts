export { privacyBelongings } from './belongings.ts'
export { type CsvOptions, toCsv } from './csv.ts'
export type { EventRule, EventRules, PersonalEvents } from './event-rules.ts'
export {
  type ColumnRule,
  IDEMPOTENCY_RULES,
  type PersonalData,
  type PersonalDataOptions,
  personalData,
  type TableRules,
  WEBHOOK_RULES,
} from './personal-data.ts'
export {
  type Erasure,
  type ErasureReport,
  type Privacy,
  type PrivacyFinding,
  type PrivacyOptions,
  privacy,
  type SubjectData,
} from './privacy.ts'
export { type SubjectKeys, type SubjectKeysOptions, subjectKeys } from './subject-keys.ts'
export { type InstallPrivacyOptions, installPrivacy } from './tables.ts'
