// @module-tag sampled
import { isTenancyError } from '@org/core'
import { describe, expect, it } from 'vitest'
import { createFleet, type IsolationLevel, type Tenancy } from '../../src/index.ts'
import { useSetting } from '../levels/setting.ts'
import { SLOW } from '../support/sample.ts'

// One tenant goes through the levels, within a database and between two, with its writers at work all the while.

const settings = { eu: useSetting(), us: useSetting() }
type Name = keyof typeof settings

/** Each begins where the one before it has ended. The slow set goes all the way, the default set a part of it: out of shared tables. */
const HOPS: readonly (readonly [from: IsolationLevel, here: Name, to: IsolationLevel, there: Name])[] = [
  ['schema', 'eu', 'role', 'eu'],
  ['role', 'eu', 'login', 'eu'],
  ['login', 'eu', 'database', 'eu'],
  ['database', 'eu', 'schema', 'us'],
  ['schema', 'us', 'row', 'us'],
  ['row', 'us', 'role', 'us'],
  ['role', 'us', 'login', 'eu'],
  ['login', 'eu', 'row', 'us'],
  ['row', 'us', 'database', 'eu'],
]

const bodiesIn = async (tenancy: Tenancy, key: string) =>
  (await tenancy.query(key, 'select body from notes order by id')).rows.map(({ body }) => String(body))

describe('a tenant that changes its level', () => {
  const acknowledged: string[] = []

  it.each((SLOW ? HOPS : HOPS.slice(5, 6)).map((one, hop) => [...one, hop] as const))(
    'goes from %s in %s to %s in %s: nothing that was acknowledged is lost, nothing is there twice',
    async (from, here, to, there, hop) => {
      const placements = { here: settings[here].tenancy(from), there: settings[there].tenancy(to) }
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
      await expect.poll(() => acknowledged.length).toBeGreaterThan(start + 10)
      expect(await fleet.move('acme', 'there')).toMatchObject({ moved: true })
      const moved = acknowledged.length
      await expect.poll(() => acknowledged.length).toBeGreaterThan(moved + 10)
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
