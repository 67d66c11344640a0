// @module-tag slow: needs a second server.
import { dirname } from 'node:path'
import { findProgram, type PostgresServer, startPostgres, type TestWorld, testWorld } from '@org/pg-testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { versionOf } from '../../src/archive/pg-dump/program.ts'
import { createTenancy, type Tenancy } from '../../src/index.ts'
import { contents } from './contents.ts'
import { ODD, ROWS } from './odd-schema.ts'
import { randomOf, randomSchema } from './random-schema.ts'
import { useFolder } from './support.ts'

// A tenant of server 15 is restored on server 18. Both have to be installed.

const start = (version: 15 | 18): Promise<PostgresServer | undefined> =>
  startPostgres({ version, url: false, prefer: 'embedded' }).catch(() => undefined)
const [older, newer] = [await start(15), await start(18)]
const there = older !== undefined && newer !== undefined
if (!there) console.log('Archives of server 15 on 18 are not tested: both have to be installed.')

const found = findProgram('pg_dump', 'pg_restore')
const programs = dirname(found ?? 'nowhere/pg_dump')
const dumps = ((await versionOf('pg_dump', programs)) ?? 0) >= 15

const folder = useFolder()
const worlds: TestWorld[] = []
const tenancies: Tenancy[] = []

const open = async (server: PostgresServer): Promise<[TestWorld, Tenancy]> => {
  const world = await testWorld({ server: server.url })
  const { admin: adminPool, rolePrefix } = world
  const tenancy = createTenancy({ pool: world.pool(), adminPool, rolePrefix, migrations: ODD })
  worlds.push(world)
  tenancies.push(tenancy)
  return [world, tenancy]
}

afterAll(async () => {
  for (const tenancy of tenancies) await tenancy.close()
  for (const world of worlds) await world.close()
  for (const server of [older, newer]) await server?.stop()
})

describe.skipIf(!there)('an archive of server 15', () => {
  let from: [TestWorld, Tenancy]
  let to: [TestWorld, Tenancy]
  let before: Record<string, string[]>
  beforeAll(async () => {
    if (!older || !newer) return
    from = await open(older)
    to = await open(newer)
    await from[1].provision('acme')
    const random = [3, 4, 5].flatMap((seed) => randomSchema(randomOf(seed)))
    // Up to 15 the rule of every view reads the view itself.
    for (const sql of [...ROWS, 'create view plain as select 1 as one']) await from[1].query('acme', sql)
    // Those that are refused are passed over.
    for (const sql of random) await from[1].query('acme', sql).catch(() => {})
    before = await contents(from[0], 'acme')
    expect(Object.keys(before).length).toBeGreaterThan(20)
  })

  it('is restored on server 18 as it was', async () => {
    const path = folder.path('archive')
    expect((await from[1].backup('acme', { to: path })).skipped).toEqual([])
    await to[1].restore('acme', { from: path })
    expect(await contents(to[0], 'acme')).toEqual(before)
    // And comes back from there.
    const again = folder.path('again')
    await to[1].backup('acme', { to: again })
    await to[1].restore('copy', { from: again })
    expect(await contents(to[0], 'copy')).toEqual(before)
  })

  it.runIf(dumps)('in the format of pg_dump, too', async () => {
    const path = folder.path('dump')
    await from[1].backup('acme', { to: path, format: 'pg_dump', programs })
    await to[1].restore('acme', { from: path, force: 'replace', programs })
    expect(await contents(to[0], 'acme')).toEqual(before)
  })
})
