import { describe, expect, it } from 'vitest'
import { fromPath, parseTrust } from '../../src/index.ts'
import { nodeRequest, refusal } from './requests.ts'

const NONE = 'resolved: undefined'
const AMBIGUOUS = 'VALIDATION_ERROR ambiguous'
const DOTS = 'VALIDATION_ERROR dots'
const named = (tenant: string) => `resolved: ${JSON.stringify(tenant)}`
const verdict = (prefix: string, url: string, ignore?: string[]) =>
  refusal(() => fromPath({ prefix, ...(ignore && { ignore }) }).name(nodeRequest({}, { url }), parseTrust()))

describe('fromPath', () => {
  it.each([
    ['/t/acme', named('acme')],
    ['/t/acme/', named('acme')],
    ['/t/acme/notes//x', named('acme')],
    ['/t/acme?tenant=globex', named('acme')],
    ['/t/acme#globex', named('acme')],
    ['http://any.example/t/acme/notes', named('acme')],
    ['/t', NONE],
    ['/t/', NONE],
    ['/t//', NONE],
    ['/', NONE],
    ['', NONE],
    ['*', NONE],
    ['/notes/t/acme', NONE],
    ['/tt/acme', NONE],
    ['/caf%C3%A9/x', NONE],
    // As sent, which is no key: parseTenantKey refuses it.
    ['/t/Acme', named('Acme')],
    ['/t/acme%2fglobex', named('acme%2fglobex')],
    ['/t/%61cme', named('%61cme')],
    ['/t/acme;v=1', named('acme;v=1')],
    ['/t/acme%00', named('acme%00')],
    // A router that decodes, folds or tidies would see /t/acme.
    ['/%74/acme', AMBIGUOUS],
    ['/T/acme', AMBIGUOUS],
    ['//t/acme', AMBIGUOUS],
    ['/t//acme', AMBIGUOUS],
    ['/t\\acme', AMBIGUOUS],
    ['/t%2facme', AMBIGUOUS],
    ['/t%5Cacme', AMBIGUOUS],
    ['/t/../t/acme', DOTS],
    ['/t/acme/../globex', DOTS],
    ['/t/acme/%2e%2E/globex', DOTS],
    ['/t/acme%2f..%2fglobex', DOTS],
    ['/t/acme/..\\globex', DOTS],
    ['/t/./acme', DOTS],
    ['/notes/../t/acme', DOTS],
    ['/t/%zz', 'VALIDATION_ERROR encoding'],
    ['/t/%', 'VALIDATION_ERROR encoding'],
    ['/t/%ff', 'VALIDATION_ERROR encoding'],
  ])('%j', async (url, expected) => expect(await verdict('/t', url)).toBe(expected))

  it.each([
    ['/acme/notes', named('acme')],
    ['/health', NONE],
    ['/', NONE],
    ['//acme', AMBIGUOUS],
  ])('%j at the root', async (url, expected) => expect(await verdict('/', url, ['health'])).toBe(expected))

  it('reads behind a longer prefix', async () => {
    expect(await verdict('/v1/tenants', '/v1/tenants/acme')).toBe(named('acme'))
    expect(await verdict('/v1/tenants', '/v1/Tenants/acme')).toBe(AMBIGUOUS)
  })

  it.each(['', 't', '/t/', '/T', '/a b', '/%74', '//'])('refuses the prefix %j', async (prefix) => {
    expect(await verdict(prefix, '/')).toBe('INVALID_OPTION')
  })
})
