// @module-tag sampled
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { looksAt } from '../support/sample.ts'
import { expectHealthy, type Ground, historyOf, LEVELS, READY_LEVELS, useCrashWorld } from './crash-world.ts'
import { mountSmallDisk, type SmallDisk } from './small-disk.ts'

// The server's whole directory is on it, with the programs where those are copied (see cluster.ts).
const disk: SmallDisk | undefined = mountSmallDisk(512)

/** 5 MB, for which the table must ask for room. */
const LARGE = `create table large as select repeat(md5(i::text), 40) as filler from generate_series(1, 4000) i`

describe.skipIf(!disk)('a disk that is full', () => {
  const before = process.env.TMPDIR
  // Read when the server is started, in the first hook of the world.
  if (disk) process.env.TMPDIR = disk.path
  const world = useCrashWorld()
  beforeAll(() => {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  })
  afterAll(() => disk?.remove())

  /** Work on a full disk, then room again. Where WAL finds none the server falls over, and is falling still: started anew. */
  async function whenFull(work: () => Promise<unknown>): Promise<string> {
    disk?.fill()
    const outcome = await work().then(
      () => 'done',
      (error: { code: string; details: { sqlState?: string } }) =>
        `${error.code} ${error.details.sqlState ?? ''}`,
    )
    disk?.free()
    await world.server.restart()
    return outcome
  }
  const FULL = /^(DATABASE_ERROR 53100|DATABASE_ERROR 58030|CONNECTION_LOST .*|UNKNOWN_OUTCOME .*)$/

  describe.each(LEVELS)('level %s', (level) => {
    let ground: Ground
    let sound: Tenancy
    const large = () => [
      ...historyOf(level),
      { id: '0003_large', sql: level === 'row' ? SHARED_LARGE : LARGE },
    ]
    beforeAll(async () => {
      ground = await world.ground(level, `f${level}`)
      sound = ground.tenancy()
      await sound.provision('bystander')
      await sound.query('bystander', `insert into notes (body) values ('kept')`)
    })

    it.runIf(looksAt(level, 'role'))(
      'fails a tenant that is provisioned with a code, and the next call makes all of it',
      async () => {
        const tenancy = ground.tenancy({ migrations: large() })
        expect(await whenFull(() => tenancy.provision('acme'))).toMatch(FULL)
        expect((await sound.query('bystander', 'select body from notes')).rows).toEqual([{ body: 'kept' }])
        await tenancy.provision('acme')
        const { rows } = await tenancy.query('acme', 'select count(*)::int as n from large')
        expect(rows).toEqual([{ n: level === 'row' ? 0 : 4_000 }])
        expect(await tenancy.find('acme')).toMatchObject({ status: 'active', schemaVersion: '0003_large' })
      },
    )

    it.runIf(looksAt(level, 'row'))(
      'fails a migration of all with a report or a code, and the next run finishes',
      async () => {
        const more = [
          ...large(),
          { id: '0004_larger', sql: (level === 'row' ? SHARED_LARGE : LARGE).replaceAll('large', 'larger') },
        ]
        await ground.tenancy({ migrations: large() }).provision('acme')
        const tenancy = ground.tenancy({ migrations: more })
        const outcome = await whenFull(async () => {
          const { ok } = await tenancy.migrate({ attempts: 1, throwOnFailure: false })
          if (!ok) throw Object.assign(new Error('reported'), { code: 'CONNECTION_LOST', details: {} })
        })
        expect(outcome).toMatch(FULL)
        expect((await sound.query('bystander', 'select body from notes')).rows).toEqual([{ body: 'kept' }])
        expect(await tenancy.migrate()).toMatchObject({ ok: true })
        for (const key of ['acme', 'bystander']) await tenancy.query(key, 'select from larger limit 1')
        await expectHealthy(tenancy)
      },
    )

    it.runIf(READY_LEVELS.includes(level))('leaves no ready tenant half made', { tags: 'slow' }, async () => {
      const tenancy = ground.tenancy({ migrations: large() })
      const there = await tenancy.ready.count()
      expect(await whenFull(() => tenancy.ready.fill(there + 1))).toMatch(FULL)
      expect(await tenancy.ready.count()).toBe(there)
      expect(await tenancy.ready.fill(there + 1)).toMatchObject({ made: 1, ready: there + 1 })
      expect(await tenancy.ready.clear()).toBe(there + 1)
    })
  })
})

const SHARED_LARGE = `create table large (tenant_id text not null, filler text not null);
  create index on large (tenant_id);
  insert into large select 'nobody', repeat(md5(i::text), 40) from generate_series(1, 4000) i`
