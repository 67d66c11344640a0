import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import type { IsolationLevel, Migration, Sealing, Tenancy, TenancyOptions } from '../../src/index.ts'
import { NOTES, useWorld, type World } from '../support/world.ts'

/** One level, what it says it stops, and where tenants of it are unlike others. */
export interface Subject {
  readonly level: IsolationLevel
  /** A qualified name of another tenant's table. */
  readonly stopsNames: boolean
  /** SQL that changes role, or tenant, and back within one statement. */
  readonly stopsRoleChange: boolean
  /** Tenants log in by themselves. */
  readonly logsIn: boolean
  /** Tenants have one set of tables, with one sequence, one owner and one ledger. */
  readonly shares: boolean
}

/** The levels with a schema for each tenant. */
export const SUBJECTS: readonly Subject[] = [
  { level: 'schema', stopsNames: false, stopsRoleChange: false, logsIn: false, shares: false },
  { level: 'role', stopsNames: true, stopsRoleChange: false, logsIn: false, shares: false },
  { level: 'login', stopsNames: true, stopsRoleChange: true, logsIn: true, shares: false },
  { level: 'database', stopsNames: true, stopsRoleChange: true, logsIn: true, shares: false },
]

/** Every level there is; the conformance tests run over all of them. */
export const ALL_SUBJECTS: readonly Subject[] = [
  ...SUBJECTS,
  { level: 'row', stopsNames: true, stopsRoleChange: false, logsIn: false, shares: true },
]

/** Where level row keeps its tables unless told otherwise. */
const ROW_SCHEMA = 'app'

/** {@link NOTES} where tenants share the table: the same id, so that tests may name it. */
const SHARED_NOTES: Migration = {
  id: NOTES.id,
  sql: `create table notes (tenant_id text not null, id bigint generated always as identity, body text not null,
    primary key (tenant_id, id), unique (tenant_id, body))`,
}

/** The table `notes`, as it is at that level. */
export const notesAt = (level: IsolationLevel): Migration => (level === 'row' ? SHARED_NOTES : NOTES)

/** Authenticated encryption bound to its place, as the envelopes of `@org/crypto` are. */
export function testSealing(): Sealing {
  const key = randomBytes(32)
  const bound = (place: object) => Buffer.from(JSON.stringify(place))
  return {
    seal: (plaintext, place) => {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(bound(place))
      const body = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
      return Buffer.concat([iv, body, cipher.getAuthTag()]).toString('base64')
    },
    open: (sealed, place) => {
      const all = Buffer.from(sealed, 'base64')
      const decipher = createDecipheriv('aes-256-gcm', key, all.subarray(0, 12)).setAAD(bound(place))
      decipher.setAuthTag(all.subarray(-16))
      return Buffer.concat([decipher.update(all.subarray(12, -16)), decipher.final()]).toString('utf8')
    },
  }
}

export interface Setting {
  readonly world: World
  readonly sealing: Sealing
  /** A tenancy on a direct pool of the application; closed with the file. Names differ from level to level. */
  tenancy(level: IsolationLevel, options?: Partial<TenancyOptions>): Tenancy
  schemaOf(level: IsolationLevel, key: string): string
  roleOf(level: IsolationLevel, key: string): string
  /** A superuser's query in the database that holds the tenant's schema. */
  rootAt(level: IsolationLevel, key: string, sql: string, values?: unknown[]): Promise<pg.QueryResult>
  /** The application's URL, never through a pooler. */
  readonly directUrl: string
}

/** The file's world with an administrator that may create databases, still no superuser. */
export function useSetting(): Setting {
  const world = useWorld([])
  const sealing = testSealing()
  const open: Tenancy[] = []
  let pool: pg.Pool | undefined
  // One for all tenancies of the file: there are many, and connections are few.
  const shared = () => {
    pool ??= world.pool({ connectionString: setting.directUrl, max: 6 })
    return pool
  }
  const setting: Setting = {
    world,
    sealing,
    get directUrl() {
      const url = new URL(world.url)
      url.username = world.appRole
      url.password = 'app'
      return url.href
    },
    schemaOf: (level, key) => (level === 'row' ? ROW_SCHEMA : `${level}_${key}`),
    roleOf: (level, key) => `${world.rolePrefix}${level}_${key}`,
    tenancy: (level, options = {}) => {
      const tenancy = world.tenancy({
        isolation: level,
        schemaPrefix: `${level}_`,
        rolePrefix: `${world.rolePrefix}${level}_`,
        pool: shared(),
        migrations: [notesAt(level)],
        ...(level === 'login' || level === 'database' ? { credentials: sealing } : {}),
        ...options,
      })
      open.push(tenancy)
      return tenancy
    },
    rootAt: async (level, key, sql, values = []) => {
      if (level !== 'database') return await world.root.query(sql, values)
      const url = new URL(world.url)
      url.pathname = `/${setting.roleOf(level, key)}`
      const client = new (await import('pg')).default.Client(url.href)
      await client.connect()
      try {
        return await client.query(sql, values)
      } finally {
        await client.end()
      }
    },
  }
  beforeAll(async () => {
    await world.root.query(`alter role ${world.adminRole} createdb`)
  })
  afterAll(async () => {
    await Promise.all(open.map((tenancy) => tenancy.close()))
    const { rows } = await world.root.query<{ name: string }>(
      'select datname as name from pg_database where starts_with(datname, $1)',
      [world.rolePrefix],
    )
    for (const { name } of rows) await world.root.query(`drop database "${name}" with (force)`)
  })
  return setting
}
