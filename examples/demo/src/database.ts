import { startPostgres } from '@org/pg-tenant/testing'
import pg from 'pg'

/** What a team does once on its server, as a superuser: a database, and two roles that are not superusers. */
const SET_UP = [
  'create database notes',
  'create role notes_app login noinherit',
  'create role notes_admin login createrole',
  'grant create on database notes to notes_admin',
]

export interface LocalDatabase {
  /** as the application */
  readonly url: string
  /** as the administrator */
  readonly adminUrl: string
  /** as a superuser; only the demonstration's control uses it */
  readonly superuserUrl: string
  /** e.g. `18.4` */
  readonly version: string
  readonly source: 'url' | 'docker' | 'embedded'
  /** Stops the server and removes its files. */
  stop(): Promise<void>
}

/** Starts a throw-away PostgreSQL of our own on the loopback interface, never one given by the environment. */
export async function startDatabase(): Promise<LocalDatabase> {
  const server = await startPostgres({ url: false, prefer: 'embedded' })
  const root = new pg.Client(server.url)
  try {
    await root.connect()
    for (const statement of SET_UP) await root.query(statement)
  } catch (error) {
    await root.end()
    await server.stop()
    throw error
  }
  await root.end()
  return {
    url: inDatabase(server.url, 'notes_app'),
    adminUrl: inDatabase(server.url, 'notes_admin'),
    superuserUrl: inDatabase(server.url),
    version: `${Math.floor(server.version / 10_000)}.${server.version % 10_000}`,
    source: server.source,
    stop: () => server.stop(),
  }
}

/** A server we start trusts every role on its loopback port: no passwords. */
function inDatabase(url: string, user?: string): string {
  const changed = new URL(url)
  changed.pathname = '/notes'
  if (user !== undefined) {
    changed.username = user
    changed.password = ''
  }
  return changed.href
}
