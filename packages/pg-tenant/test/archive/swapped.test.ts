import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { backupTenant } from '../../src/archive/backup.ts'
import { exportTenant } from '../../src/archive/export/export.ts'
import { codeOf, useWorld } from '../support/world.ts'
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
