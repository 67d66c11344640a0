import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { ATTACKS, formatAttackReport, type Subject } from '../../src/testing/attack/index.ts'
import { useWorld } from '../support/world.ts'
import { attackIn, findingOf, kitLeftovers } from './kit-world.ts'

const world = useWorld([])

describe('the attack kit', () => {
  it('names each attack once, and every hazard but drizzle’s', () => {
    const ids = ATTACKS.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const letters = new Set(ids.map((id) => id.split('.')[0]))
    expect([...'abcdefghijklmnopqrstvw', "k'"].filter((letter) => !letters.has(letter))).toEqual([])
  })

  it('prints a table a person can read', async () => {
    const report = await attackIn(world, { only: ['a', 'n'] })
    const lines = formatAttackReport(report).split('\n')
    expect(lines[0]).toMatch(/^id +hazard +verdict +evidence$/)
    expect(lines[1]).toMatch(
      /^a +callback swallows a query error +stopped +the scope failed with SILENT_ROLLBACK$/,
    )
    expect(lines[2]).toMatch(/^n +.* open, not promised +/)
    expect(lines.at(-1)).toBe('Level role: everything it promises to stop is stopped.')
    expect(report.ok).toBe(true)
  })

  it('attacks a given pool as it is, and leaves it usable', { tags: 'slow' }, async () => {
    const pool = world.pool({ max: 2 })
    const report = await attackIn(world, {
      url: undefined,
      pool,
      only: ['a', 'e', 'g', 'h', 'q', 'w'],
    } as object)
    expect(findingOf(report, 'a').verdict).toBe('stopped')
    for (const id of ['g', 'h', 'q']) expect(findingOf(report, id).verdict).toBe('not applicable')
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('counts an attack that breaks down as open, and cleans up', async () => {
    const broken = (): Subject => ({
      name: 'broken',
      withTenant: () => Promise.reject(new Error('nothing works')),
    })
    const report = await attackIn(world, { subject: broken, only: ['e'] })
    expect(findingOf(report, 'e')).toMatchObject({
      verdict: 'open',
      evidence: expect.stringContaining('nothing works'),
    })
    expect(report.ok).toBe(false)
    expect(await kitLeftovers(world)).toEqual([])
  })

  it('cleans up when the lab cannot be set up', async () => {
    const powerless = new pg.Pool({ connectionString: world.appUrl })
    await expect(attackIn(world, { adminUrl: undefined, adminPool: powerless } as object)).rejects.toThrow(
      /permission denied/,
    )
    await powerless.end()
    expect(await kitLeftovers(world)).toEqual([])
  })

  it.each([[{ url: undefined }], [{ adminUrl: undefined }]])('refuses %j', async (options) => {
    await expect(attackIn(world, options as object)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })

  it('finds a role that is too mighty', async () => {
    const report = await attackIn(world, { url: world.url, only: ['env'] })
    expect(findingOf(report, 'env.superuser').verdict).toBe('open')
    expect(report.ok).toBe(false)
  })
})
