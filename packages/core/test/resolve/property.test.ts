import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  fromApiKey,
  fromClaim,
  fromHeader,
  fromPath,
  fromSubdomain,
  isTenancyError,
  resolveTenant,
} from '../../src/index.ts'
import { authenticateApiKey, nodeRequest, verifyToken, webRequest } from './requests.ts'

const resolve = resolveTenant({
  sources: [
    fromClaim({ verifyToken }),
    fromApiKey({ authenticateApiKey }),
    fromHeader(),
    fromSubdomain({ baseDomains: ['notes.example'] }),
    fromPath({ prefix: '/t' }),
  ],
  trust: { proxies: ['10.0.0.0/8'] },
})

const tenant = fc.constantFrom('acme', 'globex', 'initech')
/** Mostly nothing, so that every combination of few sources is met. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 })
/** What an attacker makes of a key. */
const bent = fc.oneof(
  { weight: 6, arbitrary: tenant },
  tenant.map((key) => key.toUpperCase()),
  tenant.map((key) => ` ${key}`),
  fc.tuple(tenant, tenant).map(([a, b]) => `${a}, ${b}`),
  fc.string({ maxLength: 8 }),
)

const request = fc.record({
  claim: rarely(fc.tuple(fc.constantFrom('u', 's'), fc.oneof(tenant, fc.constant('')))),
  apiKey: rarely(tenant),
  keyInBearer: fc.boolean(),
  header: rarely(bent),
  other: rarely(bent),
  subdomain: rarely(bent),
  forwarded: rarely(tenant),
  path: rarely(bent),
  proxied: fc.boolean(),
  query: tenant,
  web: fc.boolean(),
})
type Drawn = typeof request extends fc.Arbitrary<infer T> ? T : never

/** Header values that a server would not hand out are left as they are for Node and made legal for the Web. */
function build(drawn: Drawn) {
  const { claim, apiKey, keyInBearer } = drawn
  const authorization = [
    ...(claim ? [`Bearer ${claim.join('.')}`] : []),
    ...(apiKey !== undefined && keyInBearer ? [`Bearer pgt_live_${apiKey}`] : []),
  ]
  const headers: Record<string, string | string[]> = {
    ...(authorization.length > 0 && { authorization }),
    ...(apiKey !== undefined && !keyInBearer && { 'x-api-key': `pgt_live_${apiKey}` }),
    ...(drawn.header !== undefined && { 'x-client-key': drawn.header }),
    ...(drawn.other !== undefined && { 'x-tenant-id': drawn.other }),
    ...(drawn.subdomain !== undefined && { host: `${drawn.subdomain}.notes.example` }),
    ...(drawn.forwarded !== undefined && { 'x-forwarded-host': `${drawn.forwarded}.notes.example` }),
  }
  const path = drawn.path === undefined ? '/notes' : `/t/${drawn.path}`
  const url = `${path}?tenant=${drawn.query}`
  const legal = Object.values(headers)
    .flat()
    .every((value) => /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value))
  if (drawn.web && legal) return webRequest(headers, url)
  return nodeRequest(headers, { url, from: drawn.proxied ? '10.0.0.1' : '192.0.2.1' })
}

describe('resolveTenant, for any request', () => {
  it('resolves only to a tenant that a proof names, and never beside one that names another', async () => {
    const met = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(request, async (drawn) => {
        const outcome = await resolve(build(drawn)).catch((error: unknown) => {
          if (!isTenancyError(error) || error.status >= 500) throw error
          return error.code
        })
        const kind = typeof outcome === 'string' ? outcome : outcome.source
        met.set(kind, (met.get(kind) ?? 0) + 1)
        if (typeof outcome === 'string') return
        const { claim, apiKey, header, other, subdomain, forwarded } = drawn
        // Of a path only the segment behind /t/ counts.
        const path = drawn.path?.split(/[/?#]/)[0]
        const claimed = claim?.[1] || undefined
        // Named by what proves who asks, or by the header of a service that has no tenant of its own.
        const proofs = [claimed, apiKey].filter((key) => key !== undefined)
        const free = claim?.[0] === 's' && claim[1] === ''
        expect(proofs.length > 0 ? proofs : free ? [header, other] : []).toContain(outcome.tenant)
        // Nothing else that was heard names another. (A forwarded host counts from a proxy only.)
        const heard = [
          claimed,
          apiKey,
          header,
          other,
          path,
          ...(drawn.proxied && !drawn.web ? [forwarded] : []),
        ]
        for (const key of heard) if (key !== undefined && key !== '') expect(key).toBe(outcome.tenant)
        if (subdomain !== undefined) expect(subdomain.toLowerCase()).toBe(outcome.tenant)
      }),
      { numRuns: 5_000 },
    )
    // The draw is no good if one of these never happens.
    for (const kind of [
      'claim',
      'api-key',
      'header',
      'TENANT_MISMATCH',
      'UNAUTHORIZED',
      'INVALID_TENANT_KEY',
    ]) {
      expect([kind, met.get(kind) ?? 0]).not.toEqual([kind, 0])
    }
  })
})
