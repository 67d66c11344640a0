import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { toErrorBody } from '@org/core'
import { exportJWK, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  createStaticKeys,
  createTokenVerifier,
  type TokenRefusal,
  type TokenVerifierOptions,
  tokenRefusal,
} from '../../src/tokens/index.ts'

/** Access tokens as the usual issuers write them, each with the options of the README's table. */

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const jwk = await exportJWK(publicKey)
// As Entra ID and Auth0 publish theirs: no alg, certificates beside.
const keys = createStaticKeys({
  keys: [{ ...jwk, kid: 'k1', use: 'sig', x5t: 'AAAA', x5c: ['AAAA'] }],
})
const TID = '0b9f3c1e-58e4-4ed2-9c0e-0a6f2d1b7a11'
const iat = Math.floor(Date.now() / 1000)
const times = { iat, exp: iat + 3_600 }
const sign = (claims: object, header: object = {}) =>
  new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: 'k1', ...header } as { alg: string })
    .sign(privateKey)
const user =
  (
    tenant: (claims: Readonly<Record<string, unknown>>) => unknown,
  ): NonNullable<TokenVerifierOptions['identify']> =>
  (claims) => ({ tenantId: tenant(claims), type: 'user' })

interface Issuer {
  readonly options: Omit<TokenVerifierOptions, 'keys'>
  readonly claims: Readonly<Record<string, unknown>>
  readonly header: object
  /** The same user's ID token, where its audience could be ours. */
  readonly idToken?: object
}
const GOOGLE = ['https://accounts.google.com', 'accounts.google.com']
const ISSUERS: Readonly<Record<string, Issuer>> = {
  'Entra ID, v1.0': {
    options: {
      issuer: (tenant) => `https://sts.windows.net/${tenant}/`,
      audience: 'api://shop',
      types: ['jwt'],
      identify: user(({ tid }) => tid),
    },
    claims: {
      iss: `https://sts.windows.net/${TID}/`,
      aud: 'api://shop',
      sub: 'AAAA',
      tid: TID,
      uti: 'bG9nZ2Vk',
      ver: '1.0',
      appid: 'spa',
    },
    header: { typ: 'JWT', x5t: 'AAAA' },
  },
  'Entra ID': {
    options: {
      issuer: `https://login.microsoftonline.com/${TID}/v2.0`,
      audience: 'api',
      types: ['jwt'],
      maxAge: 7_200,
      identify: user(({ tid }) => tid),
    },
    claims: {
      iss: `https://login.microsoftonline.com/${TID}/v2.0`,
      aud: 'api',
      sub: 'AAAA',
      oid: randomUUID(),
      tid: TID,
      uti: 'bG9nZ2Vk',
      ver: '2.0',
      nbf: iat,
      azp: 'spa',
    },
    header: { typ: 'JWT' },
  },
  Auth0: {
    options: {
      issuer: 'https://acme.eu.auth0.com/',
      audience: 'https://api.example',
      types: ['jwt', 'at+jwt'],
      audienceList: true,
      maxAge: 86_400,
      identify: user(({ org_id }) => String(org_id).toLowerCase()),
    },
    claims: {
      iss: 'https://acme.eu.auth0.com/',
      aud: ['https://api.example', 'https://acme.eu.auth0.com/userinfo'],
      sub: 'auth0|1',
      azp: 'spa',
      scope: 'openid',
      org_id: 'org_acme',
    },
    header: { typ: 'JWT' },
  },
  'Amazon Cognito': {
    options: {
      issuer: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x',
      audience: 'client',
      types: ['jwt'],
      identify: user((claims) => claims['custom:tenant'] ?? 'acme'),
    },
    claims: {
      iss: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x',
      sub: randomUUID(),
      client_id: 'client',
      token_use: 'access',
      jti: randomUUID(),
    },
    header: {},
    idToken: {
      iss: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x',
      sub: 'u',
      aud: 'client',
      token_use: 'id',
      jti: randomUUID(),
    },
  },
  Keycloak: {
    options: {
      issuer: 'https://sso.example/realms/acme',
      audience: 'web',
      types: ['jwt'],
      audienceClaim: 'azp',
      identify: user(() => 'acme'),
    },
    claims: {
      iss: 'https://sso.example/realms/acme',
      sub: randomUUID(),
      typ: 'Bearer',
      azp: 'web',
      jti: `onrtac:${randomUUID()}`,
    },
    header: { typ: 'JWT' },
    idToken: {
      iss: 'https://sso.example/realms/acme',
      sub: 'u',
      typ: 'ID',
      aud: 'web',
      azp: 'web',
      jti: randomUUID(),
    },
  },
  Google: {
    options: {
      issuer: GOOGLE,
      audience: '1.apps.googleusercontent.com',
      types: ['jwt'],
      identify: user(({ hd }) => String(hd).replaceAll('.', '_')),
    },
    claims: {
      iss: 'https://accounts.google.com',
      aud: '1.apps.googleusercontent.com',
      azp: '1.apps.googleusercontent.com',
      sub: '1234',
      hd: 'acme.example',
    },
    header: { typ: 'JWT' },
  },
  'Google, without https': {
    options: { issuer: GOOGLE, audience: '1', types: ['jwt'], identify: user(() => 'acme') },
    claims: { iss: 'accounts.google.com', aud: '1', sub: '1234' },
    header: { typ: 'JWT' },
  },
}

const reasonOf = async (options: Omit<TokenVerifierOptions, 'keys'>, token: string) => {
  const told: TokenRefusal[] = []
  const verifier = createTokenVerifier({ keys, onRefused: (reason) => told.push(reason), ...options })
  const error: unknown = await verifier.verify(token).then(
    (accepted) => accepted,
    (reason: unknown) => reason,
  )
  if (!(error instanceof Error)) return 'accepted'
  // The client is told one thing, whatever it was.
  expect(toErrorBody(error).body.error).toEqual({
    code: told[0] === 'expired' ? 'TOKEN_EXPIRED' : 'INVALID_TOKEN',
    message: expect.any(String),
  })
  expect(JSON.stringify(error)).not.toContain(String(told[0]))
  expect([tokenRefusal(error)]).toEqual(told)
  return told[0]
}

describe.each(Object.entries(ISSUERS))('%s', (_, { options, claims, header, idToken }) => {
  it('is accepted with these options, and the token has an id to deny it by', async () => {
    const token = await sign({ ...claims, ...times }, header)
    const accepted = await createTokenVerifier({ keys, ...options }).verify(token)
    expect(accepted).toMatchObject({ sub: claims.sub, type: 'user', tenantId: expect.any(String) })
    const id = claims.jti ?? claims.uti
    expect(accepted.jti).toEqual(id ?? expect.stringMatching(/^.{43}=$/))
    const again = createTokenVerifier({
      keys,
      ...options,
      denylist: { isDenied: (_, jti) => jti === accepted.jti },
    })
    await expect(again.verify(token)).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
  })

  it('an ID token is none', async () => {
    if (idToken === undefined) return
    expect(await reasonOf(options, await sign({ ...idToken, ...times }, header))).toBe('not_an_access_token')
  })

  it('of another client, another issuer or without an audience is refused, and the developer told why', async () => {
    const at = async (change: object) =>
      reasonOf(options, await sign({ ...claims, ...times, ...change }, header))
    expect(await at({ iss: 'https://evil.example' })).toBe('issuer')
    const other = claims.aud === undefined ? { client_id: 'other', azp: 'other' } : { aud: 'other' }
    expect(await at(other)).toBe('audience')
    expect(await at({ aud: undefined, client_id: undefined, azp: undefined })).toBe('audience')
  })
})

describe('without options for another issuer', () => {
  const own = { issuer: 'i', audience: 'api', types: ['jwt'] }
  const claims = { iss: 'i', aud: 'api', sub: 'u', jti: 'j', tenantId: 'acme', type: 'user', ...times }

  it.each<[TokenRefusal | 'accepted', object, object]>([
    ['accepted', {}, { typ: 'JWT' }],
    ['token_id', { jti: undefined, uti: 'x' }, { typ: 'JWT' }],
    ['audience', { aud: undefined, client_id: 'api', token_use: 'access' }, { typ: 'JWT' }],
    ['tenant', { tenantId: 'No Key' }, { typ: 'JWT' }],
    ['actor_type', { type: 'robot' }, { typ: 'JWT' }],
    ['subject', { sub: '' }, { typ: 'JWT' }],
    ['groups', { groups: 'x' }, { typ: 'JWT' }],
    ['role', { role: 5 }, { typ: 'JWT' }],
    ['times', { exp: iat - 5 }, { typ: 'JWT' }],
    ['issued_in_the_future', { iat: iat + 900, exp: iat + 1_000 }, { typ: 'JWT' }],
    ['not_yet_valid', { nbf: iat + 900 }, { typ: 'JWT' }],
    ['expired', { iat: iat - 900, exp: iat - 800 }, { typ: 'JWT' }],
    ['type', {}, { typ: 'at+jwt' }],
    ['header', {}, { typ: 'JWT', jku: 'https://evil.example' }],
    ['unknown_key', {}, { typ: 'JWT', kid: 'k2' }],
    ['unknown_key', {}, { typ: 'JWT', kid: 'enc' }],
    ['key_id', {}, { typ: 'JWT', kid: '' }],
  ])('%s', async (reason, change, header) => {
    expect(await reasonOf(own, await sign({ ...claims, ...change }, header))).toBe(reason)
  })

  it('what is no token at all', async () => {
    const good = await sign(claims, { typ: 'JWT' })
    expect(await reasonOf(own, 'x')).toBe('not_a_jws')
    expect(await reasonOf(own, 'x'.repeat(9_000))).toBe('too_long')
    expect(await reasonOf(own, `${good}=`)).toBe('not_canonical')
    const [head, body, signature = ''] = good.split('.')
    expect(
      await reasonOf(own, `${head}.${body}.${signature.replace(/^./, (one) => (one === 'A' ? 'B' : 'A'))}`),
    ).toBe('signature')
    expect(await reasonOf({ ...own, types: ['at+jwt'] }, await sign(claims))).toBe('type')
    const throwing = {
      ...own,
      identify: () => {
        throw new Error('x')
      },
    }
    expect(await reasonOf(throwing, good)).toBe('identify_threw')
  })

  it('a log that throws changes nothing; an option that there is not is refused', async () => {
    const loud = createTokenVerifier({
      ...own,
      keys,
      onRefused: () => {
        throw new Error('log')
      },
    })
    await expect(loud.verify('x')).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
    expect(() => createTokenVerifier({ ...own, keys, issuer: [] })).toThrowError('"issuer"')
    expect(() => createTokenVerifier({ ...own, keys, audienceLists: true } as never)).toThrowError(
      'Did you mean "audienceList"?',
    )
  })
})
