export type { AccessLine } from '../http/access-line.ts'
export {
  type Actor,
  currentActor,
  currentTenant,
  fromApiKey,
  fromClaim,
  fromHeader,
  fromPath,
  fromSession,
  fromSubdomain,
  isTenancyError,
  type ResolvedTenant,
  TenancyError,
  type TenantKey,
  type TokenClaims,
  toErrorBody,
} from '../http/core.ts'
export type { ErrorContext, OnError, TenantOptions } from '../http/options.ts'
export type { RequestTenancy } from '../http/request-tenancy.ts'
export { answerErrors } from './answer-errors.ts'
export { tenant } from './tenant.ts'
