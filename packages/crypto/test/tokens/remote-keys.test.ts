import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createRemoteKeys, type RemoteKeysOptions } from '../../src/tokens/index.ts'
import { codeOf, eventually } from '../support/world.ts'
import { CLAIMS, first, forge, HEADER, makeClock, makePair, rsa, second } from './support.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const publish = (...keys: [kid: string, key: typeof first, changes?: object][]) => ({
  keys: keys.map(([kid, key, changes]) => ({
    ...key.publicKey.export({ format: 'jwk' }),
    kid,
    use: 'sig',
    ...changes,
  })),
})

/** An issuer's server on this machine; `answer` is what it publishes just now. */
async function serve(listener?: RequestListener) {
  const state = { answer: publish(['one', first]) as unknown, requests: 0, status: 200 }
  const server = createServer((request, response) => {
    state.requests++
    if (listener !== undefined) return listener(request, response)
    response.statusCode = state.status
    response.end(typeof state.answer === 'string' ? state.answer : JSON.stringify(state.answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const clock = makeClock(0)
  const make = (options: Partial<RemoteKeysOptions> = {}) =>
    createRemoteKeys({ url: `${url}/jwks.json`, monotonicClock: clock, ...options })
  return { state, url, clock, make }
}

it('verifies with keys from elsewhere, fetched once for a crowd', async () => {
  const { state, make } = await serve()
  const { verifier } = makePair({ keys: make() })
  const token = forge(HEADER, CLAIMS)
  await Promise.all(Array.from({ length: 20 }, () => verifier.verify(token)))
  expect(state.requests).toBe(1)
  expect(await codeOf(verifier.verify(forge(HEADER, CLAIMS, second.privateKey)))).toBe('INVALID_TOKEN')
})

it('a flood of unknown kids causes one fetch per cool-down, and a new key is found after it', async () => {
  const { state, make, clock } = await serve()
  const keys = make()
  await keys.find('one')
  state.answer = publish(['one', first], ['two', second])
  for (let i = 0; i < 50; i++) expect(await keys.find(`kid-${i}`)).toBeUndefined()
  expect(state.requests).toBe(1)
  clock.forward(30)
  const found = await Promise.all(Array.from({ length: 50 }, () => keys.find('two')))
  expect(found.every((key) => key !== undefined)).toBe(true)
  expect(state.requests).toBe(2)
})

it('a key its issuer withdrew is not trusted past the maximum age, cached tokens included', async () => {
  const { state, make, clock } = await serve()
  const { verifier } = makePair({ keys: make() })
  const token = forge(HEADER, CLAIMS)
  await verifier.verify(token)
  state.answer = publish(['two', second])
  clock.forward(601)
  expect(await codeOf(verifier.verify(token))).toBe('INVALID_TOKEN')
})

it('an issuer that is down: good until the maximum age, then refused, asked once a second', async () => {
  const { state, make, clock } = await serve()
  const keys = make()
  await keys.find('one')
  state.status = 503
  clock.forward(599)
  expect(await keys.find('one')).toBeDefined()
  await eventually(() => state.requests === 2)
  clock.forward(2)
  expect(keys.peek('one')).toBeUndefined()
  expect(await codeOf(keys.find('one'))).toBe('SERVICE_UNAVAILABLE')
  const asked = state.requests
  for (let i = 0; i < 10; i++) expect(await codeOf(keys.find('one'))).toBe('SERVICE_UNAVAILABLE')
  expect(state.requests).toBe(asked)
  state.status = 200
  clock.forward(1)
  expect(await keys.find('one')).toBeDefined()
})

describe('keys among the others that are not trusted', () => {
  it.each([
    ['a kid that two share', publish(['one', first], ['one', second])],
    ['a kid that three share', publish(['one', first], ['one', second], ['one', first])],
    ['for encryption', publish(['one', first, { use: 'enc' }])],
    ['for another algorithm', publish(['one', first, { alg: 'PS256' }])],
    ['with other operations', publish(['one', first, { key_ops: ['wrapKey'] }])],
    ['private', publish(['one', first, first.privateKey.export({ format: 'jwk' })])],
    ['short', publish(['one', rsa(1024)])],
    ['symmetric', { keys: [{ kty: 'oct', kid: 'one', k: 'AAAA' }] }],
  ])('%s', async (_, answer) => {
    const { state, make } = await serve()
    const good = publish(['good', second])
    state.answer = { keys: [...answer.keys, null, ...good.keys] }
    const keys = make()
    expect(await keys.find('one')).toBeUndefined()
    expect(await keys.find('good')).toBeDefined()
  })
})

describe('an answer that is none', () => {
  it.each([
    ['not JSON', 'hello'],
    ['no set', {}],
    ['an empty set', { keys: [] }],
    ['too large', { keys: publish(['one', first]).keys, filler: 'x'.repeat(300_000) }],
  ])('%s', async (_, answer) => {
    const { state, make } = await serve()
    state.answer = answer
    const error = await make()
      .find('one')
      .catch((reason) => reason)
    expect([error.code, error.cause]).toEqual(['SERVICE_UNAVAILABLE', undefined])
  })

  it('a redirect is not followed', async () => {
    const target = await serve()
    const { make } = await serve((_, response) => response.writeHead(302, { location: target.url }).end())
    expect(await codeOf(make().find('one'))).toBe('SERVICE_UNAVAILABLE')
    expect(target.state.requests).toBe(0)
  })

  it('one that never comes is given up', async () => {
    const { make } = await serve(() => {})
    expect(await codeOf(make({ timeout: 100 }).find('one'))).toBe('SERVICE_UNAVAILABLE')
  })
})

describe('OpenID Connect discovery', () => {
  it('leads to the keys, if the document names the issuer that was asked', async () => {
    const documents: { issuer?: unknown; jwks_uri?: unknown } = {}
    const site = await serve((request, response) => {
      const discovery = request.url === '/realm/.well-known/openid-configuration'
      response.end(JSON.stringify(discovery ? documents : publish(['one', first])))
    })
    const issuer = `${site.url}/realm`
    const find = () => createRemoteKeys({ issuer }).find('one')
    Object.assign(documents, { issuer, jwks_uri: `${site.url}/keys` })
    expect(await find()).toBeDefined()
    for (const wrong of [
      { issuer: `${issuer}/` },
      { issuer, jwks_uri: 'http://keys.example/' },
      { issuer, jwks_uri: 1 },
    ]) {
      Object.assign(documents, { jwks_uri: `${site.url}/keys` }, wrong)
      expect(await codeOf(find())).toBe('SERVICE_UNAVAILABLE')
    }
  })
})

it.each([
  { url: 'http://auth.example/jwks' },
  { url: 'http://127.0.0.1.evil.example/jwks' },
  { url: 'file:///etc/passwd' },
  { url: 'https://user:pass@auth.example/jwks' },
  { url: 'nonsense' },
  { issuer: 'http://auth.example' },
  { url: 'https://a.example', issuer: 'https://a.example' },
  {},
  { url: 'https://a.example', cooldown: 0 },
  { url: 'https://a.example', timeout: Number.POSITIVE_INFINITY },
])('an address or limit that is not safe is refused: %j', (options) => {
  expect(() => createRemoteKeys(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
})
