import { describe, expect, it } from 'vitest'
import {
  type CredentialSource,
  fromApiKey,
  fromClaim,
  fromHeader,
  fromPath,
  fromSubdomain,
  type IncomingRequest,
  type ResolveOptions,
  resolveTenant,
} from '../../src/index.ts'
import { authenticateApiKey, nodeRequest, refusal, verifyToken, webRequest } from './requests.ts'

const STATUS: Record<string, string> = {
  acme: 'active',
  globex: 'active',
  dusty: 'suspended',
  new: 'provisioning',
}
const ALL: ResolveOptions = {
  sources: [
    fromPath({ prefix: '/t' }),
    fromHeader(),
    fromSubdomain({ baseDomains: ['notes.example'] }),
    fromApiKey({ authenticateApiKey }),
    fromClaim({ verifyToken }),
  ],
  directory: async (tenant) => (Object.hasOwn(STATUS, tenant) ? { status: STATUS[tenant] ?? '' } : undefined),
}
const resolve = resolveTenant(ALL)
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const verdict = (request: IncomingRequest, by = resolve) => refusal(() => by(request))

describe.each([
  ['Node', nodeRequest],
  ['Web', webRequest],
] as const)('resolveTenant over a %s request', (_, make) => {
  it('takes the tenant from the claim, with actor and claims', async () => {
    expect(await resolve(make(bearer('u.acme')))).toEqual({
      tenant: 'acme',
      source: 'claim',
      actor: { type: 'user', id: 'user-1' },
      claims: { sub: 'user-1', type: 'user', tenantId: 'acme' },
    })
  })

  it.each([
    ['X-Api-Key', { 'x-api-key': 'pgt_live_acme' }],
    ['a bearer', bearer('pgt_live_acme')],
  ])('takes the tenant from an API key in %s', async (__, headers) => {
    expect(await resolve(make(headers))).toMatchObject({
      tenant: 'acme',
      source: 'api-key',
      actor: { type: 'service', id: 'key-1' },
    })
  })

  it.each([
    ['a user', bearer('u.acme'), 'claim'],
    ['a service', bearer('s.acme'), 'claim'],
    ['an API key', bearer('pgt_live_acme'), 'api-key'],
  ])('%s may repeat its tenant in the header, and name no other', async (__, credential, source) => {
    expect(await resolve(make({ ...credential, 'x-client-key': 'acme' }))).toMatchObject({
      tenant: 'acme',
      source,
    })
    expect(await verdict(make({ ...credential, 'x-client-key': 'globex' }))).toBe('TENANT_MISMATCH')
    expect(await verdict(make({ ...credential, 'x-tenant-id': 'globex' }))).toBe('TENANT_MISMATCH')
  })

  it('lets a service without a tenant name it in the header, and only there', async () => {
    expect(await resolve(make({ ...bearer('s.'), 'x-client-key': 'acme' }))).toMatchObject({
      tenant: 'acme',
      source: 'header',
      actor: { type: 'service', id: 'service-1' },
    })
    expect(await verdict(make(bearer('s.')))).toBe('VALIDATION_ERROR missing')
    expect(await verdict(make({ ...bearer('u.'), 'x-client-key': 'acme' }))).toBe('INVALID_TOKEN')
  })

  it.each([
    ['nothing', {}, 'UNAUTHORIZED'],
    ['the header alone', { 'x-client-key': 'acme' }, 'UNAUTHORIZED'],
    ['a bad token', bearer('x'), 'INVALID_TOKEN'],
    ['a bad token beside a good header', { ...bearer('x'), 'x-client-key': 'acme' }, 'INVALID_TOKEN'],
    ['a bad token beside a good key', { ...bearer('x'), 'x-api-key': 'pgt_live_acme' }, 'INVALID_TOKEN'],
    ['a bad key', { 'x-api-key': 'nonsense' }, 'INVALID_TOKEN'],
    ['an empty key', { 'x-api-key': '' }, 'INVALID_TOKEN'],
    ['a tenant there is not', bearer('u.nobody'), 'TENANT_NOT_FOUND'],
    ['a suspended tenant', bearer('u.dusty'), 'TENANT_SUSPENDED'],
    ['a tenant in the making', bearer('u.new'), 'TENANT_NOT_FOUND'],
    ['a token of an impossible tenant', bearer('u.ACME'), 'INVALID_TOKEN'],
    [
      'two credentials of one tenant',
      { ...bearer('u.acme'), 'x-api-key': 'pgt_live_acme' },
      'VALIDATION_ERROR credentials',
    ],
    [
      'two credentials of two tenants',
      { ...bearer('u.acme'), 'x-api-key': 'pgt_live_globex' },
      'TENANT_MISMATCH',
    ],
    [
      'one key in two places',
      { ...bearer('pgt_live_acme'), 'x-api-key': 'pgt_live_acme' },
      'VALIDATION_ERROR credentials',
    ],
    ['two keys', { 'x-api-key': ['pgt_live_acme', 'pgt_live_globex'] }, 'VALIDATION_ERROR repeated'],
    ['Basic', { authorization: 'Basic YTpi' }, 'UNAUTHORIZED'],
    ['Basic, then Bearer', { authorization: ['Basic YTpi', 'Bearer u.acme'] }, 'VALIDATION_ERROR repeated'],
    ['two Bearers', { authorization: ['Bearer u.acme', 'Bearer u.acme'] }, 'VALIDATION_ERROR repeated'],
    ['Bearer and nothing', { authorization: 'Bearer' }, 'INVALID_TOKEN'],
    ['Bearer and a space inside', { authorization: 'Bearer u.acme x' }, 'INVALID_TOKEN'],
    ['Bearerx', { authorization: 'Bearerx u.acme' }, 'UNAUTHORIZED'],
    ['a token without a scheme', { authorization: 'u.acme' }, 'UNAUTHORIZED'],
    [
      'a header sent twice',
      { ...bearer('s.'), 'x-client-key': ['acme', 'acme'] },
      'VALIDATION_ERROR repeated',
    ],
    ['two headers that differ', { ...bearer('s.'), 'x-client-key': ['acme', 'globex'] }, 'TENANT_MISMATCH'],
    [
      'two names that differ',
      { ...bearer('s.'), 'x-client-key': 'acme', 'x-tenant-id': 'globex' },
      'TENANT_MISMATCH',
    ],
    ['a joined header', { ...bearer('s.'), 'x-client-key': 'acme,globex' }, 'TENANT_MISMATCH'],
    ['an empty header', { ...bearer('u.acme'), 'x-client-key': '' }, 'INVALID_TENANT_KEY empty'],
    [
      'a header with a space inside',
      { ...bearer('u.acme'), 'x-client-key': 'ac me' },
      'INVALID_TENANT_KEY characters',
    ],
    [
      'an upper-case header',
      { ...bearer('u.acme'), 'x-client-key': 'ACME' },
      'INVALID_TENANT_KEY characters',
    ],
  ])('refuses %s', async (__, headers, expected) => expect(await verdict(make(headers))).toBe(expected))

  it.each(['bearer', 'BEARER', 'BeArEr'])('knows %s in any case (RFC 9110, 11.1)', async (scheme) => {
    expect(await resolve(make({ authorization: `${scheme}  u.acme` }))).toMatchObject({ tenant: 'acme' })
  })

  it('accepts both header names when they agree', async () => {
    const headers = { ...bearer('s.'), 'x-client-key': 'acme', 'x-tenant-id': 'acme' }
    expect(await resolve(make(headers))).toMatchObject({ tenant: 'acme', source: 'header' })
  })
})

describe('resolveTenant', () => {
  it('never believes a tenant in the query', async () => {
    const url = '/notes?tenant=globex&tenantId=globex&x-client-key=globex'
    expect(await resolve(nodeRequest(bearer('u.acme'), { url }))).toMatchObject({ tenant: 'acme' })
    expect(await verdict(nodeRequest({}, { url }))).toBe('UNAUTHORIZED')
  })

  it.each([
    ['header', { 'x-client-key': 'globex' }, '/'],
    ['subdomain', { host: 'globex.notes.example' }, '/'],
    ['path', {}, '/t/globex/notes'],
  ])('refuses a %s that names another tenant than the claim', async (_, headers, url) => {
    expect(await verdict(nodeRequest({ ...bearer('u.acme'), ...headers }, { url }))).toBe('TENANT_MISMATCH')
    expect(await resolve(nodeRequest({ ...bearer('u.globex'), ...headers }, { url }))).toMatchObject({
      tenant: 'globex',
    })
  })

  it('refuses header and path that differ, whoever asks', async () => {
    const request = nodeRequest({ ...bearer('s.'), 'x-client-key': 'acme' }, { url: '/t/globex' })
    expect(await verdict(request)).toBe('TENANT_MISMATCH')
  })

  it('lets an unproven source name a tenant only where that was asked for', async () => {
    const loud = resolveTenant({ ...ALL, trustUnauthenticated: ['subdomain'] })
    expect(await loud(nodeRequest({ host: 'acme.notes.example' }))).toEqual({
      tenant: 'acme',
      source: 'subdomain',
      actor: { type: 'anonymous', id: null },
    })
    expect(await verdict(nodeRequest({ 'x-client-key': 'acme' }), loud)).toBe('UNAUTHORIZED')
    const both = nodeRequest({ host: 'acme.notes.example', 'x-client-key': 'globex' })
    expect(await verdict(both, loud)).toBe('TENANT_MISMATCH')
    const bad = nodeRequest({ host: 'acme.notes.example', ...bearer('x') })
    expect(await verdict(bad, loud)).toBe('INVALID_TOKEN')
  })

  it('does not let a user without a tenant pick one, whatever source vouches for them', async () => {
    const careless: CredentialSource = {
      kind: 'claim',
      authenticate: async () => ({ actor: { type: 'user', id: 'ann' }, tenant: undefined }),
    }
    const by = resolveTenant({ sources: [careless, fromHeader()] })
    expect(await verdict(nodeRequest({ 'x-client-key': 'acme' }), by)).toBe('VALIDATION_ERROR missing')
  })

  it('leaves no rejection behind when one source throws while another is at work', async () => {
    const request = nodeRequest({ ...bearer('x'), 'x-api-key': ['a', 'b'] })
    expect(await verdict(request)).toMatch(/^(VALIDATION_ERROR repeated|INVALID_TOKEN)$/)
    // An unhandled rejection would fail this run.
    await new Promise((done) => setImmediate(done))
  })

  it('answers with something nobody can change', async () => {
    const resolved = await resolve(nodeRequest(bearer('u.acme')))
    expect(Object.isFrozen(resolved)).toBe(true)
    expect(Object.isFrozen(resolved.actor)).toBe(true)
  })

  it.each([
    ['no options', undefined],
    ['no sources', { sources: [] }],
    ['a source that is none', { sources: [{}] }],
    ['only sources that prove nothing', { sources: [fromHeader()] }],
    ['trust in a source that is not there', { sources: [fromHeader()], trustUnauthenticated: ['path'] }],
    ['trust in a credential', { ...ALL, trustUnauthenticated: ['claim'] }],
    ['a directory that is none', { ...ALL, directory: {} }],
  ])('refuses %s at start', async (_, options) => {
    expect(await refusal(() => resolveTenant(options as ResolveOptions))).toBe('INVALID_OPTION')
  })
})
