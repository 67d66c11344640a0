import { isTenancyError } from '@org/core'
import {
  eventually,
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
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest'
import {
  createFleet,
  createTenancy,
  type Fleet,
  type IsolationLevel,
  type MoveOptions,
  type MoveStep,
  type Tenancy,
  type TenancyOptions,
  type TenantDb,
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
  /** Where changes may be followed. */
  readonly started: Readonly<Record<Name, PostgresServer>>
  readonly worlds: Readonly<Record<Name, TestWorld>>
  /** As a process that remembers nothing. */
  open(
    level: IsolationLevel,
    options?: Partial<TenancyOptions>,
    pools?: Readonly<Record<Name, pg.Pool>>,
  ): Opened
  /** The same, every administrator's message to either server passing `onMessage`. */
  openThrough(
    level: IsolationLevel,
    onMessage: WireProxyOptions['onMessage'],
    options?: Partial<TenancyOptions>,
  ): Promise<Opened & { close(): Promise<void> }>
  /**
   * Moves a tenant to `us` in a process that dies at the `at`-th message.
   *
   * @returns what it was told, and how many messages there were
   */
  movedThrough(
    level: IsolationLevel,
    key: string,
    at: number,
    options?: MoveOptions,
  ): Promise<{ error: unknown; messages: number }>
}

/**
 * As SIGKILL: at the `at`-th message that asks something of either server all connections are gone, with that message or
 * behind it, and none can be made.
 */
function dying(at: number) {
  const told = { messages: 0 }
  const onMessage = ({ from, type }: { from: string; type: string }) => {
    if (from !== 'frontend') return 'deliver'
    if (type === 'Parse' || type === 'Query' || type === 'CopyData' || type === 'CopyDone') told.messages++
    if (told.messages < at) return 'deliver'
    return at % 2 === 0 && told.messages === at ? 'cut-after' : 'cut-before'
  }
  return { told, onMessage }
}

/** @param follows whether changes may be followed, and from where: then `eu` is a server of the file's own, too */
export function useServers(follows: false | 'from eu' | 'both ways' = false): Servers {
  const worlds = {} as Record<Name, TestWorld>
  const sealings = { eu: testSealing(), us: testSealing() }
  const apps: Partial<Record<Name, pg.Pool>> = {}
  const opened: Tenancy[] = []
  const started = {} as Record<Name, PostgresServer>
  const start = async (name: Name, settings: Record<string, string> = {}) => {
    started[name] = await startPostgres({ settings })
    return started[name].url
  }
  const logical = { wal_level: 'logical', max_prepared_transactions: '5' }
  const ways: readonly (readonly [Name, Name])[] =
    follows === 'both ways'
      ? [
          ['eu', 'us'],
          ['us', 'eu'],
        ]
      : follows
        ? [['eu', 'us']]
        : []
  beforeAll(async () => {
    const first = follows ? await start('eu', logical) : inject('pgTenantServerUrl' as never)
    worlds.eu = await testWorld({ server: first, createdb: true })
    const second = await start('us', follows === 'both ways' ? logical : {})
    worlds.us = await testWorld({ server: second, createdb: true })
    for (const [from, to] of ways) await allowFollowing(worlds[from], worlds[to])
  })
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') for (const [from] of ways) await forgetFollowing(worlds[from])
  })
  afterAll(async () => {
    await Promise.all(opened.map((tenancy) => tenancy.close()))
    for (const [, to] of ways) {
      const { adminRole, root } = worlds[to]
      await root.query(`revoke set on parameter session_replication_role from ${adminRole}`)
    }
    await worlds.eu.close()
    await worlds.us.close()
    await Promise.all(Object.values(started).map((server) => server.stop()))
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
  const open: Servers['open'] = (level, options, pools) => {
    const of = (name: Name) => at(name, level, { ...options, ...(pools && { pool: pools[name] }) })
    const placements = { eu: of('eu'), us: of('us') }
    return { ...placements, fleet: createFleet({ placements, defaultPlacement: 'eu', waitForMove: 20_000 }) }
  }
  const openThrough: Servers['openThrough'] = async (level, onMessage, options) => {
    const through = async (name: Name) => {
      const world = worlds[name]
      const proxy = await startWireProxy({ target: world.adminUrl, ...(onMessage && { onMessage }) })
      const adminPool = world.pool({ connectionString: proxy.url, max: 3 })
      return { tenancy: at(name, level, { ...options, adminPool }), close: () => proxy.close() }
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
  }
  return {
    started,
    worlds,
    open,
    openThrough,
    movedThrough: async (level, key, at, options) => {
      const { told, onMessage } = dying(at)
      const through = await openThrough(level, onMessage)
      const error = await through.fleet.move(key, 'us', options).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      await through.close()
      return { error, messages: told.messages }
    },
  }
}

/** What `copy: 'replication'` asks of a superuser. */
async function allowFollowing(from: TestWorld, to: TestWorld): Promise<void> {
  await from.root.query(`alter role ${from.adminRole} replication`)
  await to.root.query(`grant set on parameter session_replication_role to ${to.adminRole}`)
}

/** What a try that failed left behind is not what the next one is asked about. */
async function forgetFollowing({ root }: TestWorld): Promise<void> {
  await eventually(async () => {
    await root.query('select pg_terminate_backend(active_pid) from pg_replication_slots where active')
    await root.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active')
    return (await root.query('select from pg_replication_slots')).rows.length === 0
  })
  const { rows } = await root.query('select pubname from pg_publication')
  for (const { pubname } of rows) await root.query(`drop publication "${pubname}"`)
}

let tries = 0
/** A key that no try before has used: one that failed leaves its tenant where it was then. */
export const fresh = (name: string): string => `${name}_${++tries}`

/** A row, at every level. */
export const insert = (to: Pick<Fleet, 'query'>, level: IsolationLevel, key: string, body: string) =>
  level === 'row'
    ? to.query(key, 'insert into notes (tenant_id, body) values ($1, $2)', [key, body])
    : to.query(key, 'insert into notes (body) values ($1)', [body])

export const bodies = async (from: Pick<Fleet, 'query'>, key: string): Promise<string[]> =>
  (await from.query<{ body: string }>(key, 'select body from notes order by id')).rows.map(({ body }) => body)

/** Nothing of a move is left that would hold back the log, or stand in a writer's way. */
export async function nothingLeft({ root }: Pick<TestWorld, 'root'>): Promise<void> {
  // The server notices the end of a connection in its own time.
  await eventually(async () => (await root.query('select from pg_replication_slots')).rows.length === 0)
  expect((await root.query('select pubname from pg_publication')).rows).toEqual([])
}

/**
 * Writes until it is stopped.
 *
 * @param most errors told: whoever is told too much has to stop, for the test has failed by then
 */
export function writers(
  fleet: Pick<Fleet, 'query'>,
  level: IsolationLevel,
  key: string,
  count: number,
  most = 2,
) {
  const stop = new AbortController()
  const acknowledged = new Set<string>()
  /** What was told instead, by what was to be written. */
  const told = new Map<string, string>()
  const write = async (name: string) => {
    for (let n = 0; !stop.signal.aborted && told.size <= most; n++) {
      const body = `${name} ${n}`
      await insert(fleet, level, key, body).then(
        () => acknowledged.add(body),
        (error: unknown) => told.set(body, isTenancyError(error) ? error.code : String(error)),
      )
    }
  }
  const running = Array.from({ length: count }, (_, n) => write(`w${n}`))
  return {
    acknowledged,
    told,
    stop: async () => {
      stop.abort()
      await Promise.all(running)
    },
  }
}

/** Runs a scope that was open before the move and writes when a copy was sent ahead: the move waits for its end. */
export async function whileAhead(
  { fleet, mover = fleet, key, ...options }: { fleet: Fleet; mover?: Fleet; key: string } & MoveOptions,
  work: (db: TenantDb) => Promise<unknown>,
) {
  let go = () => {}
  const isAhead = new Promise<void>((resolve) => {
    go = resolve
  })
  let opened = () => {}
  const isOpen = new Promise<void>((resolve) => {
    opened = resolve
  })
  const scope = fleet.withTenant(
    key,
    async (db) => {
      await db.query('select 1')
      opened()
      await isAhead
      await work(db)
    },
    { idleTimeout: 60_000 },
  )
  await isOpen
  const onProgress = (step: MoveStep) => {
    options.onProgress?.(step)
    if (step === 'ahead') go()
  }
  const moved = mover.move(key, 'us', { copy: 'replication', ...options, onProgress }).finally(go)
  const [outcome] = await Promise.allSettled([moved, scope])
  return outcome.status === 'fulfilled' ? outcome.value : outcome.reason
}
