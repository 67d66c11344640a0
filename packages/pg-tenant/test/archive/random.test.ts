// @module-tag sampled
import { describe, expect, it } from 'vitest'
import type { IsolationLevel } from '../../src/index.ts'
import { useSetting } from '../levels/setting.ts'
import { SLOW } from '../support/sample.ts'
import { randomCycles } from './random-cycle.ts'
import { useFolder } from './support.ts'

// Random schemas with everything that a tenant's role can make, under names that break what is not quoted. `TEST_RANDOM_SCHEMAS`
// says how many (default 1, 8 in the slow set), `TEST_RANDOM_SEED` where they begin, `TEST_RANDOM_LEVEL` at which level all of them
// are. Thousands: random-run.ts.
const COUNT = Number(process.env.TEST_RANDOM_SCHEMAS ?? (SLOW ? 8 : 1))
const SEED = Number(process.env.TEST_RANDOM_SEED ?? (SLOW ? 1 : 2))
const LEVELS: readonly IsolationLevel[] = [
  'role',
  'schema',
  'role',
  'login',
  'database',
  'schema',
  'role',
  'role',
]

const ALL = process.env.TEST_RANDOM_LEVEL as IsolationLevel | undefined

const setting = useSetting()
const folder = useFolder()

describe.each(Array.from({ length: COUNT }, (_, at) => SEED + at))('random schema %i', (seed) => {
  const level = ALL ?? LEVELS[seed % LEVELS.length] ?? 'role'

  it(`comes back at level ${level} as it was: under another key, and after it was off-boarded`, async () => {
    const [outcome] = await randomCycles(
      {
        tenancy: setting.tenancy(level),
        level,
        urlOf: (key) =>
          level === 'database'
            ? Object.assign(new URL(setting.world.url), { pathname: `/${setting.roleOf(level, key)}` }).href
            : setting.world.url,
        schemaOf: (key) => setting.schemaOf(level, key),
        roleOf: (key) => setting.roleOf(level, key),
        rootAt: (key, sql, values) => setting.rootAt(level, key, sql, values),
        folder: folder.path('.'),
      },
      [seed],
    )
    expect(outcome?.differences).toEqual([])
    expect(outcome?.made).toBeGreaterThan(Number(outcome?.statements) / 3)
  })
})
