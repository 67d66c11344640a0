// @module-tag sampled
import { readFile } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { useSetting } from '../levels/setting.ts'
import { hasTurn, SLOW } from '../support/sample.ts'
import { codeOf } from '../support/world.ts'
import { LEVELS, openLibrary, read, write } from './library.ts'
import { useFolder } from './support.ts'

const setting = useSetting()
const folder = useFolder()
const { world } = setting

describe.each(LEVELS.filter((level) => hasTurn(level, ['row'])))('level %s', (level) => {
  const tenancy = () => openLibrary(setting, level)

  it('backs up a tenant and nobody else, and brings it back after it was dropped', async () => {
    const here = tenancy()
    for (const key of ['acme', 'globex']) {
      await here.provision(key)
      await write(here, key, [`${key} Ada`, `${key} Bo`])
    }
    const before = await read(here, 'acme')
    expect(before).toHaveLength(2)
    const to = folder.path(`${level}-acme`)
    expect(await here.backup('acme', { to })).toMatchObject({ rows: 4, tenant: 'acme' })
    await write(here, 'globex', ['later'])
    const others = await read(here, 'globex')
    expect(await codeOf(here.restore('acme', { from: to }))).toBe('CONFLICT')
    expect(await read(here, 'acme')).toEqual(before)
    await here.drop('acme')
    expect(await here.restore('acme', { from: to })).toMatchObject({ rows: 4, source: 'acme' })
    expect(await read(here, 'acme')).toEqual(before)
    expect(await read(here, 'globex')).toEqual(others)
    // What comes next gets keys of its own.
    await write(here, 'acme', ['new'])
    expect(await read(here, 'acme')).toHaveLength(3)
    expect(await here.find('acme')).toMatchObject({ status: 'active', schemaVersion: '1' })
    expect(await here.provision('acme')).toEqual({ created: false, migrations: [] })
  })

  it('makes a copy under another key, which goes its own way', async () => {
    const here = tenancy()
    await here.provision('original')
    await write(here, 'original', ['one'])
    const to = folder.path(`${level}-original`)
    await here.backup('original', { to })
    await here.restore('copy', { from: to })
    expect(await read(here, 'copy')).toEqual(await read(here, 'original'))
    await write(here, 'copy', ['two'])
    await here.query('copy', `update author set name = 'changed'`)
    expect(await read(here, 'original')).toMatchObject([{ name: 'one' }])
    expect(await read(here, 'copy')).toHaveLength(2)
  })

  it('backs up a suspended tenant and replaces it, still suspended', async () => {
    const here = tenancy()
    await here.provision('unpaid')
    await write(here, 'unpaid', ['one'])
    const before = await read(here, 'unpaid')
    await here.suspend('unpaid')
    const to = folder.path(`${level}-unpaid`)
    expect(await here.backup('unpaid', { to })).toMatchObject({ rows: 2 })
    await here.resume('unpaid')
    await write(here, 'unpaid', ['two'])
    await here.suspend('unpaid')
    await here.restore('unpaid', { from: to, force: 'replace' })
    expect(await codeOf(here.query('unpaid', 'select 1'))).toBe('TENANT_SUSPENDED')
    await here.resume('unpaid')
    expect(await read(here, 'unpaid')).toEqual(before)
  })

  it('exports one tenant, without the column that says whose it is', async () => {
    const here = tenancy()
    await here.provision('told')
    await write(here, 'told', ['one'])
    const lines: string[] = []
    const to = new Writable({
      write: (chunk: Buffer, _, done) => {
        lines.push(chunk.toString())
        done()
      },
    })
    expect(await here.export('told', { to })).toMatchObject({ rows: 2 })
    const rows = lines
      .join('')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(rows.map(({ table }) => table)).toEqual(['author', 'book'])
    expect(rows[0].row).toEqual({ id: expect.anything(), name: 'one', best: expect.anything() })
  })

  it('leaves nothing of a restore that fails at its end', async () => {
    const here = tenancy()
    await here.provision('source')
    await write(here, 'source', ['one'])
    const to = folder.path(`${level}-source`)
    await here.backup('source', { to, compression: 'none' })
    const bytes = await readFile(to)
    bytes[bytes.length - 40] = (bytes[bytes.length - 40] as number) ^ 1
    async function* damaged() {
      yield bytes
    }
    expect(await codeOf(here.restore('broken', { from: damaged() }))).toBe('VALIDATION_ERROR')
    expect(await here.find('broken')).toBeUndefined()
    const { rows } = await world.root.query(
      'select rolname as name from pg_roles where rolname = $1 union all select datname from pg_database where datname = $1',
      [setting.roleOf(level, 'broken')],
    )
    expect(rows).toEqual([])
    expect(['SCHEMA_MISSING', 'TENANT_NOT_FOUND']).toContain(await codeOf(here.query('broken', 'select 1')))
  })
})

describe('an archive of one level', () => {
  it.runIf(SLOW)('becomes a tenant of any other with tables of its own', async () => {
    const own = LEVELS.filter((level) => level !== 'row')
    for (const [index, level] of own.entries()) {
      const from = openLibrary(setting, level)
      const into = own[(index + 1) % own.length] ?? level
      const to = openLibrary(setting, into)
      await from.provision('moving')
      await write(from, 'moving', ['one', 'two'])
      const file = folder.path(`${level}-to-${into}`)
      await from.backup('moving', { to: file })
      await to.restore('moved', { from: file })
      expect(await read(to, 'moved'), `${level} to ${into}`).toEqual(await read(from, 'moving'))
      await write(to, 'moved', ['three'])
    }
  })

  it.skipIf(SLOW).each([
    ['row', 'role'],
    ['role', 'row'],
  ] as const)('of level %s is refused at level %s, before anything is made', async (level, other) => {
    const from = openLibrary(setting, level)
    await from.provision('stays')
    const file = folder.path(`${level}-stays`)
    await from.backup('stays', { to: file })
    const to = openLibrary(setting, other)
    await expect(to.restore('moved-not', { from: file })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'level' },
    })
    expect(await to.find('moved-not')).toBeUndefined()
  })
})

it.skipIf(SLOW)(
  'level schema: a table that the application made, whose policies bind it, is read without waiting for oneself',
  async () => {
    const tenancy = setting.tenancy('schema')
    await tenancy.provision('bound')
    for (const sql of [
      'create table bound (id int primary key, body text, size int generated always as (length(body)) stored)',
      `insert into bound values (1, 'seen'), (2, 'hidden')`,
      'alter table bound enable row level security',
      'alter table bound force row level security',
      'create policy one on bound using (id = 1)',
      'create view seen as select body from bound',
    ])
      await tenancy.query('bound', sql)
    const from = folder.path('bound')
    expect((await tenancy.backup('bound', { to: from })).rows).toBe(2)
    await tenancy.restore('unbound', { from })
    const { rows } = await setting.world.root.query('select body, size from schema_unbound.bound order by id')
    expect(rows).toEqual([
      { body: 'seen', size: 4 },
      { body: 'hidden', size: 6 },
    ])
    expect((await tenancy.query('unbound', 'select body from bound')).rows).toEqual([{ body: 'seen' }])
  },
)
