import { type Migration, parseTenantKey, type TenantKey } from '@org/core'
import type { IsolationLevel, Tenancy, TenancyOptions } from '@org/pg-tenant'
import { uniqueName } from '@org/pg-testing'
import type pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { installOutbox, OUTBOX_DATABASE_MIGRATION, type Outbox, outbox } from '../../src/outbox/index.ts'
import { levelsInTurn } from './levels.ts'
import { notesAt, type Setting, useSetting } from './world.ts'

export const acme: TenantKey = parseTenantKey('acme')
export const globex: TenantKey = parseTenantKey('globex')

/** Those of this set with one outbox for all tenants of a database. */
export const SHARED_LEVELS_IN_TURN = levelsInTurn('role').filter((level) => level !== 'database')

export interface OutboxWorld {
  readonly setting: Setting
  readonly tenancy: Tenancy
  readonly events: Outbox
  /** A pool of the worker: a role of its own, owner of nothing. */
  readonly control: pg.Pool
  readonly controlUrl: string
  readonly workerRole: string
}

/** Two tenants of a level, an outbox, and a worker's role. */
export function useOutbox(
  level: IsolationLevel = 'role',
  options: Partial<TenancyOptions> = {},
  more: readonly Migration[] = [],
): OutboxWorld {
  const setting = useSetting()
  const made: { world?: OutboxWorld } = {}
  const workerRole = uniqueName('wrk')
  beforeAll(async () => {
    const { world } = setting
    const migrations = [notesAt(level), ...(level === 'database' ? [OUTBOX_DATABASE_MIGRATION] : []), ...more]
    const tenancy = setting.tenancy(level, { migrations, ...options })
    for (const tenant of [acme, globex]) await tenancy.provision(tenant)
    await world.root.query(`create role ${workerRole} login noinherit password 'worker'`)
    await installOutbox(world.admin, {
      isolation: level,
      rolePrefix: `${world.rolePrefix}${level}_`,
      schemaPrefix: `${level}_`,
      application: world.appRole,
      workers: [workerRole],
    })
    const url = new URL(world.url)
    url.username = workerRole
    url.password = 'worker'
    made.world = {
      setting,
      tenancy,
      events: outbox({ isolation: level }),
      control: world.pool({ connectionString: url.href, max: 6 }),
      controlUrl: url.href,
      workerRole,
    }
  })
  afterAll(async () => {
    // Its rights go with the database; the role is the server's.
    const { world } = setting
    await made.world?.control.end()
    await world.root.query(`drop owned by ${workerRole}; drop role ${workerRole}`)
  })
  return new Proxy({} as OutboxWorld, { get: (_, name) => Reflect.get(made.world ?? {}, name) })
}
