import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  fromClaim,
  fromHeader,
  fromSession,
  fromSubdomain,
  type IncomingRequest,
  resolveTenant,
  type Session,
} from '../../src/index.ts'
import { nodeRequest, refusal, verifyToken, webRequest } from './requests.ts'

const SESSIONS: Record<string, Session & { readonly theme?: string }> = {
  good: { userId: 'ana', tenantId: 'acme', theme: 'dark' },
  other: { userId: 'bo', tenantId: 'globex' },
  impossible: { userId: 'x', tenantId: 'ACME' },
  nobody: { userId: '', tenantId: 'acme' },
}
const session = fromSession({
  cookie: 'sid',
  readSession: async (value) => (Object.hasOwn(SESSIONS, value) ? SESSIONS[value] : undefined),
  origins: ['https://app.example'],
})
const resolve = resolveTenant({ sources: [session, fromClaim({ verifyToken }), fromHeader()] })
const verdict = (request: IncomingRequest, by = resolve) => refusal(() => by(request))
const withMethod = (request: IncomingRequest, method: string): IncomingRequest => ({ ...request, method })

describe.each([
  ['Node', nodeRequest],
  ['Web', webRequest],
] as const)('fromSession over a %s request', (_, make) => {
  it('takes tenant and user from the session, and hands it on', async () => {
    expect(await resolve(make({ cookie: 'theme=dark; sid=good' }))).toEqual({
      tenant: 'acme',
      source: 'session',
      actor: { type: 'user', id: 'ana' },
      session: SESSIONS.good,
    })
  })

  it.each([
    ['none', { cookie: 'theme=dark' }, 'UNAUTHORIZED'],
    ['an old one', { cookie: 'sid=old' }, 'UNAUTHORIZED'],
    ['an empty one', { cookie: 'sid=' }, 'UNAUTHORIZED'],
    ['one whose name only ends so', { cookie: 'xsid=good; _sid=good' }, 'UNAUTHORIZED'],
    ['a name in other letters', { cookie: 'SID=good' }, 'UNAUTHORIZED'],
    ['a name of Object', { cookie: 'sid=constructor' }, 'UNAUTHORIZED'],
    ['two', { cookie: 'sid=good; sid=other' }, 'VALIDATION_ERROR repeated'],
    ['the same twice', { cookie: 'sid=good; sid=good' }, 'VALIDATION_ERROR repeated'],
    ['a long one', { cookie: `sid=${'a'.repeat(4_097)}` }, 'VALIDATION_ERROR length'],
    ['a long header', { cookie: `a=${'a'.repeat(16_384)}` }, 'VALIDATION_ERROR length'],
    ['of an impossible tenant', { cookie: 'sid=impossible' }, 'INVALID_TOKEN'],
    ['of nobody', { cookie: 'sid=nobody' }, 'INVALID_TOKEN'],
    ['beside another tenant’s header', { cookie: 'sid=good', 'x-client-key': 'globex' }, 'TENANT_MISMATCH'],
    [
      'beside a token',
      { cookie: 'sid=good', authorization: 'Bearer u.acme' },
      'VALIDATION_ERROR credentials',
    ],
    [
      'beside another tenant’s token',
      { cookie: 'sid=good', authorization: 'Bearer u.globex' },
      'TENANT_MISMATCH',
    ],
    ['beside a bad token', { cookie: 'sid=good', authorization: 'Bearer x' }, 'INVALID_TOKEN'],
  ])('%s', async (__, headers, expected) => {
    expect(await verdict(make(headers))).toBe(expected)
  })

  it('an old cookie keeps nobody from another credential', async () => {
    const request = make({
      cookie: 'sid=old',
      authorization: 'Bearer u.acme',
      'sec-fetch-site': 'cross-site',
    })
    expect(await resolve(withMethod(request, 'POST'))).toMatchObject({ source: 'claim', tenant: 'acme' })
  })

  /** What a browser sends of where the page was that asked. */
  const FROM = {
    'a page of ours': { 'sec-fetch-site': 'same-origin', origin: 'https://api.example' },
    'the address bar': { 'sec-fetch-site': 'none' },
    'a page named as ours': { 'sec-fetch-site': 'same-site', origin: 'https://app.example' },
    'a program': {},
    'an old browser, a page of ours': { host: 'api.example', origin: 'https://api.example' },
    'another site': { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    'a sibling domain': { 'sec-fetch-site': 'same-site', origin: 'https://evil.api.example' },
    'a sandboxed frame': { 'sec-fetch-site': 'cross-site', origin: 'null' },
    'an old browser, another site': { host: 'api.example', origin: 'https://evil.example' },
    'an old browser, a sandboxed frame': { host: 'api.example', origin: 'null' },
    'an old browser, a host that begins so': { host: 'api.example', origin: 'https://api.example.evil' },
    'two origins': {
      'sec-fetch-site': 'cross-site',
      origin: ['https://app.example', 'https://evil.example'],
    },
  }
  const OURS = Object.keys(FROM).slice(0, 5)

  it.each(Object.entries(FROM))('from %s', async (from, sent) => {
    const request = make({ cookie: 'sid=good', ...sent })
    const expected = OURS.includes(from) ? expect.stringMatching(/^resolved/) : 'FORBIDDEN_ACTION cross_site'
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'post', 'LINK']) {
      expect(await verdict(withMethod(request, method)), method).toEqual(expected)
    }
    const socket = make({ cookie: 'sid=good', ...sent, upgrade: 'websocket' })
    expect(await verdict(socket)).toEqual(expected)
    // Links from elsewhere lead in, as ever.
    expect(await verdict(request)).toMatch(/^resolved/)
  })
})

describe('fromSession', () => {
  it('beside a source that may name a tenant unproven: an old cookie is as good as none', async () => {
    const login = resolveTenant({
      sources: [session, fromSubdomain({ baseDomains: ['notes.example'] })],
      trustUnauthenticated: ['subdomain'],
    })
    const at = (cookie: string) => login(nodeRequest({ host: 'acme.notes.example', cookie }))
    expect(await at('sid=old')).toMatchObject({ tenant: 'acme', actor: { type: 'anonymous' } })
    expect(await at('sid=good')).toMatchObject({ tenant: 'acme', actor: { id: 'ana' } })
    expect(await refusal(() => at('sid=other'))).toBe('TENANT_MISMATCH')
  })

  it('what the reader fails with is the answer', async () => {
    const down = fromSession({ cookie: 'sid', readSession: () => Promise.reject(new Error('down')) })
    const asked = resolveTenant({ sources: [down] })(nodeRequest({ cookie: 'sid=good' }))
    await expect(asked).rejects.toThrow('down')
  })

  it('never takes the value of another cookie, whatever is around it', async () => {
    const text = fc.string({
      unit: fc.constantFrom('s', 'i', 'd', '=', ';', ' ', '"', ',', 'x'),
      maxLength: 20,
    })
    await fc.assert(
      fc.asyncProperty(text, text, async (before, after) => {
        const seen: string[] = []
        const spy = fromSession({
          cookie: 'sid',
          readSession: async (value) => {
            seen.push(value)
            return undefined
          },
        })
        const header = `${before};sid=good;${after}`
        const outcome = await refusal(() =>
          resolveTenant({ sources: [spy] })(nodeRequest({ cookie: header })),
        )
        const named = header.split(';').filter((pair) => /^\s*sid\s*=/.test(pair)).length
        expect(outcome).toBe(named > 1 ? 'VALIDATION_ERROR repeated' : 'UNAUTHORIZED')
        expect(seen).toEqual(named > 1 ? [] : ['good'])
      }),
    )
  })

  it.each([
    ['cookie', { cookie: '' }],
    ['cookie', { cookie: 'a b' }],
    ['cookie', { cookie: 'a;b' }],
    ['readSession', { readSession: {} }],
    ['origins', { origins: 'https://app.example' }],
    ['origins', { origins: ['https://app.example/'] }],
    ['origins', { origins: ['null'] }],
    ['origins', { origins: ['https://*.example'] }],
    ['orgins', { orgins: [] }],
  ])('refuses %s: %j', (option, given) => {
    const make = () => fromSession({ cookie: 'sid', readSession: async () => undefined, ...given } as never)
    expect(make).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', details: expect.objectContaining({ option }) }),
    )
  })
})
