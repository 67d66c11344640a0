import { randomBytes } from 'node:crypto'
import { keyRing } from '@org/crypto'
import type { Tenancy } from '@org/pg-tenant'
import { connectPostgres, leakedBackends, uniqueName } from '@org/pg-testing'
import pg from 'pg'
import { afterAll, beforeAll, inject } from 'vitest'
import { createApp, type Site } from '../../src/app.ts'
import { type SiteSettings, siteSettings } from '../../src/settings.ts'
import { type OpenTenancy, openTenancy } from '../../src/tenancy.ts'
import { makeIdentity } from './identity.ts'

/** A test file's own database and roles on the shared server. */
export interface World {
  /** as the application */
  readonly url: string
  /** as the administrator */
  readonly adminUrl: string
  readonly rolePrefix: string
  /** a superuser, to look and to lock from outside */
  readonly root: pg.Pool
}

/** Makes the world before the file's tests and takes it down after them. */
export function useWorld(): () => World {
  let made: { world: World; close: () => Promise<void> } | undefined
  beforeAll(async () => {
    made = await makeWorld()
  })
  afterAll(() => made?.close())
  return () => made?.world ?? notYet()
}

/** The same, with a tenancy over it in which `tenants` are provisioned. */
export function useTenancy(tenants: readonly string[]): () => OpenTenancy & World {
  const world = useWorld()
  let open: OpenTenancy | undefined
  beforeAll(async () => {
    open = await openTenancy({ ...world(), connections: 4 })
    for (const tenant of tenants) await open.tenancy.provision(tenant)
  })
  afterAll(() => open?.close())
  return () => ({ ...world(), ...(open ?? notYet()) })
}

/** Settings sealed under a key of their own. */
export function testSettings(): SiteSettings {
  return siteSettings(keyRing({ key: randomBytes(32).toString('hex') }))
}

export const identity = makeIdentity()

/** What the site's own server sends. */
export const asSite = (client: string) => ({
  'X-Client-Key': client,
  Authorization: `Bearer ${identity.credentials.siteKey}`,
})

/** The app over a tenancy, with what it logs. */
export function testApp(tenancy: Tenancy, more: Partial<Site> = {}) {
  const logged: object[] = []
  const log = (record: object) => void logged.push(record)
  const { credentials } = identity
  return { app: createApp({ tenancy, settings: testSettings(), credentials, log, ...more }), logged }
}

async function makeWorld(): Promise<{ world: World; close: () => Promise<void> }> {
  const server = await connectPostgres(inject('pgTenantServerUrl'))
  const database = await server.createDatabase()
  const root = new pg.Pool({ connectionString: database.url, max: 3 })
  root.on('error', () => {})
  const [app, admin] = [uniqueName('app'), uniqueName('adm')]
  const rolePrefix = `${uniqueName('t').slice(0, 12)}_`
  await root.query(`create role ${app} login noinherit password 'app'`)
  await root.query(`create role ${admin} login createrole password 'admin'`)
  await root.query(`grant create on database ${database.name} to ${admin}`)
  const close = async () => {
    const leaked = await leakedBackends(database.url)
    const { rows } = await root.query<{ name: string }>(
      'select rolname as name from pg_roles where starts_with(rolname, $1)',
      [rolePrefix],
    )
    await root.end()
    await database.drop()
    await dropRoles(server.url, [...rows.map(({ name }) => name), app, admin])
    if (leaked > 0) throw new Error(`${leaked} sessions were left in a transaction`)
  }
  const url = as(database.url, app, 'app')
  const adminUrl = as(database.url, admin, 'admin')
  return { world: { url, adminUrl, rolePrefix, root }, close }
}

/** Roles belong to the server, not to the database. */
async function dropRoles(url: string, roles: readonly string[]): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  for (const role of roles) await client.query(`drop role ${pg.escapeIdentifier(role)}`)
  await client.end()
}

function as(url: string, user: string, password: string): string {
  const changed = new URL(url)
  changed.username = user
  changed.password = password
  return changed.href
}

function notYet(): never {
  throw new Error('only inside tests and hooks')
}
