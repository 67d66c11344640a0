import pg from 'pg'
import { afterAll, beforeAll, expect } from 'vitest'
import {
  createTenancy,
  type IsolationLevel,
  type Migration,
  type Tenancy,
  type TenancyOptions,
} from '../../src/index.ts'
import { testSealing } from '../levels/setting.ts'
import { SLOW } from '../support/sample.ts'
import { type CrashServer, type Moment, startCrashServer } from './crash-server.ts'

export const LEVELS: readonly IsolationLevel[] = ['schema', 'role', 'login', 'row', 'database']
/** Tenants are made ahead at these. */
export const READY_LEVELS: readonly IsolationLevel[] = ['schema', 'role', 'login']

/** Two migrations, so that there is a place between them. */
export const HISTORY: readonly Migration[] = [
  { id: '0001_notes', sql: 'create table notes (body text not null)' },
  {
    id: '0002_tags',
    sql: 'create table tags (name text not null); create index idx_tags_name on tags (name)',
  },
]
/** The same where tenants share their tables. */
const SHARED: readonly Migration[] = [
  {
    id: '0001_notes',
    sql: 'create table notes (tenant_id text not null, body text not null); create index on notes (tenant_id)',
  },
  {
    id: '0002_tags',
    sql: 'create table tags (tenant_id text not null, name text not null); create index on tags (tenant_id)',
  },
]

export const historyOf = (level: IsolationLevel): readonly Migration[] => (level === 'row' ? SHARED : HISTORY)

/** One level's own database, application and administrator, so that `doctor` sees this level's tenants and no others. */
export interface Ground {
  readonly level: IsolationLevel
  /** A superuser, in the database of this level's control schema. */
  readonly root: pg.Pool
  tenancy(options?: Partial<TenancyOptions>): Tenancy
  /** The same, but what its administrator sends can have the server killed. */
  doomed(options?: Partial<TenancyOptions>): Tenancy
  /** What there is on the server, by the catalogue. */
  standing(): Promise<Standing>
}

export interface Standing {
  readonly schemas: number
  readonly roles: number
  readonly databases: number
  /** Tenants that are not tombstones. */
  readonly rows: number
}

export interface CrashWorld {
  readonly server: CrashServer
  /** A pool as that user; ended with the file. */
  open(url: string, user: string, database: string, max?: number): pg.Pool
  ground(level: IsolationLevel, name: string): Promise<Ground>
}

/** A server for the file. */
export function useCrashWorld(): CrashWorld {
  takeTurns()
  const pools: pg.Pool[] = []
  const tenancies: Tenancy[] = []
  const world: { server?: CrashServer } = {}
  const open: CrashWorld['open'] = (url, user, database, max = 4) => {
    const as = new URL(url)
    as.username = user
    as.pathname = `/${database}`
    const pool = new pg.Pool({ connectionString: as.href, max })
    // The server dies under them.
    pool.on('error', () => {})
    pool.on('connect', (client) => client.on('error', () => {}))
    pools.push(pool)
    return pool
  }
  const crashWorld: CrashWorld = {
    get server() {
      if (!world.server) throw new Error('there is a server only while tests run')
      return world.server
    },
    open,
    ground: (level, name) => makeGround(crashWorld, level, name, tenancies),
  }
  beforeAll(async () => {
    world.server = await startCrashServer()
  })
  afterAll(async () => {
    await Promise.all(tenancies.map((one) => one.close()))
    await Promise.all(pools.map((pool) => pool.end()))
    await world.server?.stop()
  })
  return crashWorld
}

async function makeGround(
  { open, server }: CrashWorld,
  level: IsolationLevel,
  name: string,
  tenancies: Tenancy[],
): Promise<Ground> {
  const [database, app, adm, prefix] = [name, `app_${name}`, `adm_${name}`, `${name}_`]
  const maker = open(server.url, 'postgres', 'postgres', 1)
  await maker.query(`create database ${database}`)
  const root = open(server.url, 'postgres', database, 2)
  // As deploy/bootstrap.sql leaves it, so that doctor has nothing to say.
  await root.query(`
    create role ${app} login noinherit;
    create role ${adm} login createrole createdb;
    revoke all on database ${database} from public;
    grant connect on database ${database} to ${app};
    grant connect on database ${database} to ${adm} with grant option;
    grant create on database ${database} to ${adm};
    revoke all on schema public from public;
    grant usage on schema public to public`)
  const [pool, adminPool, sealing] = [
    open(server.url, app, database),
    open(server.url, adm, database),
    testSealing(),
  ]
  const tenancy: Ground['tenancy'] = (options = {}) => {
    const made = createTenancy({
      isolation: level,
      schemaPrefix: prefix,
      rolePrefix: prefix,
      pool,
      adminPool,
      migrations: historyOf(level),
      ...(level === 'login' || level === 'database' ? { credentials: sealing } : {}),
      ...options,
    })
    tenancies.push(made)
    return made
  }
  return {
    level,
    root,
    tenancy,
    doomed: (options = {}) => tenancy({ adminPool: open(server.mortalUrl, adm, database), ...options }),
    standing: async () => (await root.query<Standing>(STANDING, [prefix])).rows[0] as Standing,
  }
}

const STANDING = `select
  (select count(*) from pg_namespace where starts_with(nspname, $1))::int as schemas,
  (select count(*) from pg_roles where starts_with(rolname, $1))::int as roles,
  (select count(*) from pg_database where starts_with(datname, $1))::int as databases,
  (select count(*) from tenancy.tenant where prefix = $1 and status <> 'deleted')::int as rows`

/** Points of each piece of work at which the server is killed in the slow set. */
const SAMPLE = 4
/** A message and when at it the server dies. */
export interface Point {
  readonly at: number
  readonly moment: Moment
}
const MOMENTS: readonly Moment[] = ['during', 'after', 'before']

let turn = 0
/** Begins anew with the file, which may share its process with others. */
const takeTurns = () => {
  turn = 0
}

/**
 * The points at which work of `messages` messages is cut. In the slow set (`TEST_SLOW`) the first, the last, and some between, each
 * kind of moment in turn, else one of them: in the middle, the last, the first, in turn over work and levels. With
 * `TEST_FAULTS=all` every message at every moment.
 */
export function pointsOf(messages: number): Point[] {
  const every = Array.from({ length: messages }, (_, index) => index + 1)
  if (process.env.TEST_FAULTS === 'all')
    return every.flatMap((at) => MOMENTS.map((moment) => ({ at, moment })))
  const one = turn++
  const sample = [Math.ceil(messages / 2), messages, 1][one % 3] ?? messages
  // The last message is the last COMMIT as a rule: its answer lost is the point that matters most.
  return [...new Set(SLOW ? spread(messages) : [sample])].map((at, index) => ({
    at,
    moment: at === messages ? 'after' : (MOMENTS[(SLOW ? index : one) % MOMENTS.length] ?? 'during'),
  }))
}

function spread(messages: number): number[] {
  const step = Math.max(1, (messages - 1) / (SAMPLE - 1))
  return Array.from({ length: Math.min(SAMPLE, messages) }, (_, index) => 1 + Math.round(index * step))
}

/** How many messages with statements a piece of work takes when nothing happens to it. */
export async function countMessages(world: CrashWorld, work: () => Promise<unknown>): Promise<number> {
  world.server.disarm()
  await work()
  return world.server.passed()
}

/**
 * Runs `work` and has the server killed in it.
 *
 * @returns `done` when it was acknowledged all the same, else the code it failed with
 */
export async function crashIn(
  world: CrashWorld,
  { at, moment }: Point,
  work: () => Promise<unknown>,
): Promise<string> {
  world.server.arm(at, moment)
  const outcome = await work().then(
    () => 'done',
    (error: { code: string }) => error.code,
  )
  expect(await world.server.crashed(), `message ${at} ${moment}: the server was killed`).toBe(true)
  expect(ACCEPTABLE, `message ${at} ${moment}`).toContain(outcome)
  return outcome
}

/** What a caller may be told when the server dies: nothing that says it was done when it was not, and nothing uncoded. */
const ACCEPTABLE = ['done', 'CONNECTION_LOST', 'UNKNOWN_OUTCOME']

/** Nothing is wrong with the level's tenants, as far as `doctor` can look there. */
export async function expectHealthy(tenancy: Tenancy): Promise<void> {
  const diagnosis = await tenancy.doctor().catch((error: { code?: string }) => {
    if (error.code === 'INVALID_OPTION') return undefined
    throw error
  })
  if (diagnosis) expect(diagnosis.findings.filter(({ severity }) => severity !== 'notice')).toEqual([])
}
