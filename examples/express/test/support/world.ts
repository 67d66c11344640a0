import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connectPostgres, type TestDatabase, uniqueName } from '@org/pg-testing'
import pg from 'pg'
import { afterAll, beforeAll, inject } from 'vitest'
import { createApp } from '../../src/app.ts'
import { type HubConfig, readConfig } from '../../src/config.ts'
import { type Hub, openHub } from '../../src/hub/open-hub.ts'
import { inviteOperator } from '../../src/hub/platform.ts'
import { createLog } from '../../src/log.ts'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const SIGNING_KEY = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
export const PASSWORD = 'correct horse battery'

/** One test file's hub, served over HTTP on a database of its own. */
export interface World {
  readonly base: string
  readonly hub: Hub
  readonly config: HubConfig
  /** A superuser in the hub's database, to look at what is really there. */
  readonly root: pg.Pool
  /** What the hub logged, a line of JSON each. */
  readonly log: string[]
  /** An access token of the first operator. */
  readonly operator: string
  send(method: string, path: string, options?: SendOptions): Promise<Answer>
  /** Makes a tenant through the API, accepts its administrator's invitation, and signs them in. */
  onboard(slug: string, options?: { packageKey?: string; email?: string }): Promise<Onboarded>
}

export interface SendOptions {
  readonly token?: string | undefined
  /** `X-Client-Key` */
  readonly tenant?: string | undefined
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests read any shape
  readonly body: any
  readonly text: string
}

export interface Onboarded {
  readonly slug: string
  readonly token: string
  readonly refreshToken: string
  readonly adminId: string
}

export function useWorld(overrides: NodeJS.ProcessEnv = {}): World {
  const world: { current?: World; close?: () => Promise<void> } = {}
  beforeAll(async () => {
    const made = await makeWorld(overrides)
    world.current = made.world
    world.close = made.close
  })
  afterAll(() => world.close?.())
  return new Proxy({} as World, { get: (_, name) => Reflect.get(world.current ?? {}, name) })
}

/** A database of the test's own on the run's server, as a team makes one, and the environment of a hub over it. */
export async function makeDatabase() {
  const postgres = await connectPostgres(inject('pgTenantServerUrl'))
  const database = await postgres.createDatabase()
  const root = new pg.Pool({ connectionString: database.url, max: 2 })
  root.on('error', () => {})
  const [app, admin, own] = [uniqueName('app'), uniqueName('adm'), uniqueName('hub')]
  const rolePrefix = `r${uniqueName('t').slice(-10)}_`
  await root.query(`create role ${app} login noinherit password 'app'`)
  await root.query(`create role ${admin} login createrole createdb password 'admin'`)
  await root.query(`create role ${own} login password 'hub'`)
  await root.query(`grant create on database ${database.name} to ${admin}`)
  const environment: NodeJS.ProcessEnv = {
    DATABASE_URL: as(database.url, app, 'app'),
    ADMIN_DATABASE_URL: as(database.url, admin, 'admin'),
    CONTROL_DATABASE_URL: as(database.url, own, 'hub'),
    ROLE_PREFIX: rolePrefix,
    TOKEN_SIGNING_KEY: SIGNING_KEY,
    API_KEY_PEPPER: randomBytes(32).toString('hex'),
    SETTINGS_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
    PROVISION_ADMIN_KEY: randomBytes(24).toString('hex'),
    METRICS_TOKEN: randomBytes(24).toString('hex'),
    AUDIT_KEY: randomBytes(32).toString('hex'),
    // What is tested is not how much there may be.
    ...Object.fromEntries(
      ['ADDRESS', 'LOGIN', 'READ', 'WRITE'].map((one) => [`RATE_LIMIT_${one}`, '1000000']),
    ),
  }
  const close = async () => {
    await root.end()
    await cleanUp(database, postgres.url, [app, admin, own], rolePrefix)
  }
  return { environment, root, close }
}

async function makeWorld(overrides: NodeJS.ProcessEnv) {
  const { environment, root, close: drop } = await makeDatabase()
  const config = readConfig({ ...environment, ...overrides })
  const log: string[] = []
  const written = createLog('debug', { write: (line: string) => void log.push(line) })
  // Whoever waits here waits for the machine.
  const hub = await openHub(config, written, { connectionTimeout: 60_000 })
  const server = createApp(hub).listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Ends when the test does; on a machine that is slow, a client would send into one that is being closed.
  server.keepAliveTimeout = 0
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const send = sender(base)
  const operator = await signedIn(send, 'platform', (await inviteOperator(hub))?.token)
  const world: World = {
    base,
    hub,
    config,
    root,
    log,
    operator: operator.accessToken,
    send,
    onboard: (slug, options = {}) => onboard(send, operator.accessToken, slug, options),
  }
  const close = async () => {
    await stop(server)
    await hub.close()
    await drop()
  }
  return { world, close }
}

function sender(base: string): World['send'] {
  return async (method, path, { token, tenant, body, headers = {} } = {}) => {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: {
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(tenant !== undefined && { 'X-Client-Key': tenant }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') && text !== ''
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson ? JSON.parse(text) : undefined,
    }
  }
}

async function signedIn(send: World['send'], tenant: string, invitation: string | undefined) {
  const { status, body } = await send('POST', '/v1/auth/invitation', {
    tenant,
    body: { token: invitation, password: PASSWORD },
  })
  if (status !== 200) throw new Error(`the invitation was answered with ${status} ${body?.error?.code}`)
  return body.data as { accessToken: string; refreshToken: string }
}

async function onboard(
  send: World['send'],
  operator: string,
  slug: string,
  { packageKey = 'essentials', email = `ana@${slug}.example` }: { packageKey?: string; email?: string },
): Promise<Onboarded> {
  const { status, body } = await send('POST', '/v1/tenants', {
    token: operator,
    body: { slug, name: `Tenant ${slug}`, packageKey, adminUser: { email, name: 'Ana' } },
  })
  if (status !== 201) throw new Error(`POST /v1/tenants was answered with ${status} ${JSON.stringify(body)}`)
  const { accessToken, refreshToken } = await signedIn(send, slug, body.data.invitation.token)
  return { slug, token: accessToken, refreshToken, adminId: body.data.adminUser.id }
}

function as(address: string, user: string, password: string): string {
  const url = new URL(address)
  url.username = user
  url.password = password
  return url.href
}

async function stop(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

/** Roles belong to the server, not to the database: they are dropped one by one. */
async function cleanUp(database: TestDatabase, url: string, roles: string[], prefix: string): Promise<void> {
  await database.drop()
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string }>(
      'select rolname as name from pg_roles where starts_with(rolname, $1)',
      [prefix],
    )
    for (const name of [...rows.map((row) => row.name), ...roles]) {
      await client.query(`drop role ${pg.escapeIdentifier(name)}`)
    }
  } finally {
    await client.end()
  }
}
