import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { safeLines } from '../../packages/cli/src/output/safe-text.ts'
import {
  fromApiKey,
  fromClaim,
  fromHeader,
  fromPath,
  fromSession,
  fromSubdomain,
  type IncomingRequest,
  parseTenantKey,
  parseTrust,
  requestIdOf,
  resolveTenant,
  toErrorBody,
  violatedField,
} from '../../packages/core/src/index.ts'
import { apiKeyPattern, parseApiKey } from '../../packages/crypto/src/api-keys/key-text.ts'
import { keyRing } from '../../packages/crypto/src/index.ts'
import { preparePassword } from '../../packages/crypto/src/passwords/password-text.ts'
import { createStaticKeys, createTokenVerifier } from '../../packages/crypto/src/tokens/index.ts'
import { readSecret } from '../../packages/crypto/src/tokens/refresh-secret.ts'
import { parseManifest, parseSummary } from '../../packages/pg-tenant/src/archive/format/manifest.ts'
import { logAccess } from '../../packages/pg-tenant/src/http/access-line.ts'
import { lintMigrations } from '../../packages/pg-tenant/src/migrations/lint.ts'
import { annotationsOf } from '../../packages/pg-tenant/src/migrations/script.ts'
import { firstWords } from '../../packages/pg-tenant/src/sql/first-words.ts'
import { isActionKey, isField, isPackageKey } from '../../packages/rbac/src/catalog/keys.ts'
import { parseConstraints } from '../../packages/rbac/src/index.ts'

const PROXIED = { remoteAddress: '10.0.0.1' }
const trust = { proxies: ['10.0.0.0/8'] }
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const keys = createStaticKeys({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] })
const verifier = createTokenVerifier({ issuer: 'i', audience: 'a', keys, cache: false })
const ring = keyRing({ key: randomBytes(32).toString('base64') })
const PLACE = { tenant: 'acme', table: 'app_settings', name: 'x' }

const resolve = resolveTenant({
  sources: [
    fromHeader(),
    fromSubdomain({ baseDomains: ['notes.example'] }),
    fromPath({ prefix: '/t' }),
    fromClaim({ verifyToken: (token) => verifier.verify(token) }),
    fromApiKey({
      authenticateApiKey: async (text) => ({ type: 'service', id: 'k', tenant: parseApiKey(text).keyId }),
    }),
  ],
  trust,
})

const signedIn = resolveTenant({
  sources: [fromSession({ cookie: 'sid', readSession: async () => ({ userId: 'ana', tenantId: 'acme' }) })],
})
const browser = (headers: Record<string, string>) => signedIn({ method: 'POST', headers })

const withHeader = (name: string) => (text: string) => {
  const request: IncomingRequest = {
    url: '/t/acme',
    headers: { [name]: text },
    headersDistinct: { [name]: [text] },
    socket: PROXIED,
  }
  return resolve(request)
}

/** Header lines of one name, as many as there are characters in eight. */
const withLines = (name: string) => (text: string) =>
  resolve({ headers: {}, headersDistinct: { [name]: text.match(/.{1,8}/gs) ?? [] }, socket: PROXIED })

/** Everything that reads text from outside. */
export const READERS: readonly (readonly [string, (text: string) => unknown])[] = [
  ['X-Client-Key', withHeader('x-client-key')],
  ['X-Tenant-Id, many lines', withLines('x-tenant-id')],
  ['Host', withHeader('host')],
  [':authority', withHeader(':authority')],
  ['Forwarded', withHeader('forwarded')],
  ['Forwarded host', (text) => withHeader('forwarded')(`host=${text}x`)],
  ['X-Forwarded-Host', withHeader('x-forwarded-host')],
  ['X-Forwarded-Host, many lines', withLines('x-forwarded-host')],
  ['Authorization', withHeader('authorization')],
  ['Authorization: Bearer', (text) => withHeader('authorization')(`Bearer ${text}!`)],
  ['X-Api-Key', withHeader('x-api-key')],
  ['Cookie', (text) => browser({ cookie: text })],
  ['Cookie: its value', (text) => browser({ cookie: `sid=${text}` })],
  ['Origin', (text) => browser({ cookie: 'sid=x', host: text, origin: `https://${text}` })],
  ['Sec-Fetch-Site', (text) => browser({ cookie: 'sid=x', 'sec-fetch-site': text })],
  [
    'X-Request-Id',
    (text) => requestIdOf({ headers: { 'x-request-id': text }, socket: PROXIED }, parseTrust(trust)),
  ],
  ['the path', (text) => resolve({ url: `/t/${text}`, headers: {}, socket: PROXIED })],
  ['the target', (text) => resolve({ url: `http://${text}?${text}`, headers: {}, socket: PROXIED })],
  ['the address', (text) => parseTrust(trust).isProxied({ headers: {}, socket: { remoteAddress: text } })],
  ['the access log', (url) => logAccess(() => {}, access(url))],
  ['Accept-Language', (locale) => toErrorBody(new Error('x'), { locale })],
  ['a tenant key', (text) => parseTenantKey(text)],
  [
    'detail of a violation',
    (detail) => violatedField({ detail: `Key (${detail})=(x`, table: 'a', constraint: detail }),
  ],
  ['a token', (text) => verifier.verify(text)],
  ['a token of three parts', (text) => verifier.verify(`${text}.${text}.${text}`)],
  ['a refresh token', (text) => readSecret('pgr', text)],
  ['an API key', (text) => parseApiKey(text)],
  ['a log with API keys', (text) => text.match(apiKeyPattern())],
  ['a password', (text) => preparePassword(text, 4_096)],
  ['an envelope', (text) => ring.open(`enc:v1:${text}`, PLACE)],
  ['an envelope with a key id', (text) => ring.open(`enc:v2:${text}`, PLACE)],
  ['a constraint', (text) => parseConstraints({ [text.slice(0, 60)]: text, a: [...text].slice(0, 5_000) })],
  ['a key of the catalogue', (text) => [isActionKey(text), isPackageKey(text), isField(text)]],
  ['the manifest of an archive', (text) => parseManifest(Buffer.from(`{"format":${JSON.stringify(text)}}`))],
  ['the summary of an archive', (text) => parseSummary(Buffer.from(`[${text}`))],
  ['annotations of a migration', (sql) => annotationsOf(`-- pg-tenant: ${sql}\n--${sql}\n${sql}`, 'x')],
  ['a migration', (sql) => lintMigrations([{ id: 'x', sql }])],
  ['the first words of a statement', (sql) => firstWords(sql)],
  ['text for a terminal', (text) => safeLines(text)],
]

function access(url: string): Parameters<typeof logAccess>[1] {
  return { requestId: 'r', resolved: undefined, method: 'GET', url, status: 200, began: 0, error: undefined }
}
