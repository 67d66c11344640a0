import type { TenantKey } from '../tenant-key.ts'
import type { IncomingRequest } from './request.ts'
import type { Trusted } from './trust.ts'

/** Who acts. `anonymous` only where {@link ResolveOptions.trustUnauthenticated} allows it. */
export type Actor =
  | { readonly type: 'user' | 'service'; readonly id: string }
  | { readonly type: 'anonymous'; readonly id: null }

/** Where a tenant can be named. */
export type SourceKind = 'claim' | 'api-key' | 'session' | 'header' | 'subdomain' | 'path'

/** What a verified access token says; the `AccessToken` of `@org/crypto` is one. */
export interface TokenClaims {
  readonly sub: string
  readonly type: 'user' | 'service'
  /** Only a service may come without: it then names its tenant in the header. */
  readonly tenantId?: string | undefined
  readonly jti?: string | undefined
}

/** Who a verified API key is; the `ServiceActor` of `@org/crypto` is one. */
export interface ApiKeyActor {
  readonly type: 'service'
  readonly id: string
  readonly tenant: string
}

/** Who signed in in a browser; your session may hold more. */
export interface Session {
  readonly userId: string
  readonly tenantId: string
}

/** A tenant named by a request, unproven: it only counts beside a credential that agrees. */
export interface NamingSource {
  readonly kind: 'header' | 'subdomain' | 'path'
  /**
   * The text that names the tenant, as sent; `undefined` when there is none.
   *
   * @throws TenancyError VALIDATION_ERROR or TENANT_MISMATCH when it can be read in two ways
   */
  name(request: IncomingRequest, trusted: Trusted): string | undefined
}

/** Something that proves who asks. */
export interface CredentialSource {
  readonly kind: 'claim' | 'api-key' | 'session'
  /**
   * @returns `undefined` when the request has no credential of this kind
   * @throws TenancyError when it has one that is not accepted; another source does not make up for it
   */
  authenticate(request: IncomingRequest): Promise<Credential | undefined> | undefined
}

export interface Credential {
  readonly actor: Extract<Actor, { id: string }>
  /** Missing only for a service that may name its tenant in the header. */
  readonly tenant: string | undefined
  readonly claims?: TokenClaims
  readonly apiKey?: ApiKeyActor
  readonly session?: Session
}

export type Source = NamingSource | CredentialSource

/** Whose request this is, and who sent it. */
export interface ResolvedTenant {
  readonly tenant: TenantKey
  readonly actor: Actor
  /** What the tenant was taken from; whatever else named one named the same. */
  readonly source: SourceKind
  /** The token's claims, when there was one. */
  readonly claims?: TokenClaims
  /** What the key may do, when there was one. */
  readonly apiKey?: ApiKeyActor
  /** What `readSession` found, when there was one. */
  readonly session?: Session
}
