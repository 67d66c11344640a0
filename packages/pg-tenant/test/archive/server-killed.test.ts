// @module-tag sampled
import { describe, expect, it } from 'vitest'
import { inspectArchive } from '../../src/admin.ts'
import type { Tenancy } from '../../src/index.ts'
import {
  countMessages,
  crashIn,
  expectHealthy,
  LEVELS,
  type Point,
  pointsOf,
  useCrashWorld,
} from '../faults/crash-world.ts'
import { looksAt } from '../support/sample.ts'
import { useFolder } from './support.ts'

const world = useCrashWorld()
const folder = useFolder()
const placeOf = (messages: number, { at, moment }: Point) => `message ${at} of ${messages}, ${moment}`

const fill = (tenancy: Tenancy, key: string) =>
  tenancy.query(key, `insert into notes (body) select 'note ' || i from generate_series(1, 20) i`)
const count = async (tenancy: Tenancy, key: string) =>
  (await tenancy.query<{ n: number }>(key, 'select count(*)::int as n from notes')).rows[0]?.n

describe.each(LEVELS)('kill -9 of the server, level %s', (level) => {
  it.runIf(looksAt(level, 'role'))(
    'while a tenant is off-boarded: the next call finishes it, and its backup holds all it had',
    async () => {
      const ground = await world.ground(level, `bo${level}`)
      const sound = ground.tenancy()
      const leave = async (tenancy: Tenancy, key: string) =>
        await tenancy.offboard(key, { confirm: key, backup: { to: folder.path(`${level}-${key}`) } })
      const started = async (key: string) => {
        await sound.provision(key)
        await fill(sound, key)
      }
      await started('measured')
      const messages = await countMessages(world, () => leave(ground.doomed(), 'measured'))
      expect(messages).toBeGreaterThan(15)
      for (const [index, point] of pointsOf(messages).entries()) {
        const [key, where] = [`o${index}`, placeOf(messages, point)]
        await started(key)
        await crashIn(world, point, () => leave(ground.doomed(), key))
        // It is gone on its way, or in service with everything that it had.
        if ((await sound.find(key))?.status === 'active') expect(await count(sound, key), where).toBe(20)
        const receipt = await leave(sound, key)
        expect(receipt, where).toMatchObject({ status: 'deleted', rows: 20 })
        expect((await inspectArchive(folder.path(`${level}-${key}`))).sha256, where).toBe(
          receipt.backup?.sha256,
        )
        expect(await sound.find(key), where).toMatchObject({ status: 'deleted' })
      }
      expect((await ground.standing()).rows).toBe(0)
      await expectHealthy(sound)
    },
  )

  it.runIf(looksAt(level, 'row'))(
    'while a tenant is restored: it is there whole or not at all, and the next call finishes it',
    async () => {
      const ground = await world.ground(level, `br${level}`)
      const sound = ground.tenancy()
      await sound.provision('source')
      await fill(sound, 'source')
      const from = folder.path(`${level}-source`)
      await sound.backup('source', { to: from })
      const messages = await countMessages(world, () => ground.doomed().restore('measured', { from }))
      expect(messages).toBeGreaterThan(15)
      for (const [index, point] of pointsOf(messages).entries()) {
        const [key, where] = [`r${index}`, placeOf(messages, point)]
        const outcome = await crashIn(world, point, () => ground.doomed().restore(key, { from }))
        const there = (await sound.find(key))?.status === 'active'
        if (outcome === 'done') expect(there, where).toBe(true)
        if (!there) await sound.restore(key, { from })
        expect(await count(sound, key), where).toBe(20)
        expect(await count(sound, 'source'), where).toBe(20)
        expect(await sound.provision(key), where).toEqual({ created: false, migrations: [] })
      }
      await expectHealthy(sound)
    },
  )
})
