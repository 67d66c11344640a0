import { createInterface } from 'node:readline/promises'
import { PassThrough } from 'node:stream'
import { isTenancyError } from '@org/core'
import { NOTES } from '@org/pg-testing'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { createFleet, type IsolationLevel, type Tenancy } from '../../src/index.ts'
import { useSetting } from '../levels/setting.ts'
import { codeOf } from '../support/world.ts'

// One tenant goes through the levels, from database to database, with its writers at work all the while.

const settings = { eu: useSetting(), us: useSetting() }
type Name = keyof typeof settings

const HOPS: readonly (readonly [IsolationLevel, IsolationLevel])[] = [
  ['schema', 'role'],
  ['role', 'login'],
  ['login', 'database'],
  ['database', 'schema'],
]

const at = (name: Name, level: IsolationLevel): Tenancy =>
  settings[name].tenancy(level, { schemaPrefix: 'hop_', migrations: [NOTES] })

const bodiesIn = async (tenancy: Tenancy, key: string) =>
  (await tenancy.query(key, 'select body from notes order by id')).rows.map(({ body }) => String(body))

describe('a tenant that changes its level', () => {
  const acknowledged: string[] = []

  it.each(HOPS.map(([from, to], hop) => [from, to, hop] as const))(
    'goes from %s to %s: nothing that was acknowledged is lost, nothing is there twice',
    async (from, to, hop) => {
      const [here, there]: [Name, Name] = hop % 2 === 0 ? ['eu', 'us'] : ['us', 'eu']
      const placements = { here: at(here, from), there: at(there, to) }
      const fleet = createFleet({ placements, defaultPlacement: 'here', waitForMove: 20_000 })
      if (hop === 0) await fleet.provision('acme')
      const stop = new AbortController()
      const told = new Set<string>()
      const writer = async (name: string) => {
        for (let n = 0; !stop.signal.aborted; n++) {
          const body = `${hop} ${name} ${n}`
          await fleet.query('acme', 'insert into notes (body) values ($1)', [body]).then(
            () => acknowledged.push(body),
            (error: unknown) => told.add(isTenancyError(error) ? error.code : String(error)),
          )
        }
      }
      const writers = ['a', 'b', 'c'].map(writer)
      const start = acknowledged.length
      await expect.poll(() => acknowledged.length, { timeout: 20_000 }).toBeGreaterThan(start + 10)
      expect(await fleet.move('acme', 'there')).toMatchObject({ moved: true })
      const moved = acknowledged.length
      await expect.poll(() => acknowledged.length, { timeout: 20_000 }).toBeGreaterThan(moved + 10)
      stop.abort()
      await Promise.all(writers)
      const bodies = await bodiesIn(placements.there, 'acme')
      expect(acknowledged.filter((body) => !bodies.includes(body))).toEqual([])
      expect(new Set(bodies).size).toBe(bodies.length)
      expect([...told].filter((code) => code !== 'SERVICE_UNAVAILABLE')).toEqual([])
      expect(await placements.there.find('acme')).toMatchObject({ status: 'active', isolation: to })
      expect(await placements.here.find('acme')).toMatchObject({ status: 'deleted' })
      const { checks } = await placements.there.verify()
      expect(checks.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    },
    60_000,
  )
})

/** As docs/scale-out.md has it. */
async function bring(key: string, here: Tenancy, there: Tenancy): Promise<number> {
  await here.suspend(key, 'is being moved')
  await there.provision(key)
  const lines = new PassThrough()
  const [, rows] = await Promise.all([
    here.export(key, { to: lines, includeSecrets: true }),
    there.withTenant(key, async (db) => {
      let rows = 0
      for await (const line of createInterface({ input: lines })) {
        const { table, row } = JSON.parse(line)
        if (table === undefined) continue
        await db.query(
          `insert into ${pg.escapeIdentifier(table)} overriding system value
           select * from jsonb_populate_record(null::${pg.escapeIdentifier(table)}, $1::jsonb || jsonb_build_object('tenant_id', $2::text))`,
          [JSON.stringify(row), key],
        )
        rows++
      }
      return rows
    }),
  ])
  return rows
}

describe('to or from level row', () => {
  const shared = {
    id: '0001_notes',
    sql: `create table notes (tenant_id text not null, id bigint generated always as identity, body text not null,
      primary key (tenant_id, id), unique (tenant_id, body))`,
  }

  it.each([
    ['role', 'row'],
    ['row', 'role'],
  ] as const)('from %s to %s is refused, and nothing is closed', async (from, to) => {
    const placements = {
      here: settings.eu.tenancy(from, { migrations: [from === 'row' ? shared : NOTES] }),
      there: settings.us.tenancy(to, { migrations: [to === 'row' ? shared : NOTES] }),
    }
    const fleet = createFleet({ placements, defaultPlacement: 'here' })
    const key = `stays-${from}`
    await fleet.provision(key)
    for (const how of [{ dryRun: true }, {}])
      await expect(fleet.move(key, 'there', how)).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { reason: 'level' },
        message: expect.stringContaining('export'),
      })
    expect(await placements.here.find(key)).toMatchObject({ status: 'active' })
    expect(await codeOf(placements.there.query(key, 'select 1'))).toBe('SCHEMA_MISSING')
  })

  it.each([
    ['role', 'row'],
    ['row', 'role'],
    ['database', 'row'],
  ] as const)('from %s to %s its rows go by themselves', async (from, to) => {
    const here = settings.eu.tenancy(from, { migrations: [from === 'row' ? shared : NOTES] })
    const there = settings.us.tenancy(to, { migrations: [to === 'row' ? shared : NOTES] })
    const key = `goes-${from}`
    await here.provision(key)
    for (const body of ['one', 'two', 'with "quotes"\n'])
      await (from === 'row'
        ? here.query(key, 'insert into notes (tenant_id, body) values ($1, $2)', [key, body])
        : here.query(key, 'insert into notes (body) values ($1)', [body]))
    const was = (await here.query(key, 'select id, body from notes order by id')).rows
    expect(await bring(key, here, there)).toBe(3)
    expect((await there.query(key, 'select id, body from notes order by id')).rows).toEqual(was)
    expect(await codeOf(here.query(key, 'select 1'))).toMatch(/SUSPENDED|UNUSABLE/)
  })
})
