// @module-tag sampled
import { createReadStream } from 'node:fs'
import { Readable, Writable } from 'node:stream'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { IsolationLevel, TenancyOptions } from '../../src/index.ts'
import { useFolder } from '../archive/support.ts'
import { useSetting } from '../levels/setting.ts'
import { SLOW } from '../support/sample.ts'
import { eventually } from '../support/world.ts'

// Nobody waits for what is done to another tenant. Every call is stopped where it has done the most and holds its locks; meanwhile
// a neighbour reads, writes and changes its tables, and somebody reads what refers to them and what all refer to, none of which may
// wait for a lock for a tenth of a second. The other way round, calls go through while the neighbour's transaction holds its own.

const setting = useSetting()
const { world } = setting
const folder = useFolder()
const NOTES = {
  id: '0001',
  sql: `create table notes (id int generated always as identity primary key, body text, country text references public.countries)`,
}

const WAITING = (kind: string) => `select from pg_locks where not granted and locktype = '${kind}' and pid in
  (select pid from pg_stat_activity where datname = current_database())`

beforeAll(() =>
  world.root.query(`create table public.countries (code text primary key); insert into public.countries values ('br'), ('pt');
    grant select, references on public.countries to public`),
)

describe.each<IsolationLevel>(SLOW ? ['role', 'schema', 'login'] : ['role'])('level %s', (level) => {
  const near = `${level}_near`
  const own = `${level}_own`
  const sharedTables = [{ name: 'countries', references: true }]
  const options: Partial<TenancyOptions> = { migrations: [NOTES], allowSchemas: ['public'], sharedTables }
  const tenancyWith = (more: Partial<TenancyOptions> = {}) => setting.tenancy(level, { ...options, ...more })
  const archive = () => folder.path(`${level}-own`)
  let others: pg.Client

  beforeAll(async () => {
    const tenancy = tenancyWith()
    for (const key of ['near', 'own']) await tenancy.provision(key)
    const rows = `select md5(i::text) || repeat('x', 9000), 'br' from generate_series(1, 200) i`
    await tenancy.query('own', `insert into notes (body, country) ${rows}`)
    await tenancy.backup('own', { to: archive(), compression: 'none' })
    await world.root.query(`create or replace view public.seen as select body from ${near}.notes`)
    await world.root.query(`create schema legacy authorization ${world.adminRole}; set role ${world.adminRole}; set search_path to legacy, public;
      ${NOTES.sql}; reset role; reset search_path`)
    others = new pg.Client(world.url)
    await others.connect()
  })
  afterAll(async () => {
    await others.end()
    await world.root.query('drop view public.seen')
    await tenancyWith().drop('legacy')
  })

  const OF_NEIGHBOUR = [
    `select count(*) from ${near}.notes`,
    `insert into ${near}.notes (body) values ('x')`,
    `alter table ${near}.notes add column more int`,
    `create table ${near}.made (id int references ${near}.notes)`,
    'select count(*) from public.seen',
  ]
  const OF_ALL = [
    'select count(*) from public.countries',
    `insert into ${near}.notes (country) values ('pt')`,
  ]
  const lives = async (statements: readonly string[]) => {
    await others.query(`begin; set local lock_timeout = '100ms'`)
    for (const sql of statements) await others.query(sql)
  }

  /** Runs it up to where it waits for `stopped`, lets the others live there, and lets it go on. */
  const stopping = async (call: (stop: () => Promise<void>) => Promise<unknown>) => {
    const [reached, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const running = call(() => {
      reached.resolve()
      return go.promise
    })
    running.catch(reached.reject)
    await reached.promise
    await lives([...OF_NEIGHBOUR, ...OF_ALL]).finally(async () => {
      await others.query('rollback')
      go.resolve()
    })
    await running
  }
  const slowly = (stop: () => Promise<void>) =>
    Readable.from(
      (async function* () {
        let pieces = 0
        for await (const piece of createReadStream(archive())) {
          if (++pieces === 3) await stop()
          yield piece
        }
      })(),
    )

  const STOPPED: Readonly<Record<string, (stop: () => Promise<void>) => Promise<unknown>>> = {
    provision: (stop) => tenancyWith({ onProvision: stop }).provision('new'),
    migrate: async (stop) => {
      // It waits for a row of its own tenant, when its table refers to what all refer to.
      const row = new pg.Client(world.url)
      await row.connect()
      await row.query(`begin; select from ${own}.notes where id = 1 for update`)
      const sql =
        'create table more (c text references public.countries); update notes set body = body where id = 1'
      const migrations = [NOTES, { id: '0002', sql }]
      const running = tenancyWith({ migrations }).migrate({ only: ['own'], lockTimeout: 60_000, attempts: 1 })
      await eventually(async () => (await world.root.query(WAITING('transactionid'))).rowCount === 1)
      await stop().finally(() => row.end())
      await running
      await world.root.query(`drop table ${own}.more; delete from ${own}._tenant_migration where id = '0002'`)
    },
    backup: (stop) => {
      const to = new Writable({ write: (_piece, _encoding, done) => void stop().then(() => done()) })
      return tenancyWith().backup('own', { to, compression: 'none' })
    },
    'a restore under another key': (stop) => tenancyWith().restore('copy', { from: slowly(stop) }),
    'a restore that replaces': (stop) =>
      tenancyWith().restore('copy', { from: slowly(stop), force: 'replace' }),
    drop: (stop) => tenancyWith({ onForget: stop }).drop('copy'),
    'a claim of one made ahead': async (stop) => {
      await tenancyWith().ready.fill(1)
      expect(
        await tenancyWith({ onProvision: stop }).provision('claimed', { fromReady: true }),
      ).toMatchObject({ claimed: true })
    },
    adopt: async (stop) => {
      // It waits for the schema that it takes over, when it holds all it has taken before.
      const busy = new pg.Client(world.url)
      await busy.connect()
      await busy.query('begin; select from legacy.notes')
      const running = tenancyWith().adopt('legacy', {
        schema: 'legacy',
        baseline: NOTES.id,
        lockTimeout: 60_000,
        maxLockTime: 60_000,
      })
      await eventually(async () => (await world.root.query(WAITING('relation'))).rowCount === 1)
      await stop().finally(() => busy.end())
      await running
    },
    offboard: (stop) => {
      const backup = { to: folder.path(`${level}-last`) }
      return tenancyWith({ onForget: stop }).offboard('new', { confirm: 'new', backup })
    },
  }
  it.each(Object.entries(STOPPED))('nobody waits for %s', (_name, call) => stopping(call))

  it('(control) a schema that is dropped before the archive has arrived keeps everybody waiting', async () => {
    const obvious = new pg.Client(world.url)
    await obvious.connect()
    await obvious.query(`begin; drop schema ${own} cascade`)
    await expect(lives(OF_ALL)).rejects.toMatchObject({ code: '55P03' })
    await others.query('rollback')
    await obvious.end()
  })

  const THROUGH: Readonly<Record<string, () => Promise<unknown>>> = {
    provision: () => tenancyWith().provision('other'),
    backup: () => tenancyWith().backup('own', { to: folder.path(`${level}-held`) }),
    export: () => tenancyWith().export('own', { to: folder.path(`${level}-held-export`) }),
    'undoing an adoption': () => tenancyWith().undoAdoption('legacy'),
    adopt: () => tenancyWith().adopt('legacy', { schema: 'legacy', baseline: NOTES.id }),
    suspend: () => tenancyWith().suspend('own'),
    resume: () => tenancyWith().resume('own'),
    'a restore that replaces': () =>
      tenancyWith().restore('other', { from: folder.path(`${level}-held`), force: 'replace' }),
    offboard: () =>
      tenancyWith().offboard('other', { confirm: 'other', backup: { to: folder.path(`${level}-gone`) } }),
    drop: () => tenancyWith().drop('own'),
  }
  it.each(Object.entries(THROUGH))('%s waits for nothing of a neighbour’s', async (_name, call) => {
    await lives(OF_NEIGHBOUR)
    await call().finally(() => others.query('rollback'))
  })

  const REFERRING: Readonly<Record<string, () => Promise<unknown>>> = {
    'a restore that replaces': () =>
      tenancyWith().restore('last', { from: folder.path(`${level}-held`), force: 'replace' }),
    drop: () => tenancyWith().drop('last'),
  }
  it.each(Object.entries(REFERRING))(
    'nobody stands in line behind %s for what its tables refer to',
    async (_name, call) => {
      await tenancyWith().provision('last')
      // Somebody reads it for long: with it goes a foreign key, and for that it takes the table for itself.
      await others.query('begin; select count(*) from public.countries')
      const running = call()
      running.catch(() => {})
      await eventually(async () => (await world.root.query(IN_LINE)).rowCount !== 0)
      for (let times = 0; times < 10; times++)
        await world.root.query(
          `begin; set local lock_timeout = '4s'; select count(*) from public.countries; commit`,
        )
      await others.query('rollback')
      await running
    },
  )
})

const IN_LINE = `select from pg_locks where not granted and relation = 'public.countries'::regclass
  and database = (select oid from pg_database where datname = current_database())`
