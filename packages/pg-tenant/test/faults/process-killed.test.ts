// @module-tag sampled
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import type { IsolationLevel, Migration } from '../../src/index.ts'
import { killedAdmin } from '../levels/killed.ts'
import { useSetting } from '../levels/setting.ts'
import { looksAt, stepOf } from '../support/sample.ts'
import { codeOf, eventually } from '../support/world.ts'
import { historyOf } from './crash-world.ts'

// Levels login and database: test/levels/faults.test.ts.
const LEVELS = ['schema', 'role', 'row'] as const
const setting = useSetting()
/** More statements than any of this takes. */
const MANY = 200
/** An odd one: the connection goes before and after statements in turn. `TEST_FAULTS=all` takes every statement. */
const STEP = stepOf(3, 11)

const tenancyOf = (level: IsolationLevel, options: object = {}) =>
  setting.tenancy(level, {
    migrations: historyOf(level),
    ...(level === 'row' && { row: { schema: 'shared' } }),
    ...options,
  })

/** The server has noticed that a process is gone, and finished or undone what it was at. */
const settled = () =>
  eventually(async () => {
    const { rowCount } = await setting.world.root.query(
      `select from pg_stat_activity where usename = $1 and state <> 'idle'`,
      [setting.world.adminRole],
    )
    return rowCount === 0
  })

/** Runs work with an administrator whose process is killed at one statement after the other, until it is killed no more. */
async function atEveryStatement(
  level: IsolationLevel,
  fn: (
    at: number,
    work: (name: 'provision' | 'drop' | 'suspend', key: string) => Promise<string>,
  ) => Promise<void>,
): Promise<number> {
  for (let at = 1; at < MANY; at += STEP) {
    const { pool, killed } = killedAdmin(setting, at)
    const doomed = tenancyOf(level, { adminPool: pool })
    await fn(at, async (name, key) => {
      const outcome = await doomed[name](key).then(
        () => 'done',
        (error: { code: string }) => error.code,
      )
      await pool.end().catch(() => {})
      await settled()
      return outcome
    })
    if (!killed()) return at
  }
  throw new Error('it takes more statements than that')
}

describe.each(LEVELS.filter((level) => looksAt(level, 'role')))(
  'a process that is killed, level %s',
  (level) => {
    it('at any statement of provision: the next call completes the tenant', async () => {
      const sound = tenancyOf(level)
      await sound.provision('first')
      const statements = await atEveryStatement(level, async (at, work) => {
        const outcome = await work('provision', `p${at}`)
        expect(['CONNECTION_LOST', 'UNKNOWN_OUTCOME', 'done'], `statement ${at}`).toContain(outcome)
        if (outcome === 'done') await sound.query(`p${at}`, 'select 1')
        await sound.provision(`p${at}`)
        expect((await sound.query(`p${at}`, 'select * from tags')).rows, `statement ${at}`).toEqual([])
        expect(await sound.find(`p${at}`)).toMatchObject({ status: 'active' })
      })
      expect(statements).toBeGreaterThan(8)
    })

    it('at any statement of drop: it is whole or gone, and the next call finishes', async () => {
      const sound = tenancyOf(level)
      const statements = await atEveryStatement(level, async (at, work) => {
        const key = `d${at}`
        await sound.provision(key)
        await sound.query(key, `insert into notes (body) values ('mine')`)
        const outcome = await work('drop', key)
        const { status } = (await sound.find(key)) ?? {}
        if (outcome === 'done') expect(status, `statement ${at}`).toBe('deleted')
        // Never half of it: in service with all it had, or out of it.
        if (status === 'active') {
          const { rows } = await sound.query(key, 'select body from notes')
          expect(rows, `statement ${at}`).toEqual([{ body: 'mine' }])
        }
        await sound.drop(key)
        expect(await sound.find(key)).toMatchObject({ status: 'deleted' })
        expect(await codeOf(sound.query(key, 'select 1'))).toMatch(/^(SCHEMA_MISSING|TENANT_NOT_FOUND)$/)
      })
      expect(statements).toBeGreaterThan(8)
    })

    it('at any statement of suspend: in service or suspended, and the registry says which', async () => {
      const sound = tenancyOf(level)
      await sound.provision('switched')
      await atEveryStatement(level, async (at, work) => {
        const outcome = await work('suspend', 'switched')
        const { status } = (await sound.find('switched')) ?? {}
        if (outcome === 'done') expect(status).toBe('suspended')
        const answer = await sound.query('switched', 'select 1').then(
          () => 'active',
          (error: { code: string }) => error.code,
        )
        expect(answer, `statement ${at}`).toBe(status === 'suspended' ? 'TENANT_SUSPENDED' : 'active')
        await sound.resume('switched')
      })
    })
  },
)

/**
 * An administrator who is told FATAL in answer to the COMMIT of a change, which has taken effect: so it is when the server
 * is told to end the session while it waits for its standby.
 */
function endedAtCommit(): pg.Pool {
  class EndedClient extends pg.Client {
    #changed = false
    // pg's own overloads are kept: what is passed on is what came.
    override query = ((...args: Parameters<pg.Client['query']>) => {
      const text = String(args[0])
      if (text.includes('suspended_reason = $4')) this.#changed = true
      const answer: unknown = pg.Client.prototype.query.apply(this, args)
      if (text !== 'commit' || !this.#changed) return answer
      return (answer as Promise<unknown>).then(async () => {
        await super.query('select pg_terminate_backend(pg_backend_pid())')
      })
    }) as pg.Client['query']
  }
  const pool = new pg.Pool({
    connectionString: setting.world.adminUrl,
    max: 2,
    Client: EndedClient,
  } as pg.PoolConfig)
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** A migration that goes on until its session is ended, as a server that is shut down does. */
const LONG: Migration = { id: '0003_long', sql: 'select pg_sleep(60)' }
const endLong = () =>
  eventually(async () => {
    const { rows } = await setting.world.root.query<{ ended: number }>(
      `select count(pg_terminate_backend(pid))::int as ended from pg_stat_activity
       where usename = $1 and state = 'active' and wait_event = 'PgSleep'`,
      [setting.world.adminRole],
    )
    return rows[0]?.ended === 1
  })

describe.each(['schema', 'role', 'login', 'database'] as const)(
  'a session the server ends, level %s',
  (level) => {
    it('is a connection that was lost, not a statement that was refused, and nothing is half made', async () => {
      const doomed = tenancyOf(level, {
        migrations: [...historyOf(level), LONG],
        schemaPrefix: `f_${level}_`,
        rolePrefix: `${setting.world.rolePrefix}f${level}_`,
      })
      const outcome = codeOf(doomed.provision('acme'))
      await endLong()
      expect(await outcome).toBe('CONNECTION_LOST')
      expect(await doomed.find('acme')).toEqual(
        level === 'database' ? expect.objectContaining({ status: 'provisioning' }) : undefined,
      )
      const sound = tenancyOf(level, {
        schemaPrefix: `f_${level}_`,
        rolePrefix: `${setting.world.rolePrefix}f${level}_`,
      })
      await sound.provision('acme')
      expect((await sound.query('acme', 'select * from tags')).rows).toEqual([])
    })

    it('at COMMIT may or may not have committed, and that is said', async () => {
      const sound = tenancyOf(level)
      await sound.provision('before')
      const pool = endedAtCommit()
      const doomed = tenancyOf(level, { adminPool: pool })
      const code = await codeOf(doomed.suspend('before'))
      await pool.end().catch(() => {})
      expect(code).toBe('UNKNOWN_OUTCOME')
      expect(await sound.find('before')).toMatchObject({ status: 'suspended' })
    })
  },
)
