// @module-tag sampled
import { rm } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { inspectArchive } from '../../src/admin.ts'
import { killedAdmin } from '../levels/killed.ts'
import { useSetting } from '../levels/setting.ts'
import { looksAt, SLOW, stepOf } from '../support/sample.ts'
import { LEVELS, openLibrary, read, write } from './library.ts'
import { useFolder } from './support.ts'

const setting = useSetting()
const folder = useFolder()
/** More statements than any of this takes. */
const MANY = 400
/** An odd one: the process dies before and after statements in turn. `TEST_FAULTS=all` takes every statement. */
const STEP = stepOf(37, 101)
/** Levels begin at statements of their own, so that a sample of one is not that of another. */
const firstAt = (level: (typeof LEVELS)[number]) => (SLOW ? 1 : 7 + 19 * LEVELS.indexOf(level))

describe.each(LEVELS)('level %s', (level) => {
  const sound = openLibrary.bind(undefined, setting, level)

  it.runIf(looksAt(level, 'row'))(
    'an off-boarding whose process is killed at any statement is finished by running it again',
    async () => {
      const here = sound()
      let at = firstAt(level)
      for (; at < MANY; at += STEP) {
        const key = `o${at}-${level}`
        await here.provision(key)
        await write(here, key, ['Ada'])
        const to = folder.path(key)
        const options = { confirm: key, backup: { to } }
        const { pool, killed } = killedAdmin(setting, at)
        await sound({ adminPool: pool })
          .offboard(key, options)
          .catch(() => {})
        await pool.end().catch(() => {})
        const receipt = await here.offboard(key, options)
        expect(receipt, `statement ${at}`).toMatchObject({ status: 'deleted', rows: 2, backup: { file: to } })
        expect((await inspectArchive(to)).sha256, `statement ${at}`).toBe(receipt.backup?.sha256)
        expect((await here.find(key))?.status, `statement ${at}`).toBe('deleted')
        if (!killed()) break
      }
      expect(at).toBeGreaterThan(20)
      expect(at).toBeLessThan(MANY)
    },
  )

  it.runIf(looksAt(level, 'schema'))(
    'a restore whose process is killed at any statement is finished by running it again',
    async () => {
      const here = sound()
      await here.provision(`source-${level}`)
      await write(here, `source-${level}`, ['Ada'])
      const before = await read(here, `source-${level}`)
      const from = folder.path(`source-${level}`)
      await here.backup(`source-${level}`, { to: from })
      let at = firstAt(level)
      for (; at < MANY; at += STEP) {
        const key = `r${at}-${level}`
        const { pool, killed } = killedAdmin(setting, at)
        const outcome = await sound({ adminPool: pool })
          .restore(key, { from })
          .then(
            () => 'done',
            (error: { code: string }) => error.code,
          )
        await pool.end().catch(() => {})
        expect(['done', 'CONNECTION_LOST', 'UNKNOWN_OUTCOME'], `statement ${at}`).toContain(outcome)
        // Unknown: COMMIT may have been answered, and then there is nothing to do.
        const there = (await here.find(key))?.status === 'active'
        if (!there) await here.restore(key, { from })
        expect(await read(here, key), `statement ${at}`).toEqual(before)
        expect(await here.find(key), `statement ${at}`).toMatchObject({
          status: 'active',
          schemaVersion: '1',
        })
        expect(await here.provision(key), `statement ${at}`).toEqual({ created: false, migrations: [] })
        if (!killed()) break
      }
      expect(at).toBeGreaterThan(20)
      expect(at).toBeLessThan(MANY)
    },
  )
})

describe('the file that is in the way', { tags: 'slow' }, () => {
  it('is taken for the own backup only if it is', async () => {
    const here = openLibrary(setting, 'role')
    const [to, stranger] = [folder.path('own'), folder.path('stranger')]
    await here.provision('own')
    await write(here, 'own', ['Ada'])
    // From before it was closed: what was written since is not in it.
    await here.backup('own', { to })
    await expect(here.offboard('own', { confirm: 'own', backup: { to } })).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    expect((await here.find('own'))?.status).toBe('active')
    await here.provision('other')
    await here.backup('other', { to: stranger })
    await expect(here.offboard('own', { confirm: 'own', backup: { to: stranger } })).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    await rm(to)
    // Of somebody else, made since it was closed.
    for (let at = 15; (await here.find('own'))?.status === 'active'; at += 5) {
      const { pool } = killedAdmin(setting, at)
      const doomed = openLibrary(setting, 'role', { adminPool: pool })
      await doomed.offboard('own', { confirm: 'own', backup: { to } }).catch(() => {})
      await pool.end().catch(() => {})
    }
    expect((await here.find('own'))?.status).toBe('deleting')
    await rm(to, { force: true })
    await here.backup('other', { to })
    await expect(here.offboard('own', { confirm: 'own', backup: { to } })).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    expect(await read(here, 'own')).toHaveLength(1)
    await rm(to)
    await here.offboard('own', { confirm: 'own', backup: { to } })
  })
})
