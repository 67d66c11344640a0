import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { findProgram } from '@org/pg-testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { backupTenant } from '../../src/archive/backup.ts'
import { manifestPathOf } from '../../src/archive/pg-dump/manifest.ts'
import { openDump } from '../../src/archive/pg-dump/open.ts'
import { runProgram, versionOf } from '../../src/archive/pg-dump/program.ts'
import type { IsolationLevel } from '../../src/index.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { killedAdmin } from '../levels/killed.ts'
import { useSetting } from '../levels/setting.ts'
import { codeOf, eventually, NOTES } from '../support/world.ts'
import { lifecycleOf, provisioned, useFolder } from './support.ts'

const setting = useSetting()
const { world } = setting
const folder = useFolder()
const found = findProgram('pg_dump')
const PROGRAMS = dirname(found ?? 'nowhere/pg_dump')
const version = (await versionOf('pg_dump', PROGRAMS)) ?? 0
const installed = version > 0 && findProgram('pg_restore') !== undefined
let lifecycle: Lifecycle
let major = 0

beforeAll(async () => {
  lifecycle = lifecycleOf(world)
  major = Number(
    (await world.root.query(`select current_setting('server_version_num')::int / 10000 as m`)).rows[0].m,
  )
})

/** Whether the programs here can be used on the server of this run. */
const usable = () => installed && major <= version
const refused = { format: 'pg_dump', programs: PROGRAMS } as const

describe('pg_dump', () => {
  it('that is not there is missed, with a way out', async () => {
    const tenant = await provisioned(lifecycle, 'nowhere')
    const programs = folder.path('no-programs')
    const backup = backupTenant(lifecycle, tenant, { to: folder.path('x'), format: 'pg_dump', programs })
    await expect(backup).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      message: expect.stringContaining("format: 'archive'"),
      details: { program: 'pg_dump', reason: 'pg_dump is not installed here' },
    })
    expect(await readdir(dirname(folder.path('x')))).toEqual([])
  })

  it.skipIf(!installed)('of an older version than the server is refused', async () => {
    if (usable()) return
    const tenant = await provisioned(lifecycle, 'newer-server')
    await expect(backupTenant(lifecycle, tenant, { to: folder.path('x'), ...refused })).rejects.toMatchObject(
      {
        code: 'SERVICE_UNAVAILABLE',
        details: { reason: `pg_dump is version ${version}, older than the server's ${major}` },
      },
    )
  })

  it.skipIf(!installed)('that fails says why, without values or passwords', async () => {
    const url = new URL(world.adminUrl)
    const environment = {
      PGHOST: url.hostname,
      PGPORT: url.port,
      PGUSER: 'nobody_at_all',
      PGDATABASE: url.pathname.slice(1),
      PGPASSWORD: 'hunter2',
    }
    const run = runProgram({ program: 'pg_dump', programs: PROGRAMS, args: ['--no-password'], environment })
    const error = await run.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'DATABASE_ERROR', details: { program: 'pg_dump', exitCode: 1 } })
    expect(JSON.stringify(error)).not.toContain('hunter2')
  })

  it('is told by no argument what the password is', async () => {
    // Stands in for the program: says what it was given.
    const programs = dirname(folder.path('x'))
    const script = `#!/bin/sh
if [ "$1" = --version ]; then echo 'pg_dump (PostgreSQL) 99.1'; exit 0; fi
echo "error: $* [$PGUSER] \${#PGPASSWORD}" >&2; exit 1\n`
    await writeFile(folder.path('pg_dump'), script)
    await chmod(folder.path('pg_dump'), 0o700)
    const tenant = await provisioned(lifecycle, 'told')
    const error = await backupTenant(lifecycle, tenant, {
      to: folder.path('told'),
      format: 'pg_dump',
      programs,
    }).catch((reason: { details: { said: string } }) => reason.details.said)
    expect(error).toContain(`[${world.adminRole}] ${'admin'.length}`)
    expect(error).not.toMatch(/(^|[ =])admin( |$)/)
  })
})

const LEVELS: readonly IsolationLevel[] = ['schema', 'role', 'login', 'database']

describe.each(LEVELS)('level %s', (level) => {
  const made = `create table by_hand (id int primary key, size int generated always as (id * 2) stored);
    insert into by_hand values (1), (2); create index idx_by_hand_size on by_hand (size)`

  it.skipIf(!installed)('comes back as it was, structure made by hand and all', async () => {
    if (!usable()) return
    const tenancy = setting.tenancy(level)
    await tenancy.provision('dumped')
    // What the administrator made, at level schema, where he owned all tables in earlier releases.
    if (level === 'schema')
      await world.admin.query(`set search_path to schema_dumped; ${made}; reset search_path;
      grant select on all tables in schema schema_dumped to ${world.appRole}`)
    else for (const sql of made.split(';')) await tenancy.query('dumped', sql)
    await tenancy.query('dumped', `insert into notes (body) values ('kept'), ('too')`)
    const to = folder.path(`dumped-${level}`)
    const result = await tenancy.backup('dumped', { to, format: 'pg_dump', programs: PROGRAMS })
    expect(result).toMatchObject({ rows: 4, tenant: 'dumped', bytes: (await stat(to)).size })
    expect((await stat(to)).mode & 0o077).toBe(0)
    const again = tenancy.backup('dumped', { to, format: 'pg_dump', programs: PROGRAMS })
    expect(await codeOf(again)).toBe('CONFLICT')
    const restore = (key: string, from = to) => tenancy.restore(key, { from, programs: PROGRAMS })
    // Never over what is there.
    expect(await codeOf(restore('dumped'))).toBe('CONFLICT')
    expect(await restore('other')).toMatchObject({ rows: 4, source: 'dumped', tables: 2 })
    expect((await tenancy.query('other', 'select id, size from by_hand order by 1')).rows).toEqual([
      { id: 1, size: 2 },
      { id: 2, size: 4 },
    ])
    await tenancy.drop('dumped')
    expect(await restore('dumped')).toMatchObject({ rows: 4, tables: 2, migrations: [] })
    await tenancy.query('dumped', `insert into notes (body) values ('new')`)
    expect((await tenancy.query('dumped', 'select * from notes order by id')).rows).toEqual([
      { id: '1', body: 'kept' },
      { id: '2', body: 'too' },
      { id: '3', body: 'new' },
    ])
    expect(await tenancy.find('dumped')).toMatchObject({ status: 'active', schemaVersion: NOTES.id })
    const { rows } = await setting.rootAt(
      level,
      'dumped',
      `select tablename as name, tableowner as owner from pg_tables where schemaname = $1 and tablename !~ '^_tenant' order by 1`,
      [setting.schemaOf(level, 'dumped')],
    )
    const owner = setting.roleOf(level, level === 'schema' ? 'schema_dumped' : 'dumped')
    expect(rows).toEqual([
      { name: 'by_hand', owner },
      { name: 'notes', owner },
    ])
    expect(await tenancy.provision('dumped')).toEqual({ created: false, migrations: [] })
  })

  it.skipIf(!installed)('restores nothing from a file that was damaged, or lacks its manifest', async () => {
    if (!usable()) return
    const tenancy = setting.tenancy(level)
    await tenancy.provision('damaged')
    const to = folder.path(`damaged-${level}`)
    await tenancy.backup('damaged', { to, format: 'pg_dump', programs: PROGRAMS })
    await tenancy.drop('damaged')
    const [bytes, manifest] = [await readFile(to), await readFile(manifestPathOf(to), 'utf8')]
    const restore = (from: string) => codeOf(tenancy.restore('damaged', { from, programs: PROGRAMS }))
    const changed = Buffer.from(bytes)
    changed[bytes.length - 30] = (changed[bytes.length - 30] as number) ^ 1
    await writeFile(`${to}.changed`, changed)
    expect(await restore(`${to}.changed`)).toBe('NOT_FOUND')
    await writeFile(manifestPathOf(`${to}.changed`), manifest)
    expect(await restore(`${to}.changed`)).toBe('VALIDATION_ERROR')
    // Its digest is right, what it says of the rows is not.
    await writeFile(`${to}.counted`, bytes)
    const miscounted = JSON.parse(manifest)
    miscounted.tables[0].rows = 7
    await writeFile(manifestPathOf(`${to}.counted`), JSON.stringify(miscounted))
    expect(await restore(`${to}.counted`)).toBe('INTERNAL_ERROR')
    expect((await tenancy.find('damaged'))?.status).toBe('deleted')
    expect(await restore(to).catch(() => 'done')).toBe('done')
  })
})

// The program's end must not be an error then that nobody awaits: it would end the process.
it.skipIf(!installed)('a file that is not read to its end is closed without a word', async () => {
  if (!usable()) return
  const tenancy = setting.tenancy('role')
  await tenancy.provision('closed')
  for (const name of ['a', 'b', 'c'])
    await tenancy.query(
      'closed',
      `create table ${name} as select repeat('x', 1000) from generate_series(1, 30)`,
    )
  const from = folder.path('closed')
  await tenancy.backup('closed', { to: from, format: 'pg_dump', programs: PROGRAMS })
  for (const asked of [0, 1]) {
    const archive = await openDump(from, { programs: PROGRAMS }, undefined)
    const blocks = archive.blocks()
    await blocks.next()
    if (asked > 0) blocks.next().catch(() => {})
    await archive.close()
    if (asked > 0) await blocks.next().catch(() => {})
  }
})

it.skipIf(!installed)(
  'what needs something that no archive holds is left out, with its sequences',
  async () => {
    if (!usable()) return
    const tenancy = setting.tenancy('role')
    await tenancy.provision('based')
    const [h, role] = ['role_based', `"${setting.roleOf('role', 'based')}"`]
    await world.root.query(`create type ${h}.base; create function ${h}.reads(cstring) returns ${h}.base language internal immutable strict as 'int4in';
    create function ${h}.writes(${h}.base) returns cstring language internal immutable strict as 'int4out';
    create type ${h}.base (input = ${h}.reads, output = ${h}.writes, like = int4);
    create table ${h}.based (id serial primary key, b ${h}.base); insert into ${h}.based (b) values ('1'); alter table ${h}.based owner to ${role}`)
    await tenancy.query('based', `insert into notes (body) values ('kept')`)
    const to = folder.path('based')
    const { rows, skipped } = await tenancy.backup('based', { to, format: 'pg_dump', programs: PROGRAMS })
    expect([rows, skipped.map(({ name }) => name)]).toEqual([1, expect.arrayContaining([`table ${h}.based`])])
    expect(await tenancy.restore('based2', { from: to, programs: PROGRAMS })).toMatchObject({
      rows: 1,
      tables: 1,
    })
  },
)

// A statement of the file goes on in the next line within a name, and what stands there is no statement.
it.skipIf(!installed)('names have line breaks, and what reads like rows behind them', async () => {
  if (!usable()) return
  const tenancy = setting.tenancy('role')
  await tenancy.provision('broken')
  const rows = 'COPY role_broken.notes (id, body) FROM stdin;\n7\tnot a row\n\\.\n'
  for (const sql of [
    `create sequence "a;\n${rows.slice(0, 55)}"`,
    `create sequence "a'\n\\.\n--"`,
    'create table "line\nbreak" ("col\numn" int, "--\n" text)',
    `insert into "line\nbreak" values (1, 'kept')`,
    'create table "w\nhole" (k int) partition by hash (k)',
    'create table "p\nart" partition of "w\nhole" for values with (modulus 1, remainder 0)',
    'insert into "w\nhole" values (1), (2)',
  ])
    await tenancy.query('broken', sql)
  const from = folder.path('broken')
  await tenancy.backup('broken', { to: from, format: 'pg_dump', programs: PROGRAMS })
  await tenancy.restore('broken-2', { from, programs: PROGRAMS })
  const sql = `select (select "--\n" from "line\nbreak") as kept, (select count(*)::int from "w\nhole") as rows, (select count(*)::int from notes) as notes`
  expect((await tenancy.query('broken-2', sql)).rows).toEqual([{ kept: 'kept', rows: 2, notes: 0 }])
})

// pg_dump writes the schema of every object that a value names.
it.each(['archive', 'pg_dump'] as const)(
  'values that name objects name the copy’s own: %s',
  { tags: 'slow' },
  async (format) => {
    if (format === 'pg_dump' && !(installed && usable())) return
    const tenancy = setting.tenancy('role')
    const named = `named-${format.replace('_', '-')}`
    await tenancy.provision(named)
    for (const sql of [
      `create type mood as enum ('calm')`,
      'create type place as (what regclass, n int)',
      'create function felt(mood) returns int language sql as $$ select 1 $$',
      'create table "odd Name" (c regclass primary key, f regprocedure, t regtype, all_of regclass[])',
      'create table placed (places place[])',
      ...(format === 'archive'
        ? ['create type said as (what regclass, note text)', 'create table sayings (said said)']
        : []),
      `insert into "odd Name" select c, 'felt(mood)', 'mood', array[c, '"odd Name"'] from unnest(array['"odd Name"', 'notes', 'pg_authid']::regclass[]) c`,
      `insert into placed values (array[row('"odd Name"', 1)::place])`,
    ])
      await tenancy.query(named, sql)
    const from = folder.path(named)
    await tenancy.backup(named, { to: from, format, programs: PROGRAMS })
    const schema = setting.schemaOf('role', named)
    // Text beside it is data, whatever it says.
    if (format === 'archive') {
      const note = `see "${schema}".notes, or ${schema}.notes`
      await tenancy.query(named, `insert into sayings values (row('notes', $1)::said)`, [note])
      await tenancy.backup(named, { to: `${from}-said` })
      await tenancy.restore(`${named}-said`, { from: `${from}-said` })
      const { rows } = await tenancy.query(`${named}-said`, 'select (said).note from sayings')
      expect(rows).toEqual([{ note }])
    }
    const objects = async (key: string) => {
      const sql = `select c::text as name, k.relnamespace = $1::regnamespace as own, f::text, t::text, (select (places[1]).what = '"odd Name"'::regclass from placed) as same,
        (select relnamespace = $1::regnamespace from pg_class where oid = all_of[2]) as also
      from "odd Name" join pg_class k on k.oid = c order by k.relname`
      return (await tenancy.query(key, sql, [`"${setting.schemaOf('role', key)}"`])).rows
    }
    const before = await objects(named)
    const own = { own: true, f: 'felt(mood)', t: 'mood', same: true, also: true }
    expect(before).toEqual([
      { ...own, name: 'notes' },
      { ...own, name: '"odd Name"' },
      { ...own, name: 'pg_authid', own: false },
    ])
    // Of names with and without quotes.
    for (const key of [`${named}-2`, `${named.replaceAll('-', '_')}_3`]) {
      await tenancy.restore(key, { from, programs: PROGRAMS })
      expect(await objects(key)).toEqual(before)
    }
    const again = folder.path(`${named}-again`)
    await tenancy.backup(`${named.replaceAll('-', '_')}_3`, { to: again, format, programs: PROGRAMS })
    await tenancy.restore(named, { from: again, force: 'replace', programs: PROGRAMS })
    expect(await objects(named)).toEqual(before)
  },
)

describe.each(['role', 'database'] as const)('cut off, level %s', (level) => {
  it.skipIf(!installed)('at any statement, a restore is finished by running it again', async () => {
    if (!usable()) return
    const here = setting.tenancy(level)
    await here.provision('cut')
    await here.query('cut', `insert into notes (body) values ('kept')`)
    const from = folder.path(`cut-${level}`)
    await here.backup('cut', { to: from, format: 'pg_dump', programs: PROGRAMS })
    let at = 1
    for (; at < 400; at += 11) {
      await here.drop('cut')
      const { pool, killed } = killedAdmin(setting, at)
      await setting
        .tenancy(level, { adminPool: pool })
        .restore('cut', { from, programs: PROGRAMS })
        .catch(() => {})
      await pool.end().catch(() => {})
      if ((await here.find('cut'))?.status !== 'active')
        await here.restore('cut', { from, programs: PROGRAMS })
      expect((await here.query('cut', 'select body from notes')).rows, `statement ${at}`).toEqual([
        { body: 'kept' },
      ])
      expect(await here.provision('cut'), `statement ${at}`).toEqual({ created: false, migrations: [] })
      if (!killed()) break
    }
    expect(at).toBeGreaterThan(20)
    expect(at).toBeLessThan(400)
  })

  it.skipIf(!installed)('by a signal while the program runs, it leaves nothing', async () => {
    if (!usable()) return
    const here = setting.tenancy(level)
    await here.provision('halted')
    const from = folder.path(`halted-${level}`)
    const controller = new AbortController()
    const { signal } = controller
    await here.backup('halted', { to: from, format: 'pg_dump', programs: PROGRAMS })
    await here.drop('halted')
    // Stands in for the program, so that it runs for as long as it takes.
    const programs = folder.path(`halting-${level}`)
    await mkdir(programs)
    const script = `#!/bin/sh
if [ "$1" = --version ]; then echo 'pg_restore (PostgreSQL) 99.1'; exit 0; fi
: > '${programs}/running'; exec sleep 600\n`
    await writeFile(`${programs}/pg_restore`, script)
    await chmod(`${programs}/pg_restore`, 0o700)
    const restore = codeOf(here.restore('halted', { from, programs, signal }))
    await eventually(async () => (await readdir(programs)).includes('running'))
    controller.abort()
    expect(await restore).toBe('ABORTED')
    expect((await here.find('halted'))?.status).toBe('deleted')
    expect(await codeOf(here.query('halted', 'select 1'))).toBe('SCHEMA_MISSING')
  })
})

describe('a suspended tenant', () => {
  it.skipIf(!installed)('is no case for pg_dump, whose role is shut out', async () => {
    const tenancy = setting.tenancy('role')
    await tenancy.provision('unpaid')
    await tenancy.suspend('unpaid')
    expect(await codeOf(tenancy.backup('unpaid', { to: folder.path('unpaid'), ...refused }))).toBe('CONFLICT')
  })
})

describe('level row', () => {
  it('is no case for pg_dump', async () => {
    const sql = 'create table notes (tenant_id text not null, body text, primary key (tenant_id, body))'
    const tenancy = setting.tenancy('row', { migrations: [{ id: '1', sql }] })
    await tenancy.provision('shared')
    expect(await codeOf(tenancy.backup('shared', { to: folder.path('row'), format: 'pg_dump' }))).toBe(
      'INVALID_OPTION',
    )
  })
})
