import { beforeAll, describe, expect, it } from 'vitest'
import { codeOf, useWorld } from '../support/world.ts'
import { NOTES, rowTenancy } from './row-world.ts'

const world = useWorld([])
const MORE = {
  id: '0002_more',
  sql: 'create table more (tenant_id text, id int, primary key (tenant_id, id))',
}
const with_ = (sql: string) => rowTenancy(world, { migrations: [NOTES, MORE, { id: '0003_next', sql }] })
beforeAll(async () => {
  await rowTenancy(world).provision('acme')
  await rowTenancy(world).query('acme', `insert into notes (body) values ('old')`)
})
const exists = async (table: string) =>
  (await world.root.query('select to_regclass($1) is not null as there', [table])).rows[0].there

describe('migrations of the shared schema', () => {
  it('run once for all tenants, at the next provisioning or by themselves', async () => {
    const next = rowTenancy(world, { migrations: [NOTES, MORE] })
    const done = await Promise.all([
      next.migrate(),
      rowTenancy(world, { migrations: [NOTES, MORE] }).provision('globex'),
    ])
    const applied = [...done[0], ...done[1].migrations]
    expect(applied).toEqual([MORE.id])
    expect(await next.migrate()).toEqual([])
    expect((await next.query('acme', 'select * from more')).rows).toEqual([])
    const { rows } = await world.root.query('select id, applied_by from tenancy.row_migration order by id')
    expect(rows).toEqual([NOTES, MORE].map(({ id }) => ({ id, applied_by: world.adminRole })))
  })

  it('are refused when one was edited, or is unknown', async () => {
    expect(
      await codeOf(rowTenancy(world, { migrations: [{ ...NOTES, sql: 'select 1' }, MORE] }).migrate()),
    ).toBe('CONFLICT')
    expect(await codeOf(rowTenancy(world).migrate())).toBe('CONFLICT')
  })

  it('leave nothing behind when they fail, end the transaction, or make a table without a tenant', async () => {
    await expect(with_('create table half (tenant_id text); select 1 / 0').migrate()).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
      details: { migration: '0003_next' },
    })
    expect(await codeOf(with_('create table loose (id int)').migrate())).toBe('INVALID_OPTION')
    expect([await exists('app.half'), await exists('app.loose')]).toEqual([false, false])
    expect(await codeOf(with_('create table torn (tenant_id text); commit; begin').migrate())).toBe(
      'STATEMENT_REFUSED',
    )
    expect((await world.root.query(`select to_regclass('app.torn') as torn`)).rows).toEqual([{ torn: null }])
  })

  it('may not give a table to the application, to which its policy would not hold', async () => {
    const giving = { id: '0003_giving', sql: `alter table notes owner to ${world.appRole}` }
    const mine = rowTenancy(world, { adminPool: world.root, migrations: [NOTES, MORE, giving] })
    expect(await codeOf(mine.migrate())).toBe('INVALID_OPTION')
  })

  it('do not lose a backfill silently: the owner is bound too, is told, and has a way', async () => {
    const backfill = `update notes set body = 'new'`
    await expect(with_(`select 1;\n${backfill}`).migrate()).rejects.toMatchObject({
      code: 'STATEMENT_REFUSED',
      message: expect.stringContaining('Migration 0003_next, line 2'),
      details: { statement: 2 },
    })
    const next = with_(`alter table notes no force row level security; ${backfill}`)
    expect(await next.migrate()).toEqual(['0003_next'])
    expect((await next.query('acme', 'select body from notes')).rows).toEqual([{ body: 'new' }])
    const { rows } = await world.root.query(
      `select relforcerowsecurity as forced from pg_class where oid = 'app.notes'::regclass`,
    )
    expect(rows).toEqual([{ forced: true }])
  })
})
