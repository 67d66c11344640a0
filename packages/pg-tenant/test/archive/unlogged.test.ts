// @module-tag sampled
import pg from 'pg'
import { expect, it } from 'vitest'
import { useCrashWorld } from '../faults/crash-world.ts'
import { hasTurn } from '../support/sample.ts'
import { useFolder } from './support.ts'

const world = useCrashWorld()
const folder = useFolder()

// PostgreSQL's bug 17731: the log of a ROLLBACK of unlogged tables is written some time later; who dies before does not start.
it.each((['role', 'row'] as const).filter((level) => hasTurn(level, ['role'])))(
  'a server killed right behind a restore that failed starts at the first try, level %s',
  async (level) => {
    const ground = await world.ground(level, `unlogged_${level}`)
    const of = level === 'row' ? 'tenant_id text not null, ' : ''
    const table = {
      id: '1',
      sql: `create table staged (${of}n int, twice int generated always as (n * 2) stored)`,
    }
    const own = {
      id: '2',
      sql: level === 'row' ? 'select 1' : 'create unlogged table own (n int primary key)',
    }
    const sound = ground.tenancy({ migrations: [table, own] })
    await sound.provision('a')
    await sound.query('a', 'insert into staged (n) values (1), (2)')
    const from = folder.path(level)
    await sound.backup('a', { to: from })
    // Nothing writes the log by chance.
    const found = await ground.root.query(`select pid from pg_stat_activity where backend_type = 'walwriter'`)
    process.kill(found.rows[0].pid, 'SIGSTOP')
    const refuses = async () => {
      // Somebody commits, which writes the log as far as the tables are made.
      await ground.root.query('create table elsewhere ()')
      throw new Error('refused')
    }
    await expect(
      ground.tenancy({ migrations: [table, own], onProvision: refuses }).restore('b', { from }),
    ).rejects.toThrow()
    world.server.arm(1, 'before')
    const last = new pg.Client(world.server.mortalUrl)
    last.on('error', () => {})
    await last.connect()
    await last.query('select 1').catch(() => {})
    expect(await world.server.crashed()).toBe(true)
    expect((await sound.query('a', 'select twice from staged order by n')).rows).toEqual([
      { twice: 2 },
      { twice: 4 },
    ])
  },
)
