export type { AccessToken, ActorType, CustomClaims, Identify } from './claims.ts'
export type { DenylistOptions, TenantScope } from './denied-table.ts'
export { createDenylist, type DeniableToken, type Denylist } from './denylist.ts'
export { type TokenRefusal, tokenRefusal } from './errors.ts'
export {
  type AccessTokenInput,
  createTokenIssuer,
  type IssuedAccessToken,
  type TokenIssuer,
  type TokenIssuerOptions,
} from './issuer.ts'
export { createStaticKeys, type Jwks, type KeySource } from './jwks.ts'
export { DENIED_JTI_MIGRATION, REFRESH_TOKEN_MIGRATION } from './migrations.ts'
export type { RefreshTokenOptions } from './refresh-options.ts'
export type { Revocation } from './refresh-revoke.ts'
export type { RefreshRotation, RotatedRefreshToken } from './refresh-rotate.ts'
export {
  createRefreshTokens,
  type IssuedRefreshToken,
  type RefreshTokens,
  requireRotated,
} from './refresh-tokens.ts'
export { createRemoteKeys, type RemoteKeysOptions } from './remote-keys.ts'
export type { KeyMaterial, PublicJwk } from './rsa-key.ts'
export {
  createSigningKeys,
  type SigningKeyInput,
  type SigningKeys,
  type SigningKeysOptions,
} from './signing-keys.ts'
export { createTokenVerifier, type TokenVerifier } from './verifier.ts'
export type { DenylistReader, TokenVerifierOptions } from './verifier-options.ts'
