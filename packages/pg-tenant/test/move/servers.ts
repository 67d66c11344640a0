import {
  type PostgresServer,
  startPostgres,
  startWireProxy,
  type TestWorld,
  testSealing,
  testWorld,
  type WireProxyOptions,
} from '@org/pg-testing'
import { notesAt } from '@org/pg-testing/vitest'
import type pg from 'pg'
import { afterAll, beforeAll, inject } from 'vitest'
import {
  createFleet,
  createTenancy,
  type Fleet,
  type IsolationLevel,
  type Tenancy,
  type TenancyOptions,
} from '../../src/index.ts'

export type Name = 'eu' | 'us'

/** A fleet and its tenancies. */
export interface Opened {
  readonly eu: Tenancy
  readonly us: Tenancy
  readonly fleet: Fleet<Tenancy>
}

/** Two clusters, each a server of its own. */
export interface Servers {
  readonly worlds: Readonly<Record<Name, TestWorld>>
  /** As a process that remembers nothing. */
  open(level: IsolationLevel, options?: Partial<TenancyOptions>): Opened
  /** The same, every administrator's message to either server passing `onMessage`. */
  openThrough(
    level: IsolationLevel,
    onMessage: WireProxyOptions['onMessage'],
  ): Promise<Opened & { close(): Promise<void> }>
}

export function useServers(): Servers {
  const worlds = {} as Record<Name, TestWorld>
  const sealings = { eu: testSealing(), us: testSealing() }
  const apps: Partial<Record<Name, pg.Pool>> = {}
  const opened: Tenancy[] = []
  let second: PostgresServer | undefined
  beforeAll(async () => {
    second = await startPostgres()
    worlds.eu = await testWorld({ server: inject('pgTenantServerUrl' as never), createdb: true })
    worlds.us = await testWorld({ server: second.url, createdb: true })
  })
  afterAll(async () => {
    await Promise.all(opened.map((tenancy) => tenancy.close()))
    await worlds.eu.close()
    await worlds.us.close()
    await second?.stop()
  })
  const at = (name: Name, level: IsolationLevel, options: Partial<TenancyOptions> = {}): Tenancy => {
    const world = worlds[name]
    const direct = Object.assign(new URL(world.url), { username: world.appRole, password: 'app' }).href
    apps[name] ??= world.pool({ connectionString: direct, max: 8 })
    const tenancy = createTenancy({
      pool: apps[name],
      adminPool: world.admin,
      isolation: level,
      schemaPrefix: `${level}_`,
      rolePrefix: `${world.rolePrefix}${level}_`,
      migrations: [notesAt(level)],
      ...(level === 'login' || level === 'database' ? { credentials: sealings[name] } : {}),
      ...options,
    })
    opened.push(tenancy)
    return tenancy
  }
  const open: Servers['open'] = (level, options) => {
    const placements = { eu: at('eu', level, options), us: at('us', level, options) }
    return { ...placements, fleet: createFleet({ placements, defaultPlacement: 'eu', waitForMove: 20_000 }) }
  }
  return {
    worlds,
    open,
    openThrough: async (level, onMessage) => {
      const through = async (name: Name) => {
        const world = worlds[name]
        const proxy = await startWireProxy({ target: world.adminUrl, ...(onMessage && { onMessage }) })
        const adminPool = world.pool({ connectionString: proxy.url, max: 3 })
        return { tenancy: at(name, level, { adminPool }), close: () => proxy.close() }
      }
      const [eu, us] = [await through('eu'), await through('us')]
      const placements = { eu: eu.tenancy, us: us.tenancy }
      return {
        ...placements,
        fleet: createFleet({ placements }),
        close: async () => {
          await eu.close()
          await us.close()
        },
      }
    },
  }
}

/** A row, at every level. */
export const insert = (to: Pick<Fleet, 'query'>, level: IsolationLevel, key: string, body: string) =>
  level === 'row'
    ? to.query(key, 'insert into notes (tenant_id, body) values ($1, $2)', [key, body])
    : to.query(key, 'insert into notes (body) values ($1)', [body])

export const bodies = async (from: Pick<Fleet, 'query'>, key: string): Promise<string[]> =>
  (await from.query<{ body: string }>(key, 'select body from notes order by id')).rows.map(({ body }) => body)
