// @module-tag sampled
import { describe, expect, it } from 'vitest'
import { acme, globex, SHARED_LEVELS_IN_TURN, useOutbox } from '../support/outbox-world.ts'
import { codeOf } from '../support/world.ts'

interface Taken {
  readonly lease: string
  readonly token: string
  readonly seq: string
  readonly id: string
  readonly tenant: string
  readonly type: string
  readonly payload: unknown
  readonly key: string | null
  readonly attempt: number
}

describe.each(SHARED_LEVELS_IN_TURN)('level %s', (level) => {
  const there = useOutbox(level)
  const take = async (want = 100) =>
    (await there.control.query<Taken>('select * from governance.outbox_take($1, 45, 5, true)', [want])).rows
  const settle = async (rows: readonly Taken[]) => {
    for (const { lease, token, seq } of rows) {
      await there.control.query('select governance.outbox_settle($1, $2, $3, null)', [lease, token, [seq]])
    }
  }

  it('is there when the transaction is, with all that was said', async () => {
    const id = await there.tenancy.withTenant(acme, (db) =>
      there.events.publish(db, 'note.created', { text: 'ärger 🎉', n: 1 }, { key: 'k' }),
    )
    const thrown = there.tenancy.withTenant(acme, async (db) => {
      await there.events.publish(db, 'note.created', { never: true })
      throw new Error('no')
    })
    await expect(thrown).rejects.toThrow('no')
    const rows = await take()
    expect(rows).toEqual([
      expect.objectContaining({
        id,
        tenant: 'acme',
        type: 'note.created',
        key: 'k',
        payload: { text: 'ärger 🎉', n: 1 },
        attempt: 1,
      }),
    ])
    await settle(rows)
    expect(await take()).toEqual([])
  })

  it('is taken in turns, whoever has how many', async () => {
    const many = Array.from({ length: 50 }, (_, n) => ({ type: 'a', payload: n }))
    await there.tenancy.withTenant(acme, (db) => there.events.publishAll(db, many))
    const first = await take(10)
    await there.tenancy.withTenant(globex, (db) => there.events.publish(db, 'b', 'lone'))
    const next = await take(2)
    expect(next.map(({ tenant }) => tenant).toSorted()).toEqual(['acme', 'globex'])
    const rest = await take()
    expect(rest).toHaveLength(39)
    await settle([...first, ...next, ...rest])
    const { rows } = await there.control.query('select from governance.outbox_lease where not over')
    expect(rows).toEqual([])
  })

  it('refuses what cannot be an event before anything is sent', async () => {
    const attempts: [string, unknown, object, string][] = [
      ['Not A Type', 1, {}, 'type'],
      ['x'.repeat(101), 1, {}, 'type'],
      ['a', 10n, {}, 'payload'],
      ['a', undefined, {}, 'payload'],
      ['a', 'x'.repeat(300_000), {}, 'payload'],
      ['a', 'nul \0', {}, 'payload'],
      ['a', { half: '\ud83d' }, {}, 'payload'],
      ['a', Array(30_000).fill(1e308), {}, 'payload'],
      ['a', 1, { delay: -1 }, 'delay'],
      ['a', 1, { delay: Number.NaN }, 'delay'],
      ['a', 1, { delay: 29 * 86_400_000 }, 'delay'],
      ['a', 1, { key: '' }, 'key'],
      ['a', 1, { key: 'x'.repeat(201) }, 'key'],
      ['a', 1, { traceparent: 'x' }, 'traceparent'],
    ]
    await there.tenancy.withTenant(acme, async (db) => {
      for (const [type, payload, options, field] of attempts) {
        const refused = there.events.publish(db, type, payload, options)
        await expect(refused).rejects.toMatchObject({ code: 'VALIDATION_ERROR', details: { field } })
      }
      await there.events.publish(db, 'a', { escaped: '\\u0000 \\\\ud83d' })
    })
    const rows = await take()
    expect(rows.map(({ payload }) => payload)).toEqual([{ escaped: '\\u0000 \\\\ud83d' }])
    await settle(rows)
  })

  it('carries whatever JSON is no longer than that, also what jsonb writes at greater length', async () => {
    const payloads = [Array(130_000).fill(1), Array(2_000).fill(-1e-300), { '"e308,': 'e'.repeat(250_000) }]
    await there.tenancy.withTenant(acme, async (db) => {
      for (const payload of payloads) await there.events.publish(db, 'a', payload)
    })
    const rows = await take()
    expect(rows.map(({ payload }) => payload)).toEqual(payloads)
    await settle(rows)
  })

  // Seventy megabytes, of which the database is told nothing.
  it.runIf(level === 'schema')('refuses what is too long together', async () => {
    const many = Array.from({ length: 280 }, () => ({ type: 'a', payload: 'x'.repeat(250_000) }))
    const refused = there.tenancy.withTenant(acme, (db) => there.events.publishAll(db, many))
    await expect(refused).rejects.toMatchObject({ details: { field: 'events' } })
  })

  it('a delay is the longest there may be and no longer', async () => {
    const publish = (delay: number) =>
      there.tenancy.withTenant(acme, (db) => there.events.publish(db, 'later', 1, { delay }))
    await publish(28 * 86_400_000)
    expect(await take()).toEqual([])
    expect(await codeOf(publish(28 * 86_400_000 + 1))).toBe('VALIDATION_ERROR')
  })
})
