import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  type AccessTokenInput,
  createSigningKeys,
  createTokenIssuer,
  createTokenVerifier,
  type SigningKeys,
  type TokenVerifierOptions,
} from '../../src/tokens/index.ts'

/** 2048-bit pairs, made once per test file: RSA keys are slow to make. */
export const rsa = (bits = 2048) => generateKeyPairSync('rsa', { modulusLength: bits })
export const first = rsa()
export const second = rsa()

export const ISSUER = 'https://auth.example'
export const AUDIENCE = 'https://api.example'
/** 2026-01-01, and every test's present unless it says otherwise */
export const NOW = Date.UTC(2026, 0, 1)
export const NOW_S = NOW / 1000

export interface Clock {
  (): number
  /** moves on by so many seconds */
  forward(seconds: number): void
}

export function makeClock(start = NOW): Clock {
  let now = start
  return Object.assign(() => now, {
    forward: (seconds: number) => {
      now += seconds * 1000
    },
  })
}

export function makeKeys(clock: () => number = makeClock()): SigningKeys {
  return createSigningKeys({
    keys: [{ kid: 'one', key: first.privateKey, signsFrom: new Date(NOW - 1000) }],
    clock,
  })
}

export const USER: AccessTokenInput = {
  sub: 'user-1',
  tenantId: 'acme',
  type: 'user',
  role: 'admin',
  groups: ['staff'],
}

/** An issuer and a verifier that trust each other, at one clock. */
export function makePair(options: Partial<TokenVerifierOptions> = {}, clock: Clock = makeClock()) {
  const keys = makeKeys(clock)
  return {
    clock,
    keys,
    issuer: createTokenIssuer({ issuer: ISSUER, audience: AUDIENCE, keys, clock }),
    verifier: createTokenVerifier({ issuer: ISSUER, audience: AUDIENCE, keys, clock, ...options }),
  }
}

export const HEADER = { alg: 'RS256', typ: 'at+jwt', kid: 'one' }
/** Claims that are accepted: every attack changes one thing about them. */
export const CLAIMS = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'user-1',
  tenantId: 'acme',
  type: 'user',
  jti: 'jti-1',
  iat: NOW_S,
  exp: NOW_S + 900,
}

/** base64url of a text or of bytes as they are, and of anything else as JSON */
export const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' || value instanceof Buffer ? value : JSON.stringify(value)).toString(
    'base64url',
  )

/** Signs anything as RS256, well or badly formed: what somebody with the key (or a careless issuer) could send. */
export function forge(header: unknown, claims: unknown, key: KeyObject = first.privateKey): string {
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${createSign('sha256').update(input).sign(key, 'base64url')}`
}
