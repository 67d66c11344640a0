import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { CompactEncrypt, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { isStrongRsa } from '../../src/tokens/rsa-key.ts'
import { codeOf } from '../support/world.ts'
import { AUDIENCE, CLAIMS, encode, first, forge, HEADER, ISSUER, makePair, NOW_S, second } from './support.ts'

const { verifier, keys } = makePair()
const verdict = (token: string) => codeOf(verifier.verify(token))
const header = (changes: object) => forge({ ...HEADER, ...changes }, CLAIMS)
const claims = (changes: object) => forge(HEADER, { ...CLAIMS, ...changes })
const good = forge(HEADER, CLAIMS)
const [goodHead = '', goodBody = '', goodSignature = ''] = good.split('.')

it('accepts what every attack below changes in one place', async () => {
  expect(await verifier.verify(good)).toMatchObject({ sub: 'user-1', tenantId: 'acme', type: 'user' })
})

describe('the algorithm', () => {
  it.each(['none', 'None', 'NONE', 'nOnE', '', null, 'RS384', 'PS256', 'rs256', ['RS256']])(
    'is RS256 and never %s',
    async (alg) => {
      expect(await verdict(header({ alg }))).toBe('INVALID_TOKEN')
      expect(await verdict(`${encode({ ...HEADER, alg })}.${goodBody}.`)).toBe('INVALID_TOKEN')
    },
  )

  it('is not a shared secret that everybody knows: HS256 under the public key', async () => {
    const forms = [
      first.publicKey.export({ format: 'pem', type: 'spki' }),
      first.publicKey.export({ format: 'pem', type: 'pkcs1' }),
      first.publicKey.export({ format: 'der', type: 'spki' }),
      JSON.stringify(first.publicKey.export({ format: 'jwk' })),
      JSON.stringify(keys.jwks().keys[0]),
      JSON.stringify(keys.jwks()),
    ]
    for (const secret of forms) {
      const input = `${encode({ ...HEADER, alg: 'HS256' })}.${goodBody}`
      const mac = createHmac('sha256', secret).update(input).digest('base64url')
      expect(await verdict(`${input}.${mac}`)).toBe('INVALID_TOKEN')
    }
  })
})

describe('the key', () => {
  const attacker = second
  const jwk = { ...attacker.publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' }
  const signedByAttacker = (changes: object) => forge({ ...HEADER, ...changes }, CLAIMS, attacker.privateKey)

  it.each([
    ['elliptic curve', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['RSA-PSS', generateKeyPairSync('rsa-pss', { modulusLength: 2_048 })],
    ['1,024 bits', generateKeyPairSync('rsa', { modulusLength: 1_024 })],
    ['exponent 3', generateKeyPairSync('rsa', { modulusLength: 2_048, publicExponent: 3 })],
  ])('is never one of another kind (%s), whatever a source of keys gives', async (_, pair) => {
    const source = { peek: () => pair.publicKey, find: async () => pair.publicKey }
    const own = makePair({ keys: source }).verifier
    expect(await codeOf(own.verify(forge(HEADER, CLAIMS, pair.privateKey)))).toBe('INVALID_TOKEN')
    expect(await codeOf(own.verify(good))).toBe('INVALID_TOKEN')
  })

  it.each([
    [8_192, true],
    [8_200, false],
  ])('is none of so many bits that it costs more than it says (%s)', (bits, isStrong) => {
    // Nobody has to know its factors to publish it.
    const n = Buffer.alloc(bits / 8, 0xff).toString('base64url')
    expect(isStrongRsa(createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' }))).toBe(isStrong)
  })

  it.each([
    ['jwk', { jwk }],
    ['jku', { jku: 'https://attacker.example/jwks.json' }],
    ['x5u', { x5u: 'https://attacker.example/cert.pem' }],
    ['x5c', { x5c: ['MIIB'] }],
  ])('is never taken from %s in the header, and a token that brings one is refused', async (_, changes) => {
    expect(await verdict(signedByAttacker(changes))).toBe('INVALID_TOKEN')
    expect(await verdict(header(changes)), 'even with the right signature').toBe('INVALID_TOKEN')
  })

  it.each([
    ['crit', { crit: ['exp'] }],
    ['crit of b64', { crit: ['b64'], b64: false }],
    ['b64', { b64: true }],
    ['zip', { zip: 'DEF' }],
    ['enc', { enc: 'A256GCM' }],
    ['cty', { cty: 'JWT' }],
  ])('%s in the header is refused', async (_, changes) => {
    expect(await verdict(header(changes))).toBe('INVALID_TOKEN')
  })

  it.each([
    '../../../../dev/null',
    "one' or '1'='1",
    'one\u0000',
    '__proto__',
    'constructor',
    'toString',
    'ONE',
    ' one',
    '',
    'x'.repeat(257),
    null,
    1,
    ['one'],
    { toString: 'one' },
    undefined,
  ])('is looked up by exactly its kid, which %j is not', async (kid) => {
    expect(await verdict(header({ kid }))).toBe('INVALID_TOKEN')
  })

  it('of somebody else does not sign under our kid', async () => {
    expect(await verdict(signedByAttacker({}))).toBe('INVALID_TOKEN')
  })
})

describe('the kind of token', () => {
  it.each(['JWT', 'id+jwt', 'refresh+jwt', 'at+jwt2', 'at+jwt ', '', undefined, null, 1, ['at+jwt']])(
    'an access token says that it is one, and not %j',
    async (typ) => {
      expect(await verdict(header({ typ }))).toBe('INVALID_TOKEN')
    },
  )

  it('takes the full media type too, in any case (RFC 9068, 4)', async () => {
    expect(await verifier.verify(header({ typ: 'application/AT+JWT' }))).toMatchObject({ sub: 'user-1' })
  })

  it('refuses an ID token, a refresh token, an encrypted token and things that are no token', async () => {
    const { kid, key } = keys.signer()
    const idToken = await new SignJWT({ ...CLAIMS, nonce: 'n' })
      .setProtectedHeader({ alg: 'RS256', kid, typ: 'JWT' })
      .sign(key)
    const encrypted = await new CompactEncrypt(Buffer.from(JSON.stringify(CLAIMS)))
      .setProtectedHeader({ ...HEADER, alg: 'RSA-OAEP-256', enc: 'A256GCM' })
      .encrypt(first.publicKey)
    const refresh = `pgtrt_${'A'.repeat(43)}`
    const strange = [undefined, null, 1, {}, [good], Buffer.from(good)] as string[]
    for (const token of [idToken, encrypted, refresh, '', '.', '..', '...', `Bearer ${good}`, ...strange]) {
      expect(await verdict(token)).toBe('INVALID_TOKEN')
    }
  })
})

describe('the claims', () => {
  it.each([
    ['iss', ['https://evil.example', `${ISSUER}/`, [ISSUER], null, undefined]],
    ['aud', ['https://other.example', [AUDIENCE], [AUDIENCE, 'x'], `${AUDIENCE}/`, null, undefined]],
    ['sub', ['', 1, null, undefined, 'x'.repeat(256), 'a\u0000b', { toString: 'user-1' }]],
    ['jti', ['', 1, null, undefined, 'x'.repeat(256), 'a\u0000b']],
    ['tenantId', ['Acme', '', null, undefined, 1, ['acme'], 'acme;drop', 'x'.repeat(62), '../globex']],
    ['type', ['admin', '', 'USER', null, undefined, ['user']]],
    ['role', [1, null, ['admin'], '']],
    ['groups', ['staff', [1], [''], null, {}, Array(501).fill('g')]],
    ['exp', [`${NOW_S + 900}`, NOW_S + 900.5, 1e300, -1, 0, null, undefined, [NOW_S + 900], NOW_S, 2 ** 53]],
    ['iat', [`${NOW_S}`, NOW_S - 0.5, -1, 0, null, undefined, NOW_S + 6]],
    ['nbf', [NOW_S + 6, `${NOW_S}`, NOW_S - 0.5, null]],
  ])('%s of the wrong kind or value', async (name, values) => {
    for (const value of values) {
      expect(await verdict(claims({ [name]: value })), JSON.stringify(value)).toBe('INVALID_TOKEN')
    }
  })

  it('that run out say so, but only of a token that was good', async () => {
    const past = { iat: NOW_S - 1000, exp: NOW_S - 100 }
    expect(await verdict(claims(past))).toBe('TOKEN_EXPIRED')
    expect(await verdict(claims({ ...past, iss: 'https://evil.example' }))).toBe('INVALID_TOKEN')
    expect(await verdict(forge(HEADER, { ...CLAIMS, ...past }, second.privateKey))).toBe('INVALID_TOKEN')
  })

  it('end at the maximum age, whatever exp says', async () => {
    expect(await verifier.verify(claims({ iat: NOW_S - 3_604, exp: 9e15 }))).toMatchObject({ exp: 9e15 })
    expect(await verdict(claims({ iat: NOW_S - 3_605, exp: 9e15 }))).toBe('TOKEN_EXPIRED')
  })

  it('allow clocks five seconds, to the second', async () => {
    expect(await verifier.verify(claims({ iat: NOW_S - 60, exp: NOW_S - 4 }))).toBeDefined()
    expect(await verdict(claims({ iat: NOW_S - 60, exp: NOW_S - 5 }))).toBe('TOKEN_EXPIRED')
    expect(await verifier.verify(claims({ iat: NOW_S + 5, nbf: NOW_S + 5 }))).toBeDefined()
  })

  it('nested too deep, or no object at all, are refused', async () => {
    const nested = (depth: number) => JSON.parse(`${'['.repeat(depth)}1${']'.repeat(depth)}`)
    expect(await verifier.verify(claims({ deep: nested(15) }))).toBeDefined()
    expect(await verdict(claims({ deep: nested(16) }))).toBe('INVALID_TOKEN')
    const body = JSON.stringify(CLAIMS).replace('}', `,"deep":${'['.repeat(2_500)}${']'.repeat(2_500)}}`)
    expect(await verdict(forge(HEADER, body))).toBe('INVALID_TOKEN')
    for (const other of ['[]', 'null', '"x"', '1', '{', '', `{"a":"\ud800"}`]) {
      expect(await verdict(forge(HEADER, other)), other).toBe('INVALID_TOKEN')
      expect(await verdict(forge(other, CLAIMS)), other).toBe('INVALID_TOKEN')
    }
    const [before = '', after = ''] = JSON.stringify({ ...CLAIMS, role: '*' }).split('*')
    const notUtf8 = Buffer.concat([Buffer.from(before), Buffer.from([0xff]), Buffer.from(after)])
    expect(await verdict(forge(HEADER, notUtf8))).toBe('INVALID_TOKEN')
  })

  it('cannot reach a prototype', async () => {
    const token = forge(HEADER, JSON.stringify(CLAIMS).replace('}', ',"__proto__":{"polluted":true}}'))
    const { claims: custom } = await verifier.verify(token)
    expect(Reflect.get(custom, 'polluted')).toBeUndefined()
    expect(Object.keys(custom)).toEqual([])
  })
})

describe('the text', () => {
  it('is written in one way only: signature, claims and header', async () => {
    const padded = [
      `${good}=`,
      `${good}==`,
      `${good}\n`,
      ` ${good}`,
      `${goodHead}=.${goodBody}.${goodSignature}`,
      `${goodHead}.${goodBody}=.${goodSignature}`,
      good.replaceAll('-', '+').replaceAll('_', '/'),
      `${goodHead}.${goodBody}.${goodSignature.slice(0, 10)} ${goodSignature.slice(10)}`,
    ].filter((token) => token !== good)
    for (const token of padded) expect(await verdict(token)).toBe('INVALID_TOKEN')
    // 256 bytes end in a character of which four bits do not count.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(goodSignature.at(-1) ?? '')
    for (let low = 1; low < 16; low++) {
      const twin = good.slice(0, -1) + alphabet[(last & ~15) | low]
      expect(Buffer.from(twin.split('.')[2] ?? '', 'base64url'), 'it is the same signature').toEqual(
        Buffer.from(goodSignature, 'base64url'),
      )
      expect(await verdict(twin)).toBe('INVALID_TOKEN')
    }
  })

  it('with a signature stripped, cut short or lengthened is refused', async () => {
    const bytes = Buffer.from(goodSignature, 'base64url')
    const cut = [0, 1, 128, 255].map((length) => bytes.subarray(0, length))
    for (const signature of [...cut, Buffer.concat([bytes, Buffer.from([0])])]) {
      expect(await verdict(`${goodHead}.${goodBody}.${signature.toString('base64url')}`)).toBe(
        'INVALID_TOKEN',
      )
    }
    expect(await verdict(`${goodHead}.${goodBody}`)).toBe('INVALID_TOKEN')
    expect(await verdict(`${good}.`)).toBe('INVALID_TOKEN')
    expect(await verdict(`${good}.x.x`)).toBe('INVALID_TOKEN')
  })

  it('longer than 8,192 characters is refused before anything reads it', async () => {
    const filler = (length: number) => claims({ filler: 'x'.repeat(length) })
    expect(await verifier.verify(filler(5_000))).toBeDefined()
    expect(await verdict(filler(6_000))).toBe('INVALID_TOKEN')
    expect(await verdict('x'.repeat(50_000_000))).toBe('INVALID_TOKEN')
  })

  it('with any one character changed is refused, and nothing but the two codes comes out', async () => {
    const character = fc.constantFrom(...'ABCabc019-_.=+/ \u0000é')
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), character, async (at, other) => {
        fc.pre(good[at] !== other)
        expect(await verdict(good.slice(0, at) + other + good.slice(at + 1))).toBe('INVALID_TOKEN')
      }),
      { numRuns: 300 },
    )
  })

  it('of any claims, rightly signed, gives a token or a code', async () => {
    const value = fc.jsonValue()
    const any = fc.record({ sub: value, exp: value, tenantId: value, groups: value, extra: value })
    await fc.assert(
      fc.asyncProperty(any, async (changes) => {
        const code = await verifier.verify(claims(changes)).then(
          () => 'accepted',
          (error) => error.code,
        )
        expect(['accepted', 'INVALID_TOKEN', 'TOKEN_EXPIRED']).toContain(code)
      }),
      { numRuns: 50 },
    )
  })
})

it('asks for no key on behalf of a token whose header or form is wrong', async () => {
  const asked: string[] = []
  const find = async (kid: string) => {
    asked.push(kid)
    return keys.find(kid)
  }
  const { verifier: counting } = makePair({ keys: { peek: keys.peek, find }, cache: false })
  for (const token of [
    header({ alg: 'HS256' }),
    header({ kid: 'x'.repeat(257) }),
    header({ kid: '' }),
    `${good}.x`,
    `${good}.x.x`,
    claims({ tenantId: 'Acme' }),
  ]) {
    expect(await codeOf(counting.verify(token))).toBe('INVALID_TOKEN')
  }
  expect(asked).toEqual([])
  await counting.verify(good)
  expect(asked).toEqual(['one'])
})

describe('one tenant and another', () => {
  const per = (tenant: string) => `https://auth.example/${tenant}`
  const crossed = (iss: string, tenantId: string, key: KeyObject = first.privateKey) =>
    forge(HEADER, { ...CLAIMS, iss, tenantId }, key)

  it('an issuer of one does not speak for the other', async () => {
    const perTenant = makePair({ issuer: per }).verifier
    expect(await perTenant.verify(crossed(per('acme'), 'acme'))).toMatchObject({ tenantId: 'acme' })
    expect(await codeOf(perTenant.verify(crossed(per('acme'), 'globex')))).toBe('INVALID_TOKEN')
    expect(await codeOf(perTenant.verify(crossed(ISSUER, 'acme')))).toBe('INVALID_TOKEN')
  })

  it('the keys of one do not vouch for the other, though the kid is the same', async () => {
    const { createStaticKeys } = await import('../../src/tokens/index.ts')
    const source = (key: KeyObject) =>
      createStaticKeys({ keys: [{ ...key.export({ format: 'jwk' }), kid: 'one', use: 'sig' }] })
    const sources = new Map([
      ['acme', source(first.publicKey)],
      ['globex', source(second.publicKey)],
    ])
    const perTenant = makePair({ issuer: per, keys: (tenant) => sources.get(tenant) }).verifier
    expect(await perTenant.verify(crossed(per('acme'), 'acme'))).toMatchObject({ tenantId: 'acme' })
    expect(await perTenant.verify(crossed(per('globex'), 'globex', second.privateKey))).toBeDefined()
    expect(await codeOf(perTenant.verify(crossed(per('globex'), 'globex')))).toBe('INVALID_TOKEN')
    expect(await codeOf(perTenant.verify(crossed(per('other'), 'other')))).toBe('INVALID_TOKEN')
    sources.delete('acme')
    expect(await codeOf(perTenant.verify(crossed(per('acme'), 'acme'))), 'from the cache too').toBe(
      'INVALID_TOKEN',
    )
  })
})

it('says nothing but the code: message, details and cause are the same for every refusal', async () => {
  const refusals = [
    header({ alg: 'none' }),
    claims({ tenantId: 'X!' }),
    header({ kid: 'x' }),
    'x',
    `${good}A`,
  ]
  const seen = await Promise.all(refusals.map((token) => verifier.verify(token).catch((error) => error)))
  expect(
    new Set(seen.map(({ message, details, cause, code }) => JSON.stringify([message, details, cause, code]))),
  ).toHaveLength(1)
  expect(seen[0].cause).toBeUndefined()
})
