/** What every adapter hands on, so that what is written beside it needs no other package to be installed. */

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
} from '@org/core'
export type { AccessLine } from './access-line.ts'
export type { ErrorContext, OnError } from './options.ts'
export type { RequestTenancy } from './request-tenancy.ts'
