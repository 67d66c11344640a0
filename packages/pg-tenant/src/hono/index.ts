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
export type { ErrorContext, OnError } from '../http/options.ts'
export type { RequestTenancy } from '../http/request-tenancy.ts'
export { answerErrors, type HonoTenantOptions, type TenantEnv, tenant } from './tenant.ts'
