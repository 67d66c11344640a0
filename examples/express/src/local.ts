import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { startPostgres } from '@org/pg-tenant/testing'
import pg from 'pg'

/** What a team does once on its server, as a superuser: a database, and three roles that are not superusers. */
const SET_UP = [
  'create database hub',
  'create role hub_app login noinherit',
  'create role hub_admin login createrole createdb',
  'create role hub_control login',
  'grant create on database hub to hub_admin',
]

/** Everything the hub needs, made up and gone when it stops. */
export interface LocalHub {
  readonly environment: NodeJS.ProcessEnv
  stop(): Promise<void>
}

/** Starts a throw-away PostgreSQL on the loopback interface, and makes throw-away keys. */
export async function startLocally(): Promise<LocalHub> {
  const server = await startPostgres({ url: false, prefer: 'embedded' })
  const root = new pg.Client(server.url)
  try {
    await root.connect()
    for (const statement of SET_UP) await root.query(statement)
  } catch (error) {
    await server.stop()
    throw error
  } finally {
    await root.end().catch(() => {})
  }
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    environment: {
      DATABASE_URL: asRole(server.url, 'hub_app'),
      ADMIN_DATABASE_URL: asRole(server.url, 'hub_admin'),
      CONTROL_DATABASE_URL: asRole(server.url, 'hub_control'),
      TOKEN_SIGNING_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      API_KEY_PEPPER: randomBytes(32).toString('hex'),
      SETTINGS_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
      PROVISION_ADMIN_KEY: randomBytes(32).toString('hex'),
      METRICS_TOKEN: randomBytes(32).toString('hex'),
      AUDIT_KEY: randomBytes(32).toString('hex'),
      // A webhook's receiver on this machine, to try it out.
      WEBHOOK_ADDRESSES: '127.0.0.0/8',
      WEBHOOK_PORTS: '443,8080,9000',
      WEBHOOK_HTTP: 'yes',
    },
    stop: () => server.stop(),
  }
}

/** A server we start trusts every role on its loopback port: no passwords. */
function asRole(address: string, role: string): string {
  const url = new URL(address)
  url.pathname = '/hub'
  url.username = role
  url.password = ''
  return url.href
}
