export { askTogether } from './ask-together.ts'
export type { Belongings, Staying, TenantTable } from './belongings.ts'
export type { CheckFinding, CheckMeasure, CheckPlace, TenancyCheck } from './checks.ts'
export { codedControl } from './coded-control.ts'
export { crossTenant, currentTenant, runWithoutTenant, runWithTenant, tryCurrentTenant } from './context.ts'
export { type ErrorAnswer, type ErrorBody, messageFor, publicCode, toErrorBody } from './error-body.ts'
export { ERROR_CODES, type ErrorCode, type Locale } from './error-codes.ts'
export { type HeldResponse, holdResponse } from './http/held-response.ts'
export { integerField, integerOption, invalidField, invalidOption, signalOption } from './invalid-input.ts'
export { type OptionNames, requireKnownOptions, unknownOption } from './known-options.ts'
export type { Migration } from './migration.ts'
export type { NamedQuery, Queryable, QueryRows, Row, TenantQueryable } from './queryable.ts'
export { readTogether, type TenantReads, type TenantStatement } from './read-together.ts'
export { type CachedLookup, cachedLookup, requireActive, type TenantLookup } from './resolve/directory.ts'
export { type FromApiKeyOptions, fromApiKey } from './resolve/from-api-key.ts'
export { type FromClaimOptions, fromClaim } from './resolve/from-claim.ts'
export { type FromHeaderOptions, fromHeader } from './resolve/from-header.ts'
export { type FromPathOptions, fromPath } from './resolve/from-path.ts'
export { type FromSessionOptions, fromSession } from './resolve/from-session.ts'
export { type FromSubdomainOptions, fromSubdomain } from './resolve/from-subdomain.ts'
export type { IncomingRequest } from './resolve/request.ts'
export {
  currentActor,
  type RequestContext,
  runResolved,
  tryCurrentRequest,
} from './resolve/request-context.ts'
export { type ResolveOptions, type ResolveTenant, resolveTenant } from './resolve/resolve-tenant.ts'
export { parseTrust, requestIdOf, type Trust, type Trusted } from './resolve/trust.ts'
export type {
  Actor,
  ApiKeyActor,
  Credential,
  CredentialSource,
  NamingSource,
  ResolvedTenant,
  Session,
  Source,
  SourceKind,
  TokenClaims,
} from './resolve/types.ts'
export type { SealedPlace, Sealing } from './sealing.ts'
export { SQLSTATE, sqlStateOf } from './sqlstate.ts'
export { type ErrorDetails, isTenancyError, TenancyError } from './tenancy-error.ts'
export {
  DEFAULT_PREFIX,
  MAX_IDENTIFIER_BYTES,
  parsePrefix,
  parseTenantKey,
  type TenantKey,
} from './tenant-key.ts'
export {
  type DeliveryTrace,
  type EventTrace,
  type JobTrace,
  type OperationTrace,
  type ScopeTrace,
  type StatementTrace,
  TRACES,
  type TraceListeners,
  type TraceMessage,
  Traces,
} from './tracing.ts'
export { type Violation, violatedField } from './violated-field.ts'
