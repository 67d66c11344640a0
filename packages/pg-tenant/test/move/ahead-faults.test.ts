// @module-tag sampled
import { isTenancyError } from '@org/core'
import { eventually, startWireProxy, type WireDecision, type WireProxyOptions } from '@org/pg-testing'
import { describe, expect, it } from 'vitest'
import type { Fleet, MoveStep } from '../../src/index.ts'
import { inTurn, SLOW } from '../support/sample.ts'
import { bodies, fresh, insert, nothingLeft, useServers, whileAhead, writers } from './servers.ts'

// What goes wrong on either side of a move whose copy was sent ahead. Level role: the two servers are all that matters.

const servers = useServers('both ways')
const ahead = { copy: 'replication' } as const
const level = 'role'
const sql = (name: 'eu' | 'us', text: string) => servers.worlds[name].root.query(text)

async function filled(key: string, fleet: Fleet) {
  await fleet.provision(key, { placement: 'eu' })
  for (const body of ['a', 'b']) await insert(fleet, level, key, body)
}

/** Runs it until nobody is in its way any more: servers notice the end of connections in their own time. */
async function again(fleet: Fleet, key: string, how: Parameters<Fleet['move']>[2] = ahead) {
  let outcome: unknown
  await eventually(async () => {
    outcome = await fleet.move(key, 'us', how).catch((reason: unknown) => reason)
    return !isTenancyError(outcome, 'TIMEOUT') && !isTenancyError(outcome, 'CONNECTION_LOST')
  })
  return outcome
}

const terminate = (who: string) => `select pg_terminate_backend(pid) from pg_stat_activity where ${who}`

const ACCIDENTS: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
  'the server ends the stream of changes': () => sql('eu', terminate(`backend_type = 'walsender'`)),
  'the administrator is cut off where it is': () =>
    sql('eu', terminate(`usename = '${servers.worlds.eu.adminRole}'`)),
  'the administrator is cut off where it goes to': () =>
    sql('us', terminate(`usename = '${servers.worlds.us.adminRole}'`)),
  'the publication is dropped': async () => {
    const { rows } = await sql('eu', 'select pubname from pg_publication')
    for (const { pubname } of rows) await sql('eu', `drop publication ${pubname}`)
  },
  'the copy refuses what was written': (key) =>
    sql('us', `alter table role_${key}.notes add constraint full_up check (body = 'a') not valid`),
  'the copy is gone': (key) => sql('us', `drop schema role_${key} cascade`),
  'the server it is in crashes': () => servers.started.eu.restart('immediate'),
  'the server it goes to crashes': () => servers.started.us.restart('immediate'),
  'the log that is not told yet is removed': async (key: string) => {
    const blocking = await servers.worlds.us.root.connect()
    try {
      await blocking.query(`begin; lock table role_${key}.notes`)
      // By root: a scope would wait for the move if that is closing the tenant by now, which waits for ours.
      await sql('eu', `insert into role_${key}.notes (body) values ('meanwhile')`)
      await sql('eu', `alter system set max_slot_wal_keep_size = '1MB'`)
      await sql('eu', 'select pg_reload_conf()')
      const lost = `select from pg_replication_slots where wal_status in ('reserved', 'extended', 'unreserved')`
      await eventually(async () => {
        await sql('eu', 'select pg_switch_wal() from pg_logical_emit_message(true, $$x$$, $$y$$)')
        await sql('eu', 'checkpoint')
        return (await sql('eu', lost)).rows.length === 0
      })
    } finally {
      await sql('eu', 'alter system reset max_slot_wal_keep_size')
      await sql('eu', 'select pg_reload_conf()')
      blocking.release(true)
    }
  },
}

describe('something dies while a copy is on its way: the tenant is in service where it was, whole, and goes the next time', () => {
  it.each(inTurn(Object.entries(ACCIDENTS), 12))('%s', async (name, happens) => {
    const key = fresh('accident')
    const { eu, us, fleet } = servers.open(level)
    await filled(key, fleet)
    let written: string[] = []
    // A busy machine may take longer for an accident than a move waits for scopes.
    const outcome = await whileAhead({ fleet, key, drain: 60_000 }, async (db) => {
      await happens(key)
      await db.query(`insert into notes (body) values ('c')`).then(
        () => {
          written = ['c']
        },
        () => {},
      )
    })
    expect(outcome).toBeInstanceOf(Error)
    expect(isTenancyError(outcome) ? undefined : outcome).toBeUndefined()
    if (/the stream of changes|the log/.test(name))
      expect(outcome).toMatchObject({ code: 'CONNECTION_LOST', details: { reason: 'log', placement: 'eu' } })
    await eventually(async () => {
      const found = await again(fleet, key, { undo: true })
      return !isTenancyError(found)
    })
    expect(await eu.find(key)).toMatchObject({ status: 'active' })
    const now = await bodies(eu, key)
    expect(now.slice(0, 2)).toEqual(['a', 'b'])
    const said = now.filter((body) => body !== 'meanwhile')
    if (name !== 'the server it is in crashes') expect(said).toEqual(['a', 'b', ...written])
    await insert(fleet, level, key, 'd')
    const moved = await again(fleet, key)
    expect(moved).toMatchObject({ moved: true })
    expect(await bodies(us, key)).toEqual([...now, 'd'])
    await nothingLeft(servers.worlds.eu)
  })
})

it.runIf(SLOW)('two movers at once: one moves it, and the other does not stand in its way', async () => {
  const { us, fleet } = servers.open(level)
  const other = servers.open(level).fleet
  const key = fresh('pair')
  await filled(key, fleet)
  let second: Promise<unknown> | undefined
  const onProgress = (step: MoveStep) => {
    if (step === 'checked')
      second = other.move(key, 'us', { ...ahead, drain: 200 }).catch((error: unknown) => error)
  }
  const outcome = await whileAhead({ fleet, key, onProgress }, async (db) => {
    expect(await second).toMatchObject({ code: 'TIMEOUT' })
    await db.query(`insert into notes (body) values ('c')`)
  })
  expect(outcome).toMatchObject({ moved: true })
  expect(await bodies(us, key)).toEqual(['a', 'b', 'c'])
  await nothingLeft(servers.worlds.eu)
})

/** A mover that is stopped, as by SIGSTOP, from the moment its copy is ahead until it is let go; its lock is lost meanwhile. */
async function stopped(key: string) {
  let go = () => {}
  let held: Promise<'deliver'> | undefined
  const through = await servers.openThrough(level, ({ from }) =>
    held && from === 'frontend' ? held : 'deliver',
  )
  const isHeld = Promise.withResolvers<void>()
  const onProgress = (step: MoveStep) => {
    if (step !== 'ahead') return
    held = new Promise((resolve) => {
      go = () => resolve('deliver')
    })
    isHeld.resolve()
  }
  const outcome = through.fleet.move(key, 'us', { ...ahead, onProgress }).catch((error: unknown) => error)
  await isHeld.promise
  await sql(
    'eu',
    terminate(`state = 'idle in transaction' and query ~ 'idle_in_transaction_session_timeout'`),
  )
  return {
    outcome: () => {
      held = undefined
      go()
      return outcome.finally(() => through.close())
    },
  }
}

it.each(['undone', 'taken-over'])(
  'a mover that was away for long and has lost its lock notices that it was %s',
  { tags: 'slow', timeout: 60_000 },
  async (what) => {
    const { eu, us, fleet } = servers.open(level)
    const key = fresh('away')
    await filled(key, fleet)
    const { outcome } = await stopped(key)
    if (what === 'undone') {
      expect(await fleet.move(key, 'us', { undo: true })).toMatchObject({ undone: true })
      await insert(eu, level, key, 'c')
      expect(await outcome()).toMatchObject({ code: 'CONFLICT' })
    } else {
      let first: unknown
      const second = await whileAhead({ fleet, key }, async (db) => {
        await db.query(`insert into notes (body) values ('c')`)
        first = outcome()
      })
      expect(second).toMatchObject({ moved: true })
      expect(await first).toMatchObject({ code: 'CONFLICT' })
    }
    expect(await (what === 'undone' ? eu : us).find(key)).toMatchObject({ status: 'active' })
    expect(await bodies(fleet, key)).toEqual(['a', 'b', 'c'])
    await nothingLeft(servers.worlds.eu)
  },
)

it.runIf(SLOW)(
  'a move that was killed while its copy was ahead begins anew, and is told what is written meanwhile',
  async () => {
    const { us, fleet } = servers.open(level)
    const key = fresh('anew')
    await filled(key, fleet)
    await sql(
      'eu',
      `insert into tenancy.tenant_move (prefix, key, started_at, state) values ('role_', '${key}', now(),
     jsonb_build_object('startedAt', 'then', 'from', 'eu', 'to', 'us', 'cameFrom', 'active', 'reached', 'ahead', 'rows', 0))`,
    )
    await sql(
      'eu',
      `update tenancy.tenant_move set state = state || '{"startedAt": "2026-01-01"}', started_at = '2026-01-01' where key = '${key}'`,
    )
    const outcome = await whileAhead({ fleet, key }, (db) =>
      db.query(`insert into notes (body) values ('c')`),
    )
    expect(outcome).toMatchObject({ moved: true })
    expect(await bodies(us, key)).toEqual(['a', 'b', 'c'])
    await nothingLeft(servers.worlds.eu)
  },
)

/** Moves in a process that is gone when it has come so far; `spoilt`: a row is missing in the copy. */
async function killedAt(step: MoveStep, key: string, spoilt: boolean) {
  const { fleet } = servers.open(level)
  await filled(key, fleet)
  let dead = false
  const through = await servers.openThrough(level, () => (dead ? 'cut-before' : 'deliver'))
  const onProgress = (at: MoveStep) => {
    dead ||= at === step
  }
  const outcome = await through.fleet
    .move(key, 'us', { ...ahead, onProgress })
    .catch((error: unknown) => error)
  await through.close()
  expect(outcome).toBeInstanceOf(Error)
  if (spoilt) await sql('us', `delete from "role_${key}".notes where body = 'b'`)
}

describe('killed behind the moment that decides: what came is compared all the same', () => {
  const standing = async (key: string) =>
    (await sql('eu', `select status from tenancy.tenant where key = '${key}'`)).rows[0]?.status

  it.each(inTurn(['switched', 'copied'] as const, 2))(
    'at %s: a copy that is not the same is found',
    async (step) => {
      const { us, fleet } = servers.open(level)
      const key = fresh('spoilt')
      await killedAt(step, key, true)
      expect(await again(fleet, key, {})).toMatchObject({
        code: 'INTERNAL_ERROR',
        details: { table: 'notes', found: 1, expected: 2 },
      })
      expect(await us.find(key)).toMatchObject({ status: 'active' })
      expect(await standing(key)).toBe('moved')
      expect((await sql('eu', `select body from "role_${key}".notes order by id`)).rows).toEqual([
        { body: 'a' },
        { body: 'b' },
      ])
      for (const how of [{}, ahead, { lose: ['uncompared'] }])
        expect(await again(fleet, key, how)).toMatchObject({ details: { reason: 'difference' } })
      expect(await again(fleet, key, { lose: ['difference'] })).toMatchObject({ moved: true })
    },
  )

  it.runIf(SLOW).each(['copied', 'switched', 'opened'] as const)(
    'at %s: one that is the same is finished',
    async (step) => {
      const { us, fleet } = servers.open(level)
      const key = fresh('same')
      await killedAt(step, key, false)
      expect(await again(fleet, key)).toMatchObject({ moved: true })
      expect(await bodies(us, key)).toEqual(['a', 'b'])
      expect(await standing(key)).toBe('deleted')
    },
  )

  it.runIf(SLOW)(
    'written to since: it cannot be told, and nothing is taken down until somebody says so',
    async () => {
      const { us, fleet } = servers.open(level)
      const key = fresh('written')
      await killedAt('opened', key, false)
      await insert(us, level, key, 'c')
      for (const how of [{}, ahead, { lose: ['difference'] }])
        expect(await again(fleet, key, how)).toMatchObject({
          code: 'CONFLICT',
          details: { reason: 'uncompared' },
        })
      expect(await standing(key)).toBe('moved')
      expect((await sql('eu', `select body from role_${key}.notes order by id`)).rows).toHaveLength(2)
      // Nor is it taken for another tenant of the key meanwhile.
      await expect(fleet.move(key, 'eu')).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { reason: 'under_way', placement: 'us' },
      })
      expect(await again(fleet, key, { lose: ['uncompared'] })).toMatchObject({ moved: true })
      expect(await standing(key)).toBe('deleted')
      expect(await bodies(fleet, key)).toEqual(['a', 'b', 'c'])
    },
  )
})

it('a table that is emptied right behind the opening is no difference', { tags: 'slow' }, async () => {
  const { us, fleet } = servers.open(level)
  const key = fresh('emptied')
  await filled(key, fleet)
  let emptied: Promise<unknown> | undefined
  let opened = false
  const through = await servers.openThrough(level, async (): Promise<WireDecision> => {
    if (!opened) return 'deliver'
    emptied ??= us.query(key, 'truncate notes')
    await emptied
    return 'deliver'
  })
  const onProgress = (step: MoveStep) => {
    opened ||= step === 'opened'
  }
  const outcome = await through.fleet
    .move(key, 'us', { ...ahead, onProgress })
    .catch((error: unknown) => error)
  await through.close()
  expect(outcome).toMatchObject({ code: 'CONFLICT', details: { reason: 'uncompared' } })
  expect(await us.find(key)).toMatchObject({ status: 'active' })
  expect(await again(fleet, key, { lose: ['uncompared'] })).toMatchObject({ moved: true })
})

it.runIf(SLOW)(
  'writers in a network that loses and delays, there and back: 0 lost, 0 twice, nobody refused what was committed',
  async () => {
    let [seen, late] = [0, 0]
    const onMessage: WireProxyOptions['onMessage'] = async ({ from, type, text }) => {
      if (from === 'backend') return text === 'COMMIT' && ++seen % 17 === 0 ? 'cut-before' : 'deliver'
      if (type !== 'Sync' || ++late % 13 !== 0) return 'deliver'
      if (late % 3 === 0) return 'cut-after'
      await new Promise((resolve) => setImmediate(resolve))
      return 'deliver'
    }
    const proxies: { close(): Promise<void> }[] = []
    const pool = async (name: 'eu' | 'us') => {
      const world = servers.worlds[name]
      const target = Object.assign(new URL(world.url), { username: world.appRole, password: 'app' }).href
      const proxy = await startWireProxy({ target, onMessage })
      proxies.push(proxy)
      return world.pool({ connectionString: proxy.url, max: 4 })
    }
    const { eu, us, fleet } = servers.open(level)
    const faulty = servers.open(level, {}, { eu: await pool('eu'), us: await pool('us') })
    const key = fresh('faulty')
    await filled(key, fleet)
    const { acknowledged, told, stop } = writers(faulty.fleet, level, key, 3, 1_000_000)
    for (const [to, there] of [
      ['us', us],
      ['eu', eu],
    ] as const) {
      const before = acknowledged.size
      await expect.poll(() => acknowledged.size).toBeGreaterThan(before + 30)
      let moved: unknown
      await eventually(async () => {
        moved = await fleet.move(key, to, ahead).catch((error: unknown) => error)
        return !isTenancyError(moved, 'TIMEOUT')
      })
      expect(moved).toMatchObject({ moved: true, to })
      expect(await there.find(key)).toMatchObject({ status: 'active' })
    }
    await stop()
    for (const proxy of proxies) await proxy.close()
    const found = await bodies(eu, key)
    expect([...acknowledged].filter((body) => !found.includes(body))).toEqual([])
    expect(new Set(found).size).toBe(found.length)
    const refused = found.filter(
      (body) => told.get(body) !== undefined && told.get(body) !== 'UNKNOWN_OUTCOME',
    )
    expect(refused).toEqual([])
  },
  90_000,
)

it.runIf(SLOW)(
  'a prepared transaction keeps it from beginning, and one that writes past the scopes from being copied',
  async () => {
    const { eu, us, fleet } = servers.open(level)
    const key = fresh('prepared')
    await filled(key, fleet)
    const prepare = (body: string) =>
      sql('eu', `begin; insert into role_${key}.notes (body) values ('${body}'); prepare transaction 'one'`)
    await prepare('c')
    const soon = { ...ahead, drain: 200 }
    await expect(fleet.move(key, 'us', soon)).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('pg_prepared_xacts'),
    })
    await sql('eu', `commit prepared 'one'`)
    const outcome = await whileAhead({ fleet, key, ...soon }, () => prepare('d'))
    expect(outcome).toMatchObject({ code: 'TIMEOUT' })
    expect(await eu.find(key)).toMatchObject({ status: 'active' })
    await expect(fleet.move(key, 'us', { drain: 200 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    await sql('eu', `commit prepared 'one'`)
    expect(await fleet.move(key, 'us', ahead)).toMatchObject({ moved: true })
    expect(await bodies(us, key)).toEqual(['a', 'b', 'c', 'd'])
  },
)
