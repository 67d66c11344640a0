// @module-tag sampled
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { hasTurn, SLOW } from '../support/sample.ts'
import { CLAIMS, LEVELS, readmeTable, type Threat } from './claims.ts'
import { useSetting } from './setting.ts'
import { mistakes, type Scene, THREATS } from './threats.ts'

// Every cell of the README's table, by doing it: where it says "not stopped" the attack must have had what it wanted.

const setting = useSetting()
const NAMES = Object.keys(CLAIMS) as Threat[]

describe.each(LEVELS.filter((level) => hasTurn(level)))('level %s', (level) => {
  let scene: Scene
  beforeAll(async () => {
    const pool = setting.world.pool({ connectionString: setting.directUrl, max: 1 })
    const tenancy = setting.tenancy(level, { pool })
    scene = { setting, level, tenancy, pool }
    for (const key of ['acme', 'globex']) {
      await tenancy.provision(key)
      await tenancy.query(key, 'insert into notes (body) values ($1)', [`row of ${key}`])
    }
  })

  it.each(NAMES.map((name) => [name, CLAIMS[name][level].stopped ? 'stopped' : 'not stopped'] as const))(
    '%s: %s',
    async (name) => {
      expect(await THREATS[name](scene)).toBe(CLAIMS[name][level].seen)
    },
  )

  it('control: without a scope the same mistakes read and change the other tenant', async () => {
    const url = new URL(setting.world.url)
    if (level === 'database') url.pathname = `/${setting.roleOf(level, 'globex')}`
    const client = new pg.Client(url.href)
    await client.connect()
    const seen = await mistakes(
      scene,
      (sql) => client.query(sql),
      async (sql) => void (await client.query(sql)),
    )
    await client.end()
    expect(seen).toBe('got rows of the other tenant')
  })
})

it.skipIf(SLOW)('calls stopped what got nothing, and not stopped what got something', () => {
  for (const name of NAMES) {
    for (const level of LEVELS) {
      const { stopped, seen } = CLAIMS[name][level]
      expect(seen.startsWith('got '), `${name} at level ${level}`).toBe(!stopped)
    }
  }
})

it.skipIf(SLOW)('is what the README says', async () => {
  const readme = await readFile(new URL('../../../../README.md', import.meta.url), 'utf8')
  const lines = readme.split('\n')
  const first = lines.findIndex((line) => line.startsWith('| | `schema`'))
  expect(first, 'the table of the isolation levels in README.md').toBeGreaterThan(-1)
  const length = lines.slice(first).findIndex((line) => !line.startsWith('|'))
  expect(lines.slice(first, first + length)).toEqual(readmeTable())
})
