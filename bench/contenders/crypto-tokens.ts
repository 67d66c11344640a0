import { generateKeyPairSync } from 'node:crypto'
import {
  createDenylist,
  createSigningKeys,
  createTokenIssuer,
  createTokenVerifier,
  type TenantScope,
} from '@org/crypto/tokens'
import { jwtVerify } from 'jose'
import type { Contender } from '../measure/interleave.ts'
import { batch } from './crypto-batch.ts'

export const TOKEN = {
  jose: 'jose, jwtVerify',
  fresh: 'verify, token new',
  again: 'verify, token seen again',
  denied: 'verify, token seen again, denylist asked',
} as const

/** Different tokens, in turn. */
export const TOKENS_AT_ONCE = 100

/** Verifying an RS256 access token of 2048 bits, with the same demands on it. */
export async function tokenContenders(tenant: string, scope: TenantScope): Promise<Contender[]> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const keys = createSigningKeys({
    keys: [{ kid: 'bench', key: privateKey, signsFrom: new Date(Date.now() - 1_000) }],
  })
  const options = { issuer: 'https://auth.example', audience: 'https://api.example', keys }
  const issuer = createTokenIssuer({ ...options, lifetime: 3_000 })
  const tokens: string[] = []
  for (let at = 0; at < TOKENS_AT_ONCE; at++) {
    const sub = `user-${at}`
    const actor = { sub, tenantId: tenant, type: 'user', role: 'admin', groups: ['staff', 'ops'] } as const
    tokens.push((await issuer.issue(actor)).token)
  }
  // Room for one: with so many in turn, each is new every time, and the cache is paid for as in real life.
  const fresh = createTokenVerifier({ ...options, cache: { max: 1 } })
  const again = createTokenVerifier(options)
  const denied = createTokenVerifier({ ...options, denylist: createDenylist({ scope }) })
  const demands = {
    algorithms: ['RS256'],
    issuer: options.issuer,
    audience: options.audience,
    typ: 'at+jwt',
    requiredClaims: ['exp', 'iat', 'sub', 'jti', 'tenantId', 'type'],
    maxTokenAge: 3_600,
    clockTolerance: 5,
  }
  const of = (at: number) => tokens[at] ?? ''
  return [
    batch(TOKEN.jose, TOKENS_AT_ONCE, (at) => jwtVerify(of(at), publicKey, demands)),
    batch(TOKEN.fresh, TOKENS_AT_ONCE, (at) => fresh.verify(of(at))),
    batch(TOKEN.again, TOKENS_AT_ONCE, (at) => again.verify(of(at))),
    batch(TOKEN.denied, TOKENS_AT_ONCE, (at) => denied.verify(of(at))),
  ]
}
