import { describe, expect, it } from 'vitest'
import { codeOf, useWorld } from '../support/world.ts'

const KEYS = Array.from({ length: 12 }, (_, n) => `t${String(n).padStart(2, '0')}`)
const world = useWorld(KEYS)

describe('a function for every tenant', () => {
  it('runs in a scope of each active tenant, in order, several at once', async () => {
    const tenancy = world.tenancy()
    await tenancy.suspend('t03')
    const seen: string[] = []
    let [running, most] = [0, 0]
    const report = await tenancy.each(
      async (db, tenant) => {
        most = Math.max(most, ++running)
        const { rows } = await db.query('select current_schema() as schema')
        seen.push(`${tenant.key} ${rows[0]?.schema}`)
        running--
      },
      { concurrency: 3 },
    )
    await tenancy.resume('t03')
    expect(seen.sort()).toEqual(KEYS.filter((key) => key !== 't03').map((key) => `${key} c_${key}`))
    expect([most <= 3, report]).toEqual([
      true,
      { ok: true, done: 11, failed: [], resumeAfter: 't11', stopped: undefined },
    ])
  })

  it('rolls a tenant back whose function throws, and goes on', async () => {
    const tenancy = world.tenancy()
    const report = await tenancy.each(async (db, { key }) => {
      await db.query('insert into notes (body) values ($1)', [key])
      if (key === 't05') throw new RangeError('mine')
    })
    expect(report).toMatchObject({
      ok: false,
      done: 12,
      failed: [{ tenant: 't05', error: expect.any(RangeError) }],
    })
    expect((await tenancy.query('t05', 'select 1 from notes')).rows).toEqual([])
    expect((await tenancy.query('t06', 'select body from notes')).rows).toEqual([{ body: 't06' }])
  })

  it('stops, says how far all had come, and goes on from there without leaving anybody out', async () => {
    const tenancy = world.tenancy()
    const seen: string[] = []
    const run = (after: string | undefined, until: number, signal?: AbortController) =>
      tenancy.each(
        async (_, { key }) => {
          seen.push(key)
          if (seen.length === until) signal?.abort()
        },
        { concurrency: 2, ...(after !== undefined && { after }), ...(signal && { signal: signal.signal }) },
      )
    const first = await run(undefined, 5, new AbortController())
    expect(first).toMatchObject({ ok: false, stopped: 'aborted' })
    const second = await run(first.resumeAfter, Number.POSITIVE_INFINITY)
    expect(second).toMatchObject({ ok: true, resumeAfter: 't11' })
    expect([...new Set(seen)].sort()).toEqual(KEYS)
  })

  it('starts nobody else after so many failures', async () => {
    const fail = async () => {
      throw new RangeError('mine')
    }
    const report = await world.tenancy().each(fail, { concurrency: 1, maxFailures: 2 })
    expect(report).toMatchObject({ ok: false, done: 2, stopped: 'failures', resumeAfter: 't01' })
  })

  it('refuses bad options before anything runs, and hands on what a callback throws', async () => {
    const tenancy = world.tenancy()
    for (const options of [{ concurrency: 0 }, { concurrency: 1.5 }, { maxFailures: 0 }])
      expect(await codeOf(tenancy.each(async () => {}, options))).toBe('INVALID_OPTION')
    expect(await codeOf(tenancy.each(undefined as never))).toBe('VALIDATION_ERROR')
    const onTenant = () => {
      throw new RangeError('mine')
    }
    await expect(tenancy.each(async () => {}, { onTenant })).rejects.toBeInstanceOf(RangeError)
  })
})
