import { describe, expect, it } from 'vitest'
import { fromSubdomain, parseTrust, type Trust } from '../../src/index.ts'
import { nodeRequest, refusal, webRequest } from './requests.ts'

const source = fromSubdomain({ baseDomains: ['notes.example', 'eu.notes.example'], ignore: ['www'] })
const NONE = 'resolved: undefined'
const named = (tenant: string) => `resolved: ${JSON.stringify(tenant)}`

const verdict = (
  headers: Record<string, string | string[]>,
  trust: Trust = {},
  from = '10.1.2.3',
  url = '/',
) => refusal(() => source.name(nodeRequest(headers, { url, from }), parseTrust(trust)))

describe('fromSubdomain', () => {
  it.each([
    ['acme.notes.example', named('acme')],
    ['acme.notes.example:8080', named('acme')],
    ['acme.notes.example.', named('acme')],
    ['acme.notes.example.:443', named('acme')],
    ['ACME.Notes.Example', named('acme')],
    ['acme_1.notes.example', named('acme_1')],
    ['xn--bcher-kva.notes.example', named('xn--bcher-kva')],
    ['acme.eu.notes.example', named('acme')],
    ['a.b.notes.example', named('a.b')], // no key: refused by parseTenantKey
    ['notes.example', NONE],
    ['eu.notes.example', NONE],
    ['www.notes.example', NONE],
    ['acme.other.example', NONE],
    ['acmenotes.example', NONE],
    ['acme.notes.example.evil.test', NONE],
    ['127.0.0.1', NONE],
    ['127.0.0.1:8080', NONE],
    ['0x7f.1', NONE],
    ['[::1]', NONE],
    ['[::ffff:10.0.0.1]:8080', NONE],
    ['localhost', NONE],
    ['', 'VALIDATION_ERROR syntax'],
    ['acme..notes.example', 'VALIDATION_ERROR syntax'],
    ['acme.notes.example..', 'VALIDATION_ERROR syntax'],
    ['.notes.example', 'VALIDATION_ERROR syntax'],
    ['acme.notes.example:', 'VALIDATION_ERROR syntax'],
    ['acme.notes.example:65536', 'VALIDATION_ERROR syntax'],
    ['acme.notes.example:8080:1', 'VALIDATION_ERROR syntax'],
    ['bücher.notes.example', 'VALIDATION_ERROR syntax'],
    ['\u212Aey.notes.example', 'VALIDATION_ERROR syntax'], // the Kelvin sign lower-cases to k
    ['acme%2enotes.example', 'VALIDATION_ERROR syntax'],
    ['x@acme.notes.example', 'VALIDATION_ERROR syntax'],
    ['acme notes.example', 'VALIDATION_ERROR syntax'],
    ['acme.notes.example, globex.notes.example', 'VALIDATION_ERROR syntax'],
    [`${'a'.repeat(64)}.notes.example`, 'VALIDATION_ERROR syntax'],
    [`${'a.'.repeat(130)}notes.example`, 'VALIDATION_ERROR syntax'],
    ['[::1', 'VALIDATION_ERROR syntax'],
  ])('Host %j', async (host, expected) => expect(await verdict({ host })).toBe(expected))

  it('names nobody without a host', async () => expect(await verdict({})).toBe(NONE))

  it.each([
    [{ host: ['acme.notes.example', 'globex.notes.example'] }, '/', 'TENANT_MISMATCH'],
    [{ host: ['acme.notes.example', 'ACME.notes.example:80'] }, '/', named('acme')],
    [{ host: 'acme.notes.example', ':authority': 'globex.notes.example' }, '/', 'TENANT_MISMATCH'],
    [{ host: '127.0.0.1', ':authority': 'acme.notes.example' }, '/', 'VALIDATION_ERROR conflict'],
    [{ ':authority': 'acme.notes.example' }, '/', named('acme')],
    [{ host: 'acme.notes.example' }, 'http://globex.notes.example/x', 'TENANT_MISMATCH'],
    [{ host: 'acme.notes.example' }, 'HTTPS://Acme.notes.example:443/x', named('acme')],
    [
      { host: 'acme.notes.example' },
      'http://acme.notes.example@globex.notes.example/',
      'VALIDATION_ERROR syntax',
    ],
    [{ host: 'acme.notes.example' }, '/http://globex.notes.example/', named('acme')],
  ])('%j with the target %s', async (headers, url, expected) => {
    expect(await verdict(headers, {}, '10.1.2.3', url)).toBe(expected)
  })

  it('reads the host of a Web request from its URL when there is no Host', async () => {
    const request = webRequest({}, 'http://ACME.notes.example:8080/notes')
    expect(source.name(request, parseTrust())).toBe('acme')
  })

  it.each([
    ['nothing', undefined],
    ['no domain', []],
    ['a dot in front', ['.notes.example']],
    ['a port', ['notes.example:80']],
    ['upper case', ['Notes.example']],
  ])('refuses base domains: %s', async (_, baseDomains) => {
    expect(await refusal(() => fromSubdomain({ baseDomains: baseDomains as string[] }))).toBe(
      'INVALID_OPTION',
    )
  })
})

describe('forwarded hosts', () => {
  const proxies: Trust = { proxies: ['10.0.0.0/8', '2001:db8::/32'] }
  const globex = { host: 'internal:3000', 'x-forwarded-host': 'globex.notes.example' }

  it.each<[string, Trust, string, string]>([
    ['nobody is trusted', {}, '10.1.2.3', NONE],
    ['the proxy is trusted', proxies, '10.1.2.3', named('globex')],
    ['the proxy is trusted, as IPv4 in IPv6', proxies, '::ffff:10.1.2.3', named('globex')],
    ['the proxy is trusted by IPv6', proxies, '2001:db8::7', named('globex')],
    ['somebody else connects', proxies, '11.1.2.3', NONE],
    ['the address is unknown', proxies, '', NONE],
    ['hops are counted', { hops: 1 }, '203.0.113.9', named('globex')],
  ])('X-Forwarded-Host when %s', async (_, trust, from, expected) => {
    expect(await verdict(globex, trust, from)).toBe(expected)
  })

  it.each([
    ['Forwarded', { forwarded: 'for=192.0.2.1;host=globex.notes.example;proto=https' }, named('globex')],
    [
      'a quoted host',
      { forwarded: 'For="[2001:db8::1]:99"; Host="globex.notes.example:8080"' },
      named('globex'),
    ],
    [
      'a separator in quotes',
      { forwarded: 'for="x;host=acme.notes.example,y";host=globex.notes.example' },
      named('globex'),
    ],
    ['no host', { forwarded: 'for=192.0.2.1' }, NONE],
    ['an open quote', { forwarded: 'host="globex.notes.example' }, 'VALIDATION_ERROR syntax'],
    [
      'two entries that agree',
      { 'x-forwarded-host': 'globex.notes.example, globex.notes.example' },
      named('globex'),
    ],
    ['two entries', { 'x-forwarded-host': 'acme.notes.example, globex.notes.example' }, 'TENANT_MISMATCH'],
    ['two lines', { 'x-forwarded-host': ['acme.notes.example', 'globex.notes.example'] }, 'TENANT_MISMATCH'],
    ['two elements', { forwarded: 'host=acme.notes.example, host=globex.notes.example' }, 'TENANT_MISMATCH'],
    [
      'both headers',
      { forwarded: 'host=acme.notes.example', 'x-forwarded-host': 'globex.notes.example' },
      'TENANT_MISMATCH',
    ],
    [
      'another tenant than Host',
      { host: 'acme.notes.example', 'x-forwarded-host': 'globex.notes.example' },
      'TENANT_MISMATCH',
    ],
  ])('%s from a trusted proxy', async (_, headers, expected) => {
    expect(await verdict({ host: 'internal', ...headers }, proxies)).toBe(expected)
  })

  it("leaves out what stands left of the proxies' own entries", async () => {
    const headers = { host: 'internal', 'x-forwarded-host': 'acme.notes.example, globex.notes.example' }
    expect(await verdict(headers, { hops: 1 })).toBe(named('globex'))
    expect(await verdict(headers, { hops: 2 })).toBe('TENANT_MISMATCH')
  })

  it.each<Trust>([
    { proxies: ['10.0.0.0/33'] },
    { proxies: ['0.0.0.0/0'] },
    { proxies: ['10.0.0.0/8/8'] },
    { proxies: ['example.org'] },
    { proxies: [''] },
    { hops: 0 },
    { hops: 1.5 },
    { hops: 1, proxies: ['::1'] },
  ])('refuses %j', async (trust) => expect(await refusal(() => parseTrust(trust))).toBe('INVALID_OPTION'))
})
