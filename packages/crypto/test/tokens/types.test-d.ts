import type { TenantKey, TenantQueryable } from '@org/core'
import type { TenantDb } from '@org/pg-tenant'
import { type AnyIn, type Equal, expectType, type IsAny } from '@org/pg-testing/expect-type'
import { z } from 'zod'
import type * as tokens from '../../src/tokens/index.ts'
import {
  createRefreshTokens,
  createTokenIssuer,
  createTokenVerifier,
  type DenylistReader,
  type KeySource,
  type RefreshRotation,
  type requireRotated,
  type SigningKeys,
} from '../../src/tokens/index.ts'

declare const keys: SigningKeys
declare const db: TenantDb
const trust = { issuer: 'https://auth.example', audience: 'https://api.example', keys }

expectType<Equal<AnyIn<typeof tokens>, never>>(true)
interface Types {
  AccessToken: tokens.AccessToken
  AccessTokenInput: tokens.AccessTokenInput
  Denylist: tokens.Denylist
  DenylistOptions: tokens.DenylistOptions
  IssuedRefreshToken: tokens.IssuedRefreshToken
  KeySource: KeySource
  PublicJwk: tokens.PublicJwk
  RefreshRotation: RefreshRotation
  RefreshTokens: tokens.RefreshTokens
  Revocation: tokens.Revocation
  SigningKeys: SigningKeys
  TokenVerifier: tokens.TokenVerifier
  TokenVerifierOptions: tokens.TokenVerifierOptions
}
expectType<Equal<AnyIn<Types>, never>>(true)

export async function claims(): Promise<void> {
  const plain = await createTokenVerifier(trust).verify('')
  expectType<Equal<typeof plain.tenantId, TenantKey>>(true)
  expectType<Equal<typeof plain.type, 'user' | 'service'>>(true)
  expectType<Equal<typeof plain.role, string | undefined>>(true)
  expectType<Equal<typeof plain.claims.anything, unknown>>(true)
  expectType<Equal<IsAny<typeof plain.claims.anything>, false>>(true)
  // @ts-expect-error a custom claim is unknown until a schema has checked it
  plain.claims.plan.toUpperCase()
  // @ts-expect-error an accepted token is not changed
  plain.role = 'admin'
  // @ts-expect-error a type without a schema would be a promise that nobody keeps
  createTokenVerifier<{ plan: string }>(trust)

  const schema = z.object({ plan: z.enum(['free', 'pro']), seats: z.coerce.number() })
  const typed = await createTokenVerifier({ ...trust, claims: schema }).verify('')
  expectType<Equal<typeof typed.claims, { plan: 'free' | 'pro'; seats: number }>>(true)
}

export async function issuing(): Promise<void> {
  const issuer = createTokenIssuer(trust)
  await issuer.issue({ sub: 'u', tenantId: 'acme', type: 'service', claims: { plan: 'pro' } })
  // @ts-expect-error the kinds of actor are two
  await issuer.issue({ sub: 'u', tenantId: 'acme', type: 'admin' })
  // @ts-expect-error a token always names its tenant
  await issuer.issue({ sub: 'u', type: 'user' })
  // @ts-expect-error remote keys cannot sign
  createTokenIssuer({ ...trust, keys: {} as KeySource })
}

export async function refreshing(): Promise<void> {
  const refresh = createRefreshTokens()
  const rotation = await refresh.rotate(db, '')
  // @ts-expect-error there may be no token: ask for the outcome, or requireRotated
  rotation.token.length
  if (rotation.outcome === 'rotated') expectType<Equal<typeof rotation.token, string>>(true)
  expectType<Equal<ReturnType<typeof requireRotated>['token'], string>>(true)
  const handle: TenantQueryable = db
  await refresh.issue(handle, 'u')
  // @ts-expect-error a pool is no tenant
  await refresh.issue({ query: db.query }, 'u')
}

export const reader: DenylistReader = { isDenied: (tenant, jti) => tenant.length === jti.length }
