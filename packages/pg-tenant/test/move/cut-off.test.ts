// @module-tag sampled
import { isTenancyError } from '@org/core'
import { eventually } from '@org/pg-testing'
import { describe, expect, it } from 'vitest'
import { createFleet, type MoveStep } from '../../src/index.ts'
import { ALL_SUBJECTS } from '../levels/setting.ts'
import { looksAt, SLOW, stepOf } from '../support/sample.ts'
import { bodies, insert, useServers } from './servers.ts'

const servers = useServers()

const STEP = stepOf(71, 251)

describe.each(ALL_SUBJECTS)('level $level', ({ level }) => {
  it.runIf(looksAt(level, 'row'))(
    'is finished by the same call wherever it was cut off: 0 lost, 0 twice',
    async () => {
      const { eu, us, fleet } = servers.open(level)
      const filled = async (key: string) => {
        await fleet.provision(key, { placement: 'eu', plan: 'pro' })
        for (const body of ['a', 'b', 'c']) await insert(fleet, level, key, body)
      }
      await filled('whole')
      const { error, messages } = await servers.movedThrough(level, 'whole', Number.POSITIVE_INFINITY)
      expect(error).toBeUndefined()
      expect(messages).toBeGreaterThan(50)
      // Levels begin at messages of their own, so that a sample of one is not that of another.
      const first = SLOW
        ? 2
        : 2 + ((30 + 47 * ALL_SUBJECTS.findIndex((one) => one.level === level)) % messages)
      for (let at = first; at <= messages; at += STEP) {
        const key = `cut-${at}`
        await filled(key)
        // It may have had all answers it needed.
        await servers.movedThrough(level, key, at)
        // Processes that have never heard of it are not told a lie about it meanwhile.
        const stranger = createFleet({ placements: { eu, us }, waitForMove: 0 })
        const told = await insert(stranger, level, key, 'meanwhile').then(
          () => 'written',
          (reason: unknown) => (isTenancyError(reason) ? reason.code : String(reason)),
        )
        expect(['written', 'SERVICE_UNAVAILABLE'], `message ${at}`).toContain(told)
        // The server notices the end of a process in its own time.
        await eventually(async () => {
          const again = await fleet.move(key, 'us').catch((reason: unknown) => reason)
          if (isTenancyError(again, 'TIMEOUT')) return false
          if (again instanceof Error) throw again
          return true
        })
        const expected = ['a', 'b', 'c', ...(told === 'written' ? ['meanwhile'] : [])]
        expect(await bodies(us, key), `message ${at}`).toEqual(expected)
        expect(await us.find(key)).toMatchObject({ status: 'active', plan: 'pro', placement: 'us' })
        expect(await eu.find(key)).toMatchObject({ status: 'deleted', placement: 'us' })
        const { rows } = await servers.worlds.eu.root.query('select from pg_namespace where nspname = $1', [
          `${level}_${key}`,
        ])
        expect(rows).toEqual([])
        // It is whole: it writes, moves again, and goes.
        await insert(fleet, level, key, 'behind')
        expect(await us.drop(key)).toBe(true)
      }
    },
    240_000,
  )

  it.runIf(looksAt(level, 'row'))(
    'is called off by undo until it changes hands',
    { tags: 'slow', timeout: 120_000 },
    async () => {
      const { eu, us, fleet } = servers.open(level)
      const outcomes = new Set<boolean>()
      for (let at = 5; at < 400 && outcomes.size < 2; at += 70) {
        const key = `undo-${at}`
        await fleet.provision(key, { placement: 'eu' })
        await insert(fleet, level, key, 'kept')
        const { error } = await servers.movedThrough(level, key, at)
        if (error === undefined) break
        let undone: unknown
        await eventually(async () => {
          undone = await fleet.move(key, 'us', { undo: true }).catch((reason: unknown) => reason)
          return !isTenancyError(undone, 'TIMEOUT')
        })
        const switched = isTenancyError(undone, 'CONFLICT')
        outcomes.add(switched)
        if (switched) {
          expect(undone).toMatchObject({ details: { reason: 'switched' } })
          expect(await fleet.move(key, 'us')).toMatchObject({ moved: true })
        } else {
          expect(await eu.find(key)).toMatchObject({ status: 'active' })
          expect((await us.find(key))?.status ?? 'deleted').toBe('deleted')
        }
        expect(await bodies(fleet, key)).toEqual(['kept'])
      }
      expect(outcomes).toContain(false)
    },
  )
})

it.runIf(SLOW)(
  'level database: a database that somebody else has there is seen before anything is closed',
  async () => {
    const { eu, us, fleet } = servers.open('database')
    const world = servers.worlds.us
    await fleet.provision('held', { placement: 'eu' })
    const name = `"${world.rolePrefix}database_held"`
    await world.root.query(`create database ${name}`)
    const steps: string[] = []
    for (const dryRun of [true, false])
      await expect(
        fleet.move('held', 'us', { dryRun, onProgress: (step) => steps.push(step) }),
      ).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(steps).toEqual([])
    expect(await eu.find('held')).toMatchObject({ status: 'active' })
    expect(await us.find('held')).toBeUndefined()
    await world.root.query(`drop database ${name}`)
    expect(await fleet.move('held', 'us')).toMatchObject({ moved: true })
  },
)

it.runIf(SLOW)(
  'is called off where the cluster it goes to is lost in the middle of the copy, and says which that is',
  async () => {
    const { eu, us, fleet } = servers.open('schema')
    await fleet.provision('half', { placement: 'eu' })
    // More than waits on its way.
    await eu.query(
      'half',
      `insert into notes (body) select repeat('x', 1000) || i from generate_series(1, 8000) i`,
    )
    let pieces = 0
    const through = await servers.openThrough('schema', ({ from, type }) =>
      from === 'frontend' && type === 'CopyData' && ++pieces === 3 ? 'cut-before' : 'deliver',
    )
    const outcome = await through.fleet.move('half', 'us').catch((error: unknown) => error)
    expect(outcome).toMatchObject({ code: 'CONNECTION_LOST', details: { placement: 'us' } })
    await through.close()
    expect(await eu.find('half')).toMatchObject({ status: 'active' })
    expect((await us.find('half'))?.status ?? 'deleted').toBe('deleted')
    expect(await fleet.move('half', 'us')).toMatchObject({ moved: true, rows: 8000 })
  },
)

it('is undone also where the cluster it was to go to has gone for good; what is there goes when it is back', {
  tags: 'slow',
}, async () => {
  const { eu, us, fleet } = servers.open('schema')
  await fleet.provision('away', { placement: 'eu' })
  let dead = false
  const through = await servers.openThrough('schema', () => (dead ? 'cut-before' : 'deliver'))
  const onProgress = (step: MoveStep) => {
    dead ||= step === 'copied'
  }
  await expect(through.fleet.move('away', 'us', { onProgress })).rejects.toThrow()
  await through.close()
  const nowhere = servers.worlds.us.pool({ connectionString: 'postgres://nobody@127.0.0.1:1/nothing' })
  const placements = { eu, us: servers.open('schema', { adminPool: nowhere }).us }
  const alone = createFleet({ placements, waitForMove: 0 })
  let told: unknown
  await eventually(async () => {
    told = await alone.move('away', 'us', { undo: true }).catch((error: unknown) => error)
    return !isTenancyError(told, 'TIMEOUT')
  })
  expect(told).toMatchObject({ code: 'CONNECTION_LOST', details: { reason: 'away', placement: 'us' } })
  expect(await eu.find('away')).toMatchObject({ status: 'active' })
  await insert(eu, 'schema', 'away', 'kept')
  expect(await us.find('away')).toMatchObject({ status: 'arriving' })
  expect(await fleet.move('away', 'us', { undo: true })).toMatchObject({ undone: false })
  expect(await us.find('away')).toMatchObject({ status: 'deleted' })
  expect(await bodies(fleet, 'away')).toEqual(['kept'])
})
