// @module-tag sampled
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isTenancyError } from '@org/core'
import { startWireProxy } from '@org/pg-testing'
import { describe, expect, it } from 'vitest'
import { createFleet, type Fleet, type Tenancy, type TenancyOptions } from '../../src/index.ts'
import { ALL_SUBJECTS, notesAt, useSetting } from '../levels/setting.ts'
import { hasTurn, SLOW } from '../support/sample.ts'
import { codeOf } from '../support/world.ts'

// Two databases stand for two clusters: nothing is shared between their registries.
const settings = { eu: useSetting(), us: useSetting() }
type Name = keyof typeof settings

const forgotten: string[] = []

function open(level: (typeof ALL_SUBJECTS)[number]['level'], options: Partial<TenancyOptions> = {}) {
  const at = (name: Name) =>
    settings[name].tenancy(level, {
      migrations: [notesAt(level)],
      onForget: async (_, tenant) => forgotten.push(tenant),
      ...options,
    })
  const placements = { eu: at('eu'), us: at('us') }
  return { ...placements, fleet: createFleet({ placements, defaultPlacement: 'eu' }) }
}

/** Rows by what they say, at every level. */
const insert = (tenancy: Pick<Fleet, 'query'>, level: string, key: string, body: string) =>
  level === 'row'
    ? tenancy.query(key, 'insert into notes (tenant_id, body) values ($1, $2)', [key, body])
    : tenancy.query(key, 'insert into notes (body) values ($1)', [body])

/** A scope that has passed its check and whose COMMIT is held in the network until it is released. */
async function lateCommit(level: (typeof ALL_SUBJECTS)[number]['level'], key: string) {
  let [armed, binds] = [false, 0]
  let release: (() => void) | undefined
  const proxy = await startWireProxy({
    target: settings.eu.directUrl,
    onMessage: ({ from, type }) => {
      // Behind COMMIT's Bind the check has passed.
      if (!armed || from !== 'frontend' || type !== 'Bind' || ++binds < 2) return 'deliver'
      armed = false
      return new Promise((resolve) => {
        release = () => resolve('deliver')
      })
    },
  })
  const slow = settings.eu.tenancy(level, {
    migrations: [notesAt(level)],
    pool: settings.eu.world.pool({ connectionString: proxy.url, max: 1 }),
  })
  await settings.eu.tenancy(level, { migrations: [notesAt(level)] }).provision(key)
  await slow.query(key, 'select 1')
  const late = slow.withTenant(key, async (db) => {
    const shared = level === 'row'
    await db.query(
      shared ? 'insert into notes (tenant_id, body) values ($1, $2)' : 'insert into notes (body) values ($1)',
      shared ? [key, 'late'] : ['late'],
    )
    armed = true
    binds = 0
  })
  await expect.poll(() => release).toBeDefined()
  return {
    late: late.finally(() => proxy.close()),
    release: () => release?.(),
  }
}

describe.each(ALL_SUBJECTS)('level $level', ({ level }) => {
  const key = `mover-${level}`

  it.runIf(hasTurn(level, ['role']))(
    'moves under traffic: nothing that was acknowledged is lost, nothing is there twice',
    async () => {
      const { eu, us, fleet } = open(level)
      await fleet.provision(key, { plan: 'pro', placement: 'eu' })
      const stranger = () => open(level).fleet
      const stop = new AbortController()
      const [acknowledged, told]: [string[], Set<string>] = [[], new Set()]
      const writer = async (fleets: () => Fleet<Tenancy>, name: string) => {
        for (let n = 0; !stop.signal.aborted; n++) {
          const body = `${name} ${n}`
          await insert(fleets(), level, key, body).then(
            () => acknowledged.push(body),
            (error: unknown) => told.add(isTenancyError(error) ? error.code : String(error)),
          )
        }
      }
      const one = stranger()
      const writers = (SLOW ? [0, 1, 2] : [0]).map((n) => writer(() => fleet, `known ${n}`))
      const others = [0, 1].map((n) =>
        writer(() => (n === 0 ? one : createFleet({ placements: { eu, us } })), `new ${n}`),
      )
      await expect.poll(() => acknowledged.length).toBeGreaterThan(20)
      const steps: string[] = []
      const moved = await fleet.move(key, 'us', { onProgress: (step) => steps.push(step) })
      expect(moved).toMatchObject({ tenant: key, from: 'eu', to: 'us', moved: true })
      expect(steps).toEqual(['checked', 'closed', 'copied', 'switched', 'opened', 'left'])
      const before = acknowledged.length
      await expect.poll(() => acknowledged.length).toBeGreaterThan(before + 20)
      stop.abort()
      await Promise.all([...writers, ...others])
      const { rows } = await us.query(key, 'select body from notes order by id')
      const there = rows.map(({ body }) => String(body))
      expect(acknowledged.filter((body) => !there.includes(body))).toEqual([])
      expect(new Set(there).size).toBe(there.length)
      // Nobody was told that there is no such tenant, or that two have it.
      expect([...told].filter((code) => code !== 'SERVICE_UNAVAILABLE')).toEqual([])
      expect(await us.find(key)).toMatchObject({ status: 'active', plan: 'pro', placement: 'us' })
      expect(await eu.find(key)).toMatchObject({ status: 'deleted', placement: 'us' })
      expect(forgotten).not.toContain(key)
      expect(await fleet.of(key)).toBe(us)
      expect((await fleet.find(key))?.placement).toBe('us')
      expect(await fleet.move(key, 'us')).toMatchObject({ moved: false })
    },
  )

  it.runIf(hasTurn(level, ['role']))('moves back, with what was written there', async () => {
    const { eu, us, fleet } = open(level)
    if (!(await fleet.find(key))) {
      await fleet.provision(key)
      await fleet.move(key, 'us')
    }
    await insert(fleet, level, key, 'written over there')
    expect(await fleet.move(key, 'eu', { from: 'us' })).toMatchObject({ moved: true })
    const { rows } = await eu.query(key, `select body from notes where body = 'written over there'`)
    expect(rows).toHaveLength(1)
    expect(await us.find(key)).toMatchObject({ status: 'deleted' })
    expect(await codeOf(us.query(key, 'select 1'))).toMatch(/SCHEMA_MISSING|SCHEMA_UNUSABLE|POOL|CONNECTION/)
  })

  it.runIf(hasTurn(level, ['role']))('takes a suspended tenant along as it is', async () => {
    const { us, fleet, eu } = open(level)
    const name = `sleeper-${level}`
    await fleet.provision(name)
    await insert(fleet, level, name, 'asleep')
    await eu.suspend(name, 'unpaid')
    await fleet.move(name, 'us')
    expect(await us.find(name)).toMatchObject({ status: 'suspended', suspendedReason: 'unpaid' })
    expect(await codeOf(fleet.query(name, 'select 1'))).toBe('TENANT_SUSPENDED')
    await us.resume(name)
    expect((await fleet.query(name, 'select body from notes')).rows).toEqual([{ body: 'asleep' }])
  })

  it.runIf(hasTurn(level, ['role']))('has a COMMIT that was late in the archive', async () => {
    const name = `late-${level}`
    const { us, fleet } = open(level)
    const { late, release } = await lateCommit(level, name)
    const move = fleet.move(name, 'us')
    // It waits for the scope, so that it cannot be through before that.
    expect(await Promise.race([move, new Promise((go) => setTimeout(() => go('waits'), 300))])).toBe('waits')
    await release()
    await late
    await move
    expect((await us.query(name, 'select body from notes')).rows).toEqual([{ body: 'late' }])
  })
})

it.skipIf(SLOW)(
  'control: by hand (suspend, backup, restore, drop) a write whose COMMIT is late is acknowledged and lost',
  async () => {
    const { eu, us } = open('role')
    const { late, release } = await lateCommit('role', 'by-hand')
    const to = join(await mkdtemp(join(tmpdir(), 'pg-tenant-by-hand-')), 'by-hand')
    await eu.suspend('by-hand')
    await eu.backup('by-hand', { to })
    await us.restore('by-hand', { from: to })
    const dropping = eu.drop('by-hand')
    await release()
    await late
    await dropping
    expect((await us.query('by-hand', 'select body from notes')).rows).toEqual([])
  },
)

describe('a move that cannot be', () => {
  const level = 'role'

  it('is refused before anything is closed', async () => {
    const { eu, us, fleet } = open(level)
    await fleet.provision('stays')
    const still = async () => (await fleet.query('stays', 'select 1 as one')).rows
    const reasonOf = async (work: Promise<unknown>) => {
      const error = await work.then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(await still()).toEqual([{ one: 1 }])
      return isTenancyError(error) ? (error.details.reason ?? error.details.option ?? error.code) : error
    }
    expect(await reasonOf(fleet.move('stays', 'mars'))).toBe('to')
    expect(await reasonOf(fleet.move('stays', 'us', { from: 'mars' }))).toBe('from')
    expect(await reasonOf(fleet.move('stays', 'us', { from: 'us' }))).toBe('from')
    expect(await reasonOf(fleet.move('nobody', 'us'))).toBe('TENANT_NOT_FOUND')
    expect(await reasonOf(fleet.move('stays', 'us', { drain: 0 }))).toBe('drain')
    expect(await reasonOf(fleet.move('stays', 'us', JSON.parse('{"dry": true}')))).toBe('dry')
    expect(await fleet.move('stays', 'us', { dryRun: true })).toMatchObject({ moved: false })
    expect(await us.find('stays')).toBeUndefined()
    const newer = settings.us.tenancy(level, {
      migrations: [{ ...notesAt(level), sql: 'create table notes ()' }],
    })
    expect(await reasonOf(createFleet({ placements: { eu, us: newer } }).move('stays', 'us'))).toBe('version')
    const foreign = { ...us }
    expect(await reasonOf(createFleet({ placements: { eu, us: foreign } }).move('stays', 'us'))).toBe(
      'placements.us',
    )
  })

  it('is refused while an adoption is not confirmed: earlier owners write past the scopes that are waited for', {
    tags: 'slow',
  }, async () => {
    const { eu, us, fleet } = open(level)
    const { admin } = settings.eu.world
    await admin.query(
      `create schema "Old Shop"; ${notesAt(level).sql.replace(/create table /, 'create table "Old Shop".')}`,
    )
    await eu.adopt('old-shop', { schema: 'Old Shop', baseline: notesAt(level).id })
    await insert(eu, level, 'old-shop', 'before')
    for (const dryRun of [true, false])
      await expect(fleet.move('old-shop', 'us', { dryRun })).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('confirmAdoption(key)'),
        details: { reason: 'unconfirmed' },
      })
    expect(await us.find('old-shop')).toBeUndefined()
    await eu.confirmAdoption('old-shop')
    expect(await fleet.move('old-shop', 'us')).toMatchObject({ moved: true })
    expect((await us.query('old-shop', 'select body from notes')).rows).toEqual([{ body: 'before' }])
  })

  it('is made once, whoever asks for it at the same time', { tags: 'slow' }, async () => {
    const { fleet } = open(level)
    await fleet.provision('thrice')
    const fleets = [fleet, open(level).fleet, open(level).fleet]
    // Who waits for another's move longer than for a lock is told so, and asks again.
    const asked = (one: Fleet): ReturnType<Fleet['move']> =>
      one.move('thrice', 'us').catch((error: unknown) => {
        if (isTenancyError(error, 'TIMEOUT')) return asked(one)
        throw error
      })
    const moves = await Promise.all(fleets.map(asked))
    expect(moves.filter(({ moved }) => moved)).toHaveLength(1)
  })

  it('does not wait for ever for a cluster that hangs: nobody else says that it does not hold the tenant', async () => {
    const { eu, us, fleet } = open(level)
    await fleet.provision('waits-for-all')
    const hole = createServer(() => {}).listen(0, '127.0.0.1')
    await once(hole, 'listening')
    const { port } = hole.address() as AddressInfo
    const world = settings.eu.world
    const hanging = () =>
      world.pool({ connectionString: `postgres://u@127.0.0.1:${port}/d`, connectionTimeoutMillis: 30_000 })
    const asia = settings.eu.tenancy(level, {
      migrations: [notesAt(level)],
      pool: hanging(),
      adminPool: hanging(),
    })
    const stop = new AbortController()
    const move = createFleet({ placements: { asia, eu, us } }).move('waits-for-all', 'us', {
      signal: stop.signal,
    })
    setImmediate(() => stop.abort())
    expect(await codeOf(move)).toBe('ABORTED')
    expect((await fleet.query('waits-for-all', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    hole.close()
  })

  it('gives up on scopes that do not end, with the tenant in service', { tags: 'slow' }, async () => {
    const { eu, fleet } = open(level)
    await fleet.provision('busy')
    const scope = eu.open('busy')
    await scope.db.query('select 1')
    expect(await codeOf(fleet.move('busy', 'us', { drain: 100 }))).toBe('TIMEOUT')
    expect(await eu.find('busy')).toMatchObject({ status: 'active' })
    await scope.rollback()
    expect((await fleet.query('busy', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('is called off by its signal until the tenant changes hands', async () => {
    const { us, fleet } = open(level)
    await fleet.provision('called-off')
    const stop = new AbortController()
    const onProgress = (step: string) => step === 'closed' && stop.abort()
    expect(await codeOf(fleet.move('called-off', 'us', { signal: stop.signal, onProgress }))).toBe('ABORTED')
    expect((await fleet.query('called-off', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    expect((await us.find('called-off'))?.status ?? 'deleted').toBe('deleted')
    expect(await fleet.move('called-off', 'us')).toMatchObject({ moved: true })
  })

  it('lets nothing else change a tenant that is under way', async () => {
    const { eu, fleet } = open(level)
    await fleet.provision('guarded')
    const codes: unknown[] = []
    const pending: Promise<unknown>[] = []
    await fleet.move('guarded', 'us', {
      onProgress: (step) => {
        if (step !== 'closed') return
        const tries = [
          eu.provision('guarded'),
          eu.drop('guarded'),
          eu.suspend('guarded'),
          eu.resume('guarded'),
        ]
        pending.push(...tries.map(async (work) => codes.push(await codeOf(work))))
      },
    })
    await Promise.all(pending)
    expect(codes.filter((code) => code !== 'CONFLICT' && code !== 'TENANT_NOT_FOUND')).toEqual([])
    expect((await fleet.query('guarded', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })
})

it.runIf(SLOW)(
  'level database: is refused while a table of its own has rows that are no good elsewhere, and leaves them where that is said',
  async () => {
    const own = { table: 'notes', advice: 'Send them first.' }
    const { eu, us, fleet } = open('database', { belongings: [{ name: 'mail', tables: [], own }] })
    await fleet.provision('sends', { placement: 'eu' })
    expect(await fleet.move('sends', 'us', { dryRun: true })).toMatchObject({ moved: false })
    const refusal = {
      code: 'CONFLICT',
      message: expect.stringContaining('Send them first.'),
      details: { reason: 'stays', belongings: 'mail', count: 1 },
    }
    // By a scope that is open already when it is asked the first time.
    const checked = Promise.withResolvers<void>()
    const opened = Promise.withResolvers<void>()
    const scope = fleet.withTenant('sends', async (db) => {
      await db.query('select 1')
      opened.resolve()
      await checked.promise
      await db.query(`insert into notes (body) values ('unsent')`)
    })
    await opened.promise
    const onProgress = (step: string) => step === 'checked' && checked.resolve()
    await expect(fleet.move('sends', 'us', { onProgress })).rejects.toMatchObject(refusal)
    await scope
    expect(await eu.find('sends')).toMatchObject({ status: 'active' })
    await expect(fleet.move('sends', 'us', { dryRun: true })).rejects.toMatchObject(refusal)
    expect(await fleet.move('sends', 'us', { lose: ['mail'] })).toMatchObject({ moved: true })
    expect((await us.query('sends', 'select body from notes')).rows).toEqual([{ body: 'unsent' }])
  },
)
