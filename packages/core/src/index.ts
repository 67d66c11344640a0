export { crossTenant, currentTenant, runWithoutTenant, runWithTenant, tryCurrentTenant } from './context.ts'
export { type ErrorBody, messageFor, toErrorBody } from './error-body.ts'
export { ERROR_CODES, type ErrorCode, type Locale } from './error-codes.ts'
export type { Migration } from './migration.ts'
export type { Queryable, QueryRows, Row, TenantQueryable } from './queryable.ts'
export { type ErrorDetails, isTenancyError, TenancyError } from './tenancy-error.ts'
export {
  DEFAULT_PREFIX,
  MAX_IDENTIFIER_BYTES,
  parsePrefix,
  parseTenantKey,
  type TenantKey,
} from './tenant-key.ts'
