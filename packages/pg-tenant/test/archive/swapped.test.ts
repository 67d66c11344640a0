import { mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PassThrough } from 'node:stream'
import { findProgram } from '@org/pg-testing'
import { expect, it } from 'vitest'
import { backupTenant } from '../../src/archive/backup.ts'
import { exportTenant } from '../../src/archive/export/export.ts'
import { versionOf } from '../../src/archive/pg-dump/program.ts'
import { codeOf, eventually, useWorld } from '../support/world.ts'
import { lifecycleOf, provisioned, useFolder, watchedPool } from './support.ts'

const world = useWorld([])
const folder = useFolder()

it('a sequence that is a view by the time it is read runs its code with the tenant’s rights alone', async () => {
  const lifecycle = lifecycleOf(world)
  const tenant = await provisioned(lifecycle, 'swaps')
  const tenancy = world.tenancy()
  for (const sql of [
    'create sequence counted',
    `create function evil() returns bigint language plpgsql as $f$ begin
       perform set_config('role', 'none', true); raise warning 'became %', current_user; return 1;
       exception when others then raise warning 'is still %', current_user; return 1; end $f$`,
  ])
    await tenancy.query('swaps', sql)
  const heard: string[] = []
  let swapped = false
  // A backup of much data is long; here it waits right before it reads its sequences.
  const swap = async () => {
    swapped = true
    await tenancy.query('swaps', 'drop sequence counted')
    await tenancy.query('swaps', 'create view counted as select evil() as last_value, true as is_called')
  }
  const adminPool = watchedPool(lifecycle.adminPool, heard, async (sql) => {
    if (!swapped && /grant select on sequence %I/.test(sql)) await swap()
  })
  await backupTenant({ ...lifecycle, adminPool }, tenant, { to: new PassThrough().resume() })
  expect(swapped).toBe(true)
  expect(heard.filter((message) => message.startsWith('became'))).toEqual([])
  expect(heard.some((message) => message === `is still ${world.rolePrefix}swaps`)).toBe(true)
})

it.each([
  ['dropped', (table: string) => `drop table ${table}`],
  ['renamed', (table: string) => `alter table ${table} rename to before`],
])(
  'where the administrator’s table is %s and its name the tenant’s when it is read, no query is planned over that',
  async (key, giveUp) => {
    const lifecycle = lifecycleOf(world)
    const tenant = await provisioned(lifecycle, key)
    const tenancy = world.tenancy()
    const [schema, { root, adminRole }] = [`c_${key}`, world]
    await root.query(`grant usage, create on schema ${schema} to ${adminRole};
    create table ${schema}.theirs (n int); alter table ${schema}.theirs owner to ${adminRole}`)
    const heard: string[] = []
    let swapped = false
    const swap = async () => {
      swapped = true
      await root.query(giveUp(`${schema}.theirs`))
      for (const sql of [
        'create table theirs (n int)',
        `create function f(int) returns int language plpgsql immutable as $f$ begin raise warning 'ran as %', current_user; return $1; end $f$`,
        `create index on theirs ((n + ${schema}.f(1)))`,
        `grant select on theirs to ${adminRole}`,
      ])
        await tenancy.query(key, sql)
    }
    // An export of much data is long; here it waits right before it reads that table.
    const adminPool = watchedPool(lifecycle.adminPool, heard, async (sql) => {
      if (!swapped && /lock table only .*theirs/.test(sql)) await swap()
    })
    const exported = exportTenant({ ...lifecycle, adminPool }, tenant, { to: folder.path(key) })
    await exported.catch(() => {})
    expect(swapped).toBe(true)
    expect(heard).toEqual([])
    expect(await codeOf(exported)).toBe('CONFLICT')
  },
)

const PROGRAMS = dirname(findProgram('pg_dump') ?? 'nowhere/pg_dump')
const version = (await versionOf('pg_dump', PROGRAMS)) ?? 0

/** Stands in for a sequence; what its index calls says in the program's session who it has become. */
const STAND_IN = [
  `create function evil(int) returns int language plpgsql immutable as $f$ begin
     if current_setting('application_name') = 'pg_dump' then
       perform set_config('role', 'none', true); raise exception 'became %', current_user; end if;
     return $1; end $f$`,
  'drop sequence counted',
  'create table counted (last_value bigint, is_called boolean)',
  'create index on counted ((last_value + evil(1)))',
  'insert into counted values (1, true)',
]

// Up to PostgreSQL 17 it asks SELECT last_value FROM a name, which it has locked only if it was a table.
it.each(['before it begins', 'while it runs'])(
  'what pg_dump reads of a sequence that is a table by then (%s) runs no code as the administrator',
  async (when) => {
    const { rows } = await world.root.query(
      `select current_setting('server_version_num')::int / 10000 as major`,
    )
    if (Number(rows[0].major) > version) return
    const lifecycle = lifecycleOf(world)
    const key = `dumped-${when.slice(0, 5)}`
    const tenant = await provisioned(lifecycle, key)
    const tenancy = world.tenancy(when === 'while it runs' ? { lockTimeout: 300 } : {})
    await tenancy.query(key, 'create sequence counted')
    const swap = async () => {
      for (const sql of STAND_IN) await tenancy.query(key, sql)
    }
    const programs = folder.path(key)
    await mkdir(programs)
    const script = `#!/bin/sh
      case "$*" in *--format*) touch "${programs}/begun"; until [ -e "${programs}/go" ]; do sleep 0.05; done;; esac
      exec "${PROGRAMS}/pg_dump" "$@"`
    await writeFile(`${programs}/pg_dump`, script, { mode: 0o755 })
    let swapped: Promise<unknown> | undefined
    const adminPool = watchedPool(lifecycle.adminPool, [], async (sql) => {
      if (when !== 'before it begins' || swapped || !/grant select on sequence %I/.test(sql)) return
      swapped = swap()
      await swapped
    })
    const backup = backupTenant({ ...lifecycle, adminPool }, tenant, {
      to: folder.path(`${key}.dump`),
      format: 'pg_dump',
      programs,
    }).catch((error: unknown) => error)
    const begun = () =>
      stat(`${programs}/begun`).then(
        () => true,
        () => false,
      )
    await eventually(async () => (await begun()) || (await Promise.race([backup, undefined])) !== undefined)
    if (when === 'while it runs') swapped = swap()
    const outcome = await swapped?.then(
      () => 'swapped',
      (error: { code?: string }) => error.code,
    )
    await writeFile(`${programs}/go`, '')
    const told = await backup
    expect(JSON.stringify(told)).not.toContain('became')
    expect([outcome, (told as { code?: string }).code]).toEqual(
      when === 'while it runs' ? ['TIMEOUT', undefined] : ['swapped', 'CONFLICT'],
    )
  },
)
