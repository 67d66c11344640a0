import { describe, expect, it } from 'vitest'
import {
  fromApiKey,
  fromClaim,
  fromHeader,
  fromPath,
  fromSubdomain,
  parseTrust,
  requestIdOf,
  resolveTenant,
} from '../../src/index.ts'
import { authenticateApiKey, nodeRequest, refusal, verifyToken, webRequest } from './requests.ts'

/** Nobody is authenticated yet: what is too long is refused before anything reads it (hazard ac). */

const trust = { proxies: ['10.0.0.0/8'] }
const from = '10.0.0.1'
const resolve = resolveTenant({
  sources: [
    fromClaim({ verifyToken }),
    fromApiKey({ authenticateApiKey }),
    fromHeader(),
    fromSubdomain({ baseDomains: ['notes.example'] }),
    fromPath({ prefix: '/t' }),
  ],
  trust,
})
const long = (length: number) => 'a'.repeat(length)
const LIMIT = 16_384

describe('what is too long', () => {
  it.each([
    'x-client-key',
    'x-tenant-id',
    'authorization',
    'x-api-key',
    'host',
    'forwarded',
    'x-forwarded-host',
  ])('%s', async (name) => {
    const tooLong = 'VALIDATION_ERROR length'
    expect(await refusal(() => resolve(nodeRequest({ [name]: long(LIMIT) }, { from })))).toBe(tooLong)
    const lines = Array.from({ length: 65 }, () => long(252))
    expect(await refusal(() => resolve(nodeRequest({ [name]: lines }, { from })))).toBe(tooLong)
    expect(await refusal(() => resolve(nodeRequest({ [name]: long(LIMIT - 1) }, { from })))).not.toBe(tooLong)
  })

  it('a header of a Web request', async () => {
    const lines = ['acme', ...Array.from({ length: 65 }, () => long(252))]
    expect(await refusal(() => resolve(webRequest({ 'x-client-key': lines })))).toBe(
      'VALIDATION_ERROR length',
    )
  })

  it('a path', async () => {
    const at = (url: string) => refusal(() => resolve(nodeRequest({}, { url })))
    expect(await at(`/t/${long(LIMIT)}`)).toBe('VALIDATION_ERROR length')
    expect(await at(`/t/${long(LIMIT - 3)}`)).toBe('INVALID_TENANT_KEY length')
  })

  it('a host', async () => {
    const at = (host: string) => refusal(() => resolve(nodeRequest({ host })))
    expect(await at(`${long(63)}.`.repeat(3) + long(61))).toBe('UNAUTHORIZED')
    expect(await at(`${'a.'.repeat(126)}a:8080000`)).toBe('VALIDATION_ERROR syntax')
    expect(await at(long(300))).toBe('VALIDATION_ERROR syntax')
  })

  it("a request's id gets one of ours; nothing is thrown where nobody would answer it", () => {
    const id = requestIdOf(nodeRequest({ 'x-request-id': long(LIMIT + 1) }, { from }), parseTrust(trust))
    expect(id).toHaveLength(36)
  })
})

describe('blanks', () => {
  it.each([
    ['x-client-key', 'acme , globex', 'TENANT_MISMATCH'],
    ['x-client-key', 'acme\t ,  acme', 'VALIDATION_ERROR repeated'],
    ['x-client-key', 'acme,', 'TENANT_MISMATCH'],
    ['x-client-key', ' acme', 'INVALID_TENANT_KEY characters'],
    ['forwarded', 'for=1;  host= "acme.notes.example" ;by=2', 'UNAUTHORIZED'],
    ['forwarded', 'HOST=acme.notes.example', 'UNAUTHORIZED'],
    ['forwarded', 'host =acme.notes.example, host=globex.notes.example', 'UNAUTHORIZED'],
    ['forwarded', 'host=a b', 'VALIDATION_ERROR syntax'],
    ['forwarded', 'host=acme.notes.example, host=globex.notes.example', 'TENANT_MISMATCH'],
  ])('%s: %j', async (name, value, expected) => {
    expect(await refusal(() => resolve(nodeRequest({ [name]: value }, { from })))).toBe(expected)
  })
})
