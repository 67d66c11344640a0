/** What an application writes beside an adapter comes from `@org/core`, which it need not install by itself. */
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
