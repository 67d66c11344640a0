import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { useFolder } from '../archive/support.ts'
import { useSetting } from '../levels/setting.ts'
import { codeOf } from '../support/world.ts'

const setting = useSetting()
const { world } = setting
const folder = useFolder()

describe('an off-boarding', () => {
  it('refuses to lose what no archive holds, until it is named', async () => {
    const tenancy = setting.tenancy('role')
    await tenancy.provision('lo')
    await tenancy.query('lo', `select lo_from_bytea(0, 'the contract')`)
    const backup = { to: folder.path('lo') }
    await expect(tenancy.offboard('lo', { confirm: 'lo', backup })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'not_archived', lost: 'large objects 1' },
    })
    expect((await tenancy.find('lo'))?.status).toBe('active')
    const named = await tenancy.offboard('lo', { confirm: 'lo', backup, lose: ['large objects'] })
    expect(named.status).toBe('deleted')
    const odd = tenancy.offboard('lo', { confirm: 'lo', backup, lose: 'all' as never })
    expect(await codeOf(odd)).toBe('INVALID_OPTION')
  })

  it.each(['file', 'stream'])('drops nothing whose archive, in a %s, does not restore', async (kind) => {
    // What the column was computed from is not there any more: nobody can compute it again.
    const tenancy = setting.tenancy('role')
    const key = `stale-${kind}`
    await tenancy.provision(key)
    for (const sql of [
      'create table rates (code text primary key, pct numeric)',
      `create function pct(c text) returns numeric language sql immutable as 'select pct from rates where code = c'`,
      'create table items (id int primary key, code text, tax numeric generated always as (100 * pct(code)) stored)',
      `insert into rates values ('n', 0.2)`,
      `insert into items values (1, 'n')`,
      'update rates set pct = 0.3',
    ])
      await tenancy.query(key, sql)
    const to = kind === 'file' ? folder.path(key) : new PassThrough().resume()
    await expect(tenancy.offboard(key, { confirm: key, backup: { to } })).rejects.toMatchObject({
      code: 'INTERNAL_ERROR',
      details: { table: 'items' },
    })
    expect((await tenancy.find(key))?.status).toBe('active')
    expect((await tenancy.query(key, 'select tax from items')).rows).toEqual([{ tax: '20.0' }])
  })

  it('of a sound tenant into a stream is rehearsed as well, and goes through', async () => {
    const tenancy = setting.tenancy('role')
    await tenancy.provision('piped')
    await tenancy.query('piped', `insert into notes (body) values ('kept')`)
    const to = new PassThrough().resume()
    expect(await tenancy.offboard('piped', { confirm: 'piped', backup: { to } })).toMatchObject({
      status: 'deleted',
      rows: 1,
    })
  })
})

describe('what others hung on a tenant', () => {
  const CHANGES = [
    ['view', 'create view reporting.v as select id from role_$key.notes'],
    ['column', 'create table reporting.c (n role_$key.notes)'],
    [
      'function',
      `create function reporting.f() returns role_$key.notes language plpgsql as 'begin return null; end'`,
    ],
    ['foreign key', 'create table reporting.k (id bigint references role_$key.notes)'],
    ['publication', 'create publication feed for table role_$key.notes'],
    [
      'table of its own elsewhere',
      'create table reporting.own (a int); alter table reporting.own owner to $role',
    ],
  ] as const

  it.each(CHANGES)(
    '(a %s) is named, and neither drop, offboard nor a replacing restore takes it',
    async (name, sql) => {
      const tenancy = setting.tenancy('role')
      const key = `hung-${CHANGES.findIndex(([one]) => one === name)}`
      await tenancy.provision(key)
      const role = setting.roleOf('role', key)
      const quoted = sql.replaceAll('role_$key', `"role_${key}"`).replaceAll('$role', `"${role}"`)
      await world.root.query(`drop schema if exists reporting cascade; create schema reporting; ${quoted}`)
      const refused = { code: 'CONFLICT', details: { reason: 'dependents' } }
      const to = folder.path(key)
      await expect(tenancy.drop(key)).rejects.toMatchObject(refused)
      if (name !== 'publication') {
        await expect(tenancy.offboard(key, { confirm: key, backup: { to } })).rejects.toMatchObject(refused)
        expect((await tenancy.find(key))?.status).toBe('active')
      }
      if (name !== 'table of its own elsewhere') {
        await tenancy.backup(key, { to })
        const replaced = tenancy.restore(key, { from: to, force: 'replace' })
        await expect(replaced).rejects.toMatchObject(refused)
      }
      await world.root.query('drop schema reporting cascade; drop publication if exists feed')
      expect(await tenancy.drop(key)).toBe(true)
    },
  )
})
