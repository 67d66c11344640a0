import { createHash } from 'node:crypto'
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import type { TenantKey } from '@org/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { exportTenant } from '../../src/archive/export/export.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { suspend } from '../../src/lifecycle/suspend.ts'
import { codeOf, eventually, useWorld } from '../support/world.ts'
import { lifecycleOf, provisioned, useFolder } from './support.ts'

const world = useWorld([])
const folder = useFolder()
const MIGRATION = {
  id: '0001',
  sql: `create domain sealed as text check (value like 'enc:v1:%');
    create domain held as jsonb check (value -> 'deep' ->> 0 like 'enc:v1:%');
    create domain kept as held;
    create table "Notes" (id int primary key, body text, doc json, tags text[], secret sealed, extra kept);
    create table notes (a text, b int);
    create table "../evil/.." (x int)`,
}
let lifecycle: Lifecycle
let tenant: TenantKey

beforeAll(async () => {
  lifecycle = lifecycleOf(world, { migrations: [MIGRATION] })
  tenant = await provisioned(lifecycle, 'acme')
  const tenancy = world.tenancy({ migrations: [MIGRATION] })
  const run = (sql: string, values: unknown[] = []) => tenancy.query('acme', sql, values)
  const insert = 'insert into "Notes" values ($1, $2, $3, $4, $5, $6)'
  await run(insert, [
    2,
    'line 1\nline 2, "quoted" \u0001 \\N',
    '{ "a":\r\n "x\\ny" }',
    ['p', 'enc:v2:QUJD+/=', null],
    null,
    null,
  ])
  await run(insert, [
    1,
    null,
    null,
    null,
    'enc:v1:SECRETsecret==',
    '{"deep": ["enc:v1:SECRET", 12345678901234567890.5]}',
  ])
  await run(`insert into notes values ('', 2), (null, 1), ('enc:v1:SECRET', 3)`)
})

const read = (path: string, name: string) => readFile(join(path, name), 'utf8')

describe('an export', () => {
  it('is JSON Lines in the order of the key, without secrets, and with a manifest', async () => {
    const to = folder.path('jsonl')
    const result = await exportTenant(lifecycle, tenant, { to })
    expect((await readdir(to)).sort()).toEqual([
      '%2e%2e%2fevil%2f%2e%2e.jsonl',
      'Notes.jsonl',
      'manifest.json',
      'notes~2.jsonl',
    ])
    const text = await read(to, 'Notes.jsonl')
    expect(
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
    ).toEqual([
      {
        id: 1,
        body: null,
        doc: null,
        tags: null,
        secret: 'enc:***',
        extra: { deep: ['enc:***', 12345678901234567000] },
      },
      {
        id: 2,
        body: 'line 1\nline 2, "quoted" \u0001 \\N',
        doc: { a: 'x\ny' },
        tags: ['p', 'enc:***', null],
        secret: null,
        extra: null,
      },
    ])
    // Numbers keep all their digits.
    expect(text).toContain('12345678901234567890.5')
    expect(JSON.parse(await read(to, 'manifest.json'))).toEqual(JSON.parse(JSON.stringify(result)))
    const notes = result.tables.find(({ table }) => table === 'Notes')
    expect(notes).toMatchObject({ rows: 2, sha256: createHash('sha256').update(text).digest('hex') })
    expect(result.tables.map(({ table, rows }) => [table, rows])).toEqual([
      ['../evil/..', 0],
      ['Notes', 2],
      ['notes', 3],
    ])
  })

  it('is CSV as RFC 4180 has it', async () => {
    const to = folder.path('csv')
    const result = await exportTenant(lifecycle, tenant, { to, format: 'csv' })
    expect(await read(to, 'notes~2.csv')).toBe('a,b\r\n"",2\r\n,1\r\nenc:***,3\r\n')
    expect(await read(to, 'Notes.csv')).toContain('"line 1\nline 2, ""quoted"" \u0001 \\N"')
    expect(result.rows).toBe(5)
  })

  it('is CSV in which nothing is a formula, unless that is wanted', async () => {
    const narrow = [
      '=1+1',
      '+1',
      '-2+3',
      '@SUM(1)',
      '\t=1',
      '\r=1',
      '\n=1',
      ' =1',
      ' \t=1',
      '\u0085\v=1',
      '\u00a0\u200b@a',
    ]
    const formulas = [...narrow, '\uff1d1', '\uff0b1', '\uff0d1', '\uff20a']
    const harmless = ['a=1', '(=1', '#=1', "'=1", 'a\n=1']
    const tenancy = world.tenancy({ migrations: [MIGRATION] })
    await tenancy.query('acme', 'create table cells (text text, "-c" char(9), n numeric)')
    for (const text of [...formulas, ...harmless])
      await tenancy.query('acme', 'insert into cells values ($1, $1::text, -5)', [text])
    const csvOf = async (to: string, options: { keepFormulas?: boolean }) => {
      await exportTenant(lifecycle, tenant, { to, format: 'csv', ...options })
      return await read(to, 'cells.csv')
    }
    const csv = await csvOf(folder.path('people'), {})
    expect(csv.split('\r\n')[0]).toBe("text,'-c,n")
    for (const text of formulas) expect(csv.split(`'${text}`), text).toHaveLength(3)
    for (const text of harmless) expect(csv).not.toContain(`'${text}`)
    expect(csv).toContain(',-5\r\n')
    expect(await csvOf(folder.path('programs'), { keepFormulas: true })).toContain('\r\n=1+1,')
    await tenancy.query('acme', 'drop table cells')
  })

  it('says the same twice, and holds secrets only when asked for them', async () => {
    const [a, b, c] = [folder.path('a'), folder.path('b'), folder.path('c')]
    const first = await exportTenant(lifecycle, tenant, { to: a })
    const second = await exportTenant(lifecycle, tenant, { to: b })
    expect(second.tables).toEqual(first.tables)
    for (const name of await readdir(a))
      expect((await read(a, name)).toLowerCase()).not.toContain('secretsecret')
    await exportTenant(lifecycle, tenant, { to: c, includeSecrets: true })
    expect(await read(c, 'Notes.jsonl')).toContain('enc:v1:SECRETsecret==')
    expect(await read(c, 'Notes.jsonl')).toContain('enc:v2:QUJD+/=')
  })

  it('goes to a stream as well', async () => {
    let text = ''
    const to = new Writable({
      write: (chunk: Buffer, _, done) => {
        text += chunk.toString()
        done()
      },
    })
    const { rows } = await exportTenant(lifecycle, tenant, { to })
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toHaveLength(rows)
    expect(lines[0]).toMatchObject({ table: 'Notes', row: { id: 1 } })
    expect(await codeOf(exportTenant(lifecycle, tenant, { to, format: 'csv' }))).toBe('INVALID_OPTION')
  })

  it('overwrites nothing and leaves nothing half-made', async () => {
    const to = folder.path('taken')
    await mkdir(to)
    await writeFile(join(to, 'mine'), 'mine')
    expect(await codeOf(exportTenant(lifecycle, tenant, { to }))).toBe('CONFLICT')
    expect(await readdir(to)).toEqual(['mine'])
    const broken = folder.path('broken')
    await world.root.query(
      'create table c_acme.unreadable (a int); revoke all on c_acme.unreadable from public',
    )
    await world.root.query(`revoke all on c_acme.unreadable from "${world.rolePrefix}acme"`)
    expect(await codeOf(exportTenant(lifecycle, tenant, { to: broken }))).toBe('CONFLICT')
    await world.root.query('drop table c_acme.unreadable')
    await expect(access(broken)).rejects.toThrow()
    expect((await readdir(join(broken, '..'))).filter((name) => name.includes('broken'))).toEqual([])
  })

  it('is not under its name before it is whole', async () => {
    const to = folder.path('later')
    const blocker = await world.root.connect()
    await blocker.query('begin; lock table c_acme.notes in access exclusive mode')
    const running = exportTenant(lifecycle, tenant, { to })
    await eventually(async () => {
      const { rows } = await world.root.query(
        `select from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'`,
        [world.adminRole],
      )
      return rows.length === 1
    })
    await expect(access(to)).rejects.toThrow()
    await blocker.query('rollback')
    blocker.release()
    await running
    await access(join(to, 'manifest.json'))
  })

  it('is to be had of a suspended tenant, which stays suspended', async () => {
    await suspend(lifecycle, tenant, null)
    const { rows } = await exportTenant(lifecycle, tenant, { to: folder.path('suspended') })
    expect(rows).toBe(5)
    expect((await world.tenancy().find('acme'))?.status).toBe('suspended')
    expect(await codeOf(world.tenancy().query('acme', 'select 1'))).toBe('TENANT_SUSPENDED')
  })
})
