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
export { CurrentActor, CurrentTenant, RequestDb, WithoutTenant } from './decorators.ts'
export { TenancyExceptionFilter } from './exception-filter.ts'
export {
  TenancyModule,
  type TenancyModuleAsyncOptions,
  type TenancyModuleOptions,
} from './module.ts'
export { TENANCY } from './tokens.ts'
