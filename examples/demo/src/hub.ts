import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { createRemoteKeys, createTokenVerifier, type TokenVerifier } from '@org/crypto/tokens'
import { createApp } from '@org/example-express/app'
import { readConfig } from '@org/example-express/config'
import { type Hub, openHub } from '@org/example-express/hub/open-hub'
import { inviteOperator } from '@org/example-express/hub/platform'
import { createLog } from '@org/example-express/log'
import { serve } from '@org/example-express/serve'
import { type IsolationLevel, loadMigrations } from '@org/pg-tenant'
import type { LocalDatabase } from './database.ts'

const SITE_MIGRATIONS = fileURLToPath(new URL('../../hono/migrations', import.meta.url))
const AUDIENCE = 'demo'
const PASSWORD = 'correct horse battery'

/** The hub, served over HTTP, as its operator uses it. */
export interface DemoHub {
  /** What its worker is told, too. */
  readonly environment: NodeJS.ProcessEnv
  /** Accepts the tokens of the hub's users, by the keys it publishes: for the site. */
  readonly verifier: TokenVerifier
  /** Calls the API as the operator, or as whoever has `token`. */
  ask(
    method: string,
    path: string,
    body?: object,
    token?: string,
    idempotencyKey?: string,
  ): Promise<HubAnswer>
  /** The items of a list. */
  list(path: string, token?: string): Promise<Record<string, unknown>[]>
  /** Makes a tenant and signs its administrator in. */
  onboard(slug: string): Promise<Onboarded>
  close(): Promise<void>
}

export interface Onboarded {
  readonly status: number
  /** Its administrator's. */
  readonly token: string
  readonly adminId: string
}

export interface HubAnswer {
  readonly status: number
  readonly text: string
  /** Whether it is the answer to an earlier request. */
  readonly replayed: boolean
  readonly data: Record<string, unknown>
  readonly error: { readonly code: string; readonly details?: Record<string, unknown> } | undefined
}

/** Over the site's database: tenants that the hub makes get the site's tables, too. */
export async function openDemoHub(environment: NodeJS.ProcessEnv): Promise<Hub> {
  const migrations = await loadMigrations(SITE_MIGRATIONS)
  const isolation = environment.ISOLATION === 'schema' ? 'schema' : 'role'
  return await openHub(readConfig(environment), createLog('silent'), { migrations, isolation })
}

/** @param port of the receiver of webhooks */
export async function startHub(
  database: LocalDatabase,
  isolation: IsolationLevel,
  port: number,
): Promise<DemoHub> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const issuer = 'https://hub.example'
  const environment = {
    ISOLATION: isolation,
    DATABASE_URL: database.url,
    ADMIN_DATABASE_URL: database.adminUrl,
    TOKEN_ISSUER: issuer,
    TOKEN_AUDIENCE: AUDIENCE,
    TOKEN_SIGNING_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    API_KEY_PEPPER: randomBytes(32).toString('hex'),
    SETTINGS_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
    AUDIT_KEY: randomBytes(32).toString('hex'),
    WEBHOOK_ADDRESSES: '127.0.0.1',
    WEBHOOK_PORTS: String(port),
    WEBHOOK_HTTP: 'yes',
  }
  const hub = await openDemoHub(environment)
  const server = await serve(createApp(hub), { host: '127.0.0.1', port: 0 })
  const base = `http://127.0.0.1:${server.port}`

  const send = async (method: string, path: string, headers: Record<string, string>, body?: object) => {
    const answer = await fetch(base + path, {
      method,
      headers: { ...headers, ...(body && { 'Content-Type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    const { data = {}, error } = (text === '' ? {} : JSON.parse(text)) as Partial<HubAnswer>
    const replayed = answer.headers.get('idempotency-replayed') === 'true'
    return { status: answer.status, text, replayed, data, error }
  }
  const accept = async (tenant: string, token: unknown) => {
    const { data } = await send(
      'POST',
      '/v1/auth/invitation',
      { 'X-Client-Key': tenant },
      { token, password: PASSWORD },
    )
    return String(data.accessToken)
  }
  const operator = await accept('platform', (await inviteOperator(hub))?.token)
  const ask: DemoHub['ask'] = (method, path, body, token = operator, key = undefined) =>
    send(method, path, { Authorization: `Bearer ${token}`, ...(key && { 'Idempotency-Key': key }) }, body)
  return {
    environment,
    list: async (path, token) => {
      const { data } = await ask('GET', path, undefined, token)
      return Array.isArray(data) ? data : []
    },
    verifier: createTokenVerifier({
      issuer,
      audience: AUDIENCE,
      keys: createRemoteKeys({ url: `${base}/.well-known/jwks.json` }),
    }),
    ask,
    async onboard(slug) {
      const adminUser = { email: `ana@${slug}.example`, name: 'Ana' }
      const body = { slug, name: slug, packageKey: 'essentials', adminUser }
      const { status, data } = await ask('POST', '/v1/tenants', body)
      const { invitation, adminUser: made } = data as Record<string, { token?: string; id?: string }>
      return { status, token: await accept(slug, invitation?.token), adminId: String(made?.id) }
    },
    close: async () => {
      await server.close()
      await hub.close()
    },
  }
}
