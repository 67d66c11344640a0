import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  createSigningKeys,
  createStaticKeys,
  createTokenIssuer,
  createTokenVerifier,
  type KeySource,
} from '../../src/tokens/index.ts'
import { codeOf } from '../support/world.ts'
import {
  AUDIENCE,
  CLAIMS,
  first,
  forge,
  HEADER,
  ISSUER,
  makeClock,
  makeKeys,
  makePair,
  NOW,
  NOW_S,
  rsa,
  second,
  USER,
} from './support.ts'

describe('what listens for good tokens', () => {
  it('is told before the denylist has answered, of no other token, and refuses nothing by throwing', async () => {
    const told: string[] = []
    const denied = Promise.withResolvers<boolean>()
    const { issuer, verifier } = makePair({
      onGood: ({ jti }) => {
        told.push(jti)
        throw new Error('listener')
      },
      denylist: { isDenied: () => denied.promise },
    })
    const { token, jti } = await issuer.issue(USER)
    expect(await codeOf(verifier.verify(`${token.slice(0, -4)}AAAA`))).toBe('INVALID_TOKEN')
    expect(told).toEqual([])
    const asked = codeOf(verifier.verify(token))
    await expect.poll(() => told).toEqual([jti])
    denied.resolve(true)
    expect(await asked).toBe('INVALID_TOKEN')
  })

  it('may be async: what is rejected there is unhandled by nobody, which would end the process', async () => {
    const rejected = async () => {
      throw new Error('listener')
    }
    const { issuer, verifier } = makePair({ onGood: rejected, onRefused: rejected })
    const unhandled: unknown[] = []
    const note = (error: unknown) => unhandled.push(error)
    process.on('unhandledRejection', note)
    const { token, jti } = await issuer.issue(USER)
    expect((await verifier.verify(token)).jti).toBe(jti)
    expect(await codeOf(verifier.verify('x'))).toBe('INVALID_TOKEN')
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })
})

describe('issue', () => {
  it('makes a token that says everything and expires after fifteen minutes', async () => {
    const { issuer, verifier } = makePair()
    const issued = await issuer.issue({ ...USER, claims: { plan: 'pro', nested: { a: [1] } } })
    const [head = ''] = issued.token.split('.')
    expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual(HEADER)
    expect(await verifier.verify(issued.token)).toEqual({
      ...USER,
      iss: ISSUER,
      jti: issued.jti,
      iat: NOW_S,
      exp: NOW_S + 900,
      claims: { plan: 'pro', nested: { a: [1] } },
    })
    expect(issued.exp).toBe(NOW_S + 900)
    expect((await issuer.issue(USER)).jti).not.toBe(issued.jti)
    expect((await issuer.issue({ ...USER, jti: 'mine' })).jti).toBe('mine')
  })

  it.each([
    ['VALIDATION_ERROR', { sub: '' }],
    ['VALIDATION_ERROR', { sub: 'a\u0000' }],
    ['VALIDATION_ERROR', { jti: '' }],
    ['VALIDATION_ERROR', { role: '' }],
    ['VALIDATION_ERROR', { type: 'admin' }],
    ['VALIDATION_ERROR', { groups: [''] }],
    ['VALIDATION_ERROR', { claims: { exp: 9e15 } }],
    ['VALIDATION_ERROR', { claims: { tenantId: 'globex' } }],
    ['VALIDATION_ERROR', { claims: JSON.parse('{"__proto__":{}}') }],
    ['VALIDATION_ERROR', { claims: { toJSON: () => ({ iss: 'x' }) } }],
    ['VALIDATION_ERROR', { claims: { big: 1n } }],
    ['VALIDATION_ERROR', { claims: [] }],
    ['VALIDATION_ERROR', { claims: { long: 'x'.repeat(7_000) } }],
    ['INVALID_TENANT_KEY', { tenantId: 'Acme' }],
  ])('refuses with %s (%#)', async (code, changes) => {
    const { issuer } = makePair()
    expect(await codeOf(issuer.issue({ ...USER, ...(changes as object) }))).toBe(code)
  })

  it('never takes a lifetime that outlasts the keys', () => {
    const keys = makeKeys()
    const make = (lifetime: number) => () =>
      createTokenIssuer({ issuer: ISSUER, audience: AUDIENCE, keys, lifetime })
    expect(make(3_540)).not.toThrow()
    expect(make(3_541)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})

describe('a token seen again', () => {
  it('is the same frozen answer, for which no key is looked up and nothing is checked twice', async () => {
    const { issuer, verifier } = makePair()
    const { token } = await issuer.issue({ ...USER, claims: { list: [{ a: 1 }] } })
    const one = await verifier.verify(token)
    expect(await verifier.verify(`${token} `.trim())).toBe(one)
    for (const part of [one, one.groups, one.claims, one.claims.list, (one.claims.list as object[])[0]]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
  })

  it('never outlives its expiry or its maximum age', async () => {
    for (const [maxAge, code] of [
      [3_600, 'TOKEN_EXPIRED'],
      [300, 'TOKEN_EXPIRED'],
    ] as const) {
      const { issuer, verifier, clock } = makePair({ maxAge })
      const { token } = await issuer.issue(USER)
      await verifier.verify(token)
      clock.forward(Math.min(maxAge, 900) + 4)
      expect(await verifier.verify(token)).toBeDefined()
      clock.forward(1)
      expect(await codeOf(verifier.verify(token))).toBe(code)
    }
  })

  it('falls with its key at once', async () => {
    const { issuer, verifier, keys } = makePair()
    const { token } = await issuer.issue(USER)
    await verifier.verify(token)
    expect(keys.remove('one')).toBe(true)
    expect(await codeOf(verifier.verify(token))).toBe('INVALID_TOKEN')
    expect(await codeOf(issuer.issue(USER))).toBe('KEY_MISSING')
  })

  it('falls when another key takes the place of its kid', async () => {
    const source = (key: typeof first) =>
      createStaticKeys({ keys: [{ ...key.publicKey.export({ format: 'jwk' }), kid: 'one' }] })
    let now = source(first)
    const keys: KeySource = { peek: (kid) => now.peek(kid), find: (kid) => now.find(kid) }
    const { verifier } = makePair({ keys })
    const token = forge(HEADER, CLAIMS)
    await verifier.verify(token)
    now = source(second)
    expect(await codeOf(verifier.verify(token))).toBe('INVALID_TOKEN')
  })

  it('is denied when the denylist says so, in the cache or not', async () => {
    const denied = new Set<string>()
    for (const cache of [{ max: 10 }, false] as const) {
      for (const later of [false, true]) {
        const isDenied = (tenant: string, jti: string) => {
          const answer = denied.has(`${tenant} ${jti}`)
          return later ? Promise.resolve(answer) : answer
        }
        const { issuer, verifier } = makePair({ cache, denylist: { isDenied } })
        const { token, jti } = await issuer.issue(USER)
        await verifier.verify(token)
        denied.add(`globex ${jti}`)
        await verifier.verify(token)
        denied.add(`acme ${jti}`)
        expect(await codeOf(verifier.verify(token))).toBe('INVALID_TOKEN')
      }
    }
  })

  it('does not get in when it was refused before, and the cache keeps to its bound', async () => {
    const asked: string[] = []
    const keys = makeKeys()
    const counted: KeySource = {
      peek: keys.peek,
      find: (kid) => {
        asked.push(kid)
        return keys.find(kid)
      },
    }
    const { issuer, verifier } = makePair({ keys: counted, cache: { max: 2 } })
    const bad = forge(HEADER, { ...CLAIMS, sub: 1 })
    for (const _ of [1, 2]) expect(await codeOf(verifier.verify(bad))).toBe('INVALID_TOKEN')
    expect(asked).toHaveLength(2)
    const tokens = await Promise.all([1, 2, 3].map(() => issuer.issue(USER)))
    for (const { token } of tokens) await verifier.verify(token)
    expect(asked).toHaveLength(5)
    await verifier.verify(tokens[2]?.token ?? '')
    expect(asked, 'the newest is there').toHaveLength(5)
    await verifier.verify(tokens[0]?.token ?? '')
    expect(asked, 'the oldest made room').toHaveLength(6)
  })
})

describe('custom claims', () => {
  const schema = z.object({ plan: z.enum(['free', 'pro']) })
  it('are typed and checked by a schema', async () => {
    const { issuer, keys, clock } = makePair()
    const verifier = createTokenVerifier({ issuer: ISSUER, audience: AUDIENCE, keys, clock, claims: schema })
    const { claims } = await verifier.verify((await issuer.issue({ ...USER, claims: { plan: 'pro' } })).token)
    expect(claims.plan).toBe('pro')
    const other = await issuer.issue({ ...USER, claims: { plan: 'gold' } })
    expect(await codeOf(verifier.verify(other.token))).toBe('INVALID_TOKEN')
    const throwing = {
      '~standard': {
        version: 1,
        vendor: 'x',
        validate: () => {
          throw new Error('value')
        },
      },
    } as const
    const broken = createTokenVerifier({ issuer: ISSUER, audience: AUDIENCE, keys, clock, claims: throwing })
    expect(await codeOf(broken.verify(other.token))).toBe('INVALID_TOKEN')
  })

  it('of another issuer say the tenant under its own names', async () => {
    const { verifier } = makePair({
      types: ['JWT'],
      audienceList: true,
      identify: (claims) => ({ tenantId: (claims['https://x/org'] as { id: string }).id, type: 'user' }),
    })
    const header = { ...HEADER, typ: 'JWT' }
    const { tenantId: _, type: __, ...base } = CLAIMS
    const token = forge(header, { ...base, aud: ['userinfo', AUDIENCE], 'https://x/org': { id: 'acme' } })
    expect(await verifier.verify(token)).toMatchObject({ tenantId: 'acme', type: 'user' })
    expect(await codeOf(verifier.verify(forge(header, base)))).toBe('INVALID_TOKEN')
    const elsewhere = forge(header, { ...base, aud: ['userinfo'], 'https://x/org': { id: 'acme' } })
    expect(await codeOf(verifier.verify(elsewhere))).toBe('INVALID_TOKEN')
  })
})

describe('signing keys', () => {
  const at = (seconds: number) => new Date(NOW + seconds * 1000)
  const three = () => [
    { kid: 'old', key: first.privateKey, signsFrom: at(-100) },
    { kid: 'new', key: second.privateKey, signsFrom: at(1_000) },
  ]

  it('take turns by the clock: published early, accepted until the last token ran out', async () => {
    const clock = makeClock()
    const keys = createSigningKeys({ keys: three(), clock, overlap: 960 })
    const issuer = createTokenIssuer({ issuer: ISSUER, audience: AUDIENCE, keys, clock })
    const verifier = createTokenVerifier({ issuer: ISSUER, audience: AUDIENCE, keys, clock })
    const kids = () => keys.jwks().keys.map(({ kid }) => kid)
    expect([keys.signer().kid, kids()]).toEqual(['old', ['old', 'new']])
    clock.forward(999)
    const { token: last } = await issuer.issue(USER)
    clock.forward(1)
    expect([keys.signer().kid, kids()]).toEqual(['new', ['old', 'new']])
    clock.forward(900 - 1 + 4)
    expect(await verifier.verify(last)).toBeDefined()
    clock.forward(60)
    expect(kids()).toEqual(['new'])
    expect(keys.peek('old')).toBeUndefined()
    expect(await keys.find('old')).toBeUndefined()
  })

  it('publish nothing private', () => {
    const jwk = first.privateKey.export({ format: 'jwk' })
    const keys = createSigningKeys({ keys: [{ key: jwk, signsFrom: at(0) }] })
    const [published] = keys.jwks().keys
    expect(Object.keys(published ?? {}).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
    expect(published).toMatchObject({ use: 'sig', alg: 'RS256', kid: expect.stringMatching(/^[\w-]{43}$/) })
    expect(createStaticKeys(keys.jwks()).peek(published?.kid ?? '')).toBeDefined()
  })

  it('that were removed bring no older one back', () => {
    const clock = makeClock(NOW + 10_000_000)
    const keys = createSigningKeys({ keys: three(), clock })
    expect(keys.remove('new')).toBe(true)
    expect(keys.remove('new')).toBe(false)
    expect([keys.peek('old'), keys.jwks().keys]).toEqual([undefined, []])
    expect(() => keys.signer()).toThrow(expect.objectContaining({ code: 'KEY_MISSING' }))
    keys.add({ kid: 'next', key: second.privateKey, signsFrom: new Date(clock()) })
    expect(keys.signer().kid).toBe('next')
    expect(() => keys.add({ kid: 'new', key: second.privateKey, signsFrom: at(5) })).toThrow(/kid/)
  })

  it('of which only the public half is here do not sign', () => {
    const pem = first.publicKey.export({ format: 'pem', type: 'spki' }).toString()
    const keys = createSigningKeys({ keys: [{ kid: 'a', key: pem, signsFrom: at(-10) }], clock: makeClock() })
    expect(keys.peek('a')).toBeDefined()
    expect(() => keys.signer()).toThrow(expect.objectContaining({ code: 'KEY_MISSING' }))
  })

  it.each([
    ['short', () => rsa(1024).privateKey],
    ['with a small exponent', () => rsaWithExponent3()],
    ['no RSA', () => ecKey()],
    ['RSA-PSS', () => pssKey()],
    ['no key', () => 'hello'],
    ['broken PEM', () => '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'],
    ['a shared secret', () => ({ kty: 'oct', k: 'AAAA' })],
  ])('%s: refused without a word about the key', (_, key) => {
    const make = () => createSigningKeys({ keys: [{ key: key(), signsFrom: at(0) }] })
    expect(make).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
    expect(make).toThrow(expect.not.objectContaining({ cause: expect.anything() }))
  })

  it.each([
    ['the same kid twice', { kid: 'old', signsFrom: at(50) }],
    ['the same turn twice', { kid: 'x', signsFrom: at(-100) }],
    ['a kid with other characters', { kid: '../x', signsFrom: at(50) }],
    ['no turn', { kid: 'x', signsFrom: new Date(Number.NaN) }],
  ])('%s: refused', (_, input) => {
    const keys = [...three(), { key: second.privateKey, ...input }]
    expect(() => createSigningKeys({ keys })).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
  })
})

describe('a fixed key set', () => {
  const jwk = { ...first.publicKey.export({ format: 'jwk' }), kid: 'a' }
  it.each([
    ['no keys', []],
    ['the same kid twice', [jwk, { ...second.publicKey.export({ format: 'jwk' }), kid: 'a' }]],
    ['no kid', [{ ...jwk, kid: undefined }]],
    ['use enc', [{ ...jwk, use: 'enc' }]],
    ['alg RS512', [{ ...jwk, alg: 'RS512' }]],
    ['key_ops encrypt', [{ ...jwk, key_ops: ['encrypt'] }]],
    ['key_ops as text', [{ ...jwk, key_ops: 'verify' }]],
    ['a private key', [{ ...first.privateKey.export({ format: 'jwk' }), kid: 'a' }]],
    ['a short key', [{ ...rsa(1024).publicKey.export({ format: 'jwk' }), kid: 'a' }]],
    ['an exponent of 1', [{ ...jwk, e: 'AQ' }]],
    ['a shared secret', [{ kty: 'oct', k: 'AAAA', kid: 'a' }]],
    ['null', [null]],
    ['a crowd', Array.from({ length: 101 }, (_, i) => ({ ...jwk, kid: `k${i}` }))],
  ])('with %s is refused', (_, keys) => {
    const make = () => createStaticKeys({ keys: keys as never })
    expect(make).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
  })

  it('takes a key for verifying, found under no name but its own', () => {
    const keys = createStaticKeys({ keys: [{ ...jwk, use: 'sig', alg: 'RS256', key_ops: ['verify'] }] })
    expect(keys.peek('a')).toBeDefined()
    expect([keys.peek('__proto__'), keys.peek('constructor')]).toEqual([undefined, undefined])
  })
})

describe('set-up', () => {
  it.each([
    { issuer: '' },
    { audience: ['x'] },
    { keys: undefined },
    { clockTolerance: 61 },
    { clockTolerance: -1 },
    { maxAge: 0 },
    { maxAge: 1.5 },
    { denylist: {} },
    { cache: { max: 0 } },
    { types: [] },
    { clock: 1 },
    { identify: 'x' },
  ])('a verifier with %j is refused', (changes) => {
    expect(() => makePair(changes as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})

function ecKey() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

function pssKey() {
  return generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey
}

function rsaWithExponent3() {
  return generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey
}
