// @module-tag sampled
import { randomBytes } from 'node:crypto'
import type { TenantKey } from '@org/core'
import { describe, expect, it } from 'vitest'
import { type AuditEntry, auditLog, installAudit } from '../../src/audit/index.ts'
import { acme, codeOf, globex, levelsInTurn, pass, useLevel } from '../support/levels.ts'

const audit = auditLog({ keys: { k1: randomBytes(32) } })
const entry = (action: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  actor: { type: 'user', id: 'u1' },
  action,
  ...more,
})

describe.each(levelsInTurn('role'))('level %s', (level) => {
  const world = useLevel(level, installAudit)
  const record = (tenant: TenantKey, ...entries: AuditEntry[]) =>
    world.tenancy.withTenant(tenant, async (db) => {
      for (const one of entries) await audit.record(db, one)
    })
  const actions = async (tenant: TenantKey) =>
    (await audit.list(world.reader(tenant), tenant)).data.map(({ action }) => action)
  const seal = async () => {
    for (const tenant of [acme, globex])
      await pass(world.admin(tenant), '', () => audit.seal(world.admin(tenant)))
  }

  it('is written with what it tells of, or not at all', async () => {
    await world.tenancy.withTenant(acme, async (db) => {
      await db.query(`insert into notes (body) values ('one')`)
      await audit.record(db, entry('notes.create', { entity: { type: 'note', id: '1' } }))
    })
    const failed = world.tenancy.withTenant(acme, async (db) => {
      await audit.record(db, entry('notes.never'))
      await db.query('select 1')
      throw new Error('no')
    })
    await expect(failed).rejects.toThrow('no')
    await record(globex, entry('globex.did'))
    expect(await actions(acme)).toEqual(['notes.create'])
    expect(await actions(globex)).toEqual(['globex.did'])
  })

  it('a tenant can neither read, change nor remove it', async () => {
    await record(acme, entry('kept'))
    const table = 'governance.audit_log'
    const columns = 'id, tenant, actor_type, action, mac'
    const values = `gen_random_uuid(), 'acme', 'user', 'x', ''`
    for (const sql of [
      `select * from ${table}`,
      `select count(*) from ${table}`,
      `insert into ${table} (${columns}) values (${values}) returning id`,
      `insert into ${table} (${columns}) values (${values}) on conflict (tenant, created_at, id) do nothing`,
      `update ${table} set action = 'x'`,
      `delete from ${table}`,
      `truncate ${table}`,
      `lock table ${table} in access exclusive mode`,
      `alter table ${table} disable row level security`,
      `drop table ${table}`,
      `create policy mine on ${table} for select using (true)`,
      `create trigger mine before insert on ${table} for each row execute function suppress_redundant_updates_trigger()`,
      'create table governance.mine ()',
      `insert into ${table} (${columns}, created_at) values (${values}, '2020-01-01')`,
      `insert into ${table} (${columns}, xid) values (${values}, '3')`,
      'select * from governance.audit_seal',
      'update governance.audit_sealer set one = one',
      `insert into governance.audit_horizon (before, mac) values (now(), '')`,
      `select * from governance.audit_log_${new Date().toISOString().slice(0, 7).replace('-', '_')}`,
    ]) {
      const attempt = codeOf(world.tenancy.withTenant(acme, (db) => db.query(sql)))
      expect([sql, await attempt]).toEqual([sql, 'DATABASE_ERROR'])
    }
    expect(await actions(acme)).toContain('kept')
  })

  it('nobody writes in the name of another tenant; what is forged in its own shows', async () => {
    const forge = (tenant: TenantKey, by: TenantKey) =>
      world.tenancy.query(
        by,
        `insert into governance.audit_log (id, tenant, actor_type, actor_id, action, mac)
          values (gen_random_uuid(), $1, 'user', 'boss', 'forged', 'k1:AAAA')`,
        [tenant],
      )
    expect(await codeOf(forge(globex, acme))).toBe('DATABASE_ERROR')
    const before = await audit.verify(world.reader(acme), acme)
    expect(before).toMatchObject({ ok: true, faults: [] })
    await forge(acme, acme)
    const unsealed = await audit.verify(world.reader(acme), acme)
    expect(unsealed.faults).toMatchObject([{ kind: 'entry_forged', seal: 0 }])
    await seal()
    const sealed = await audit.verify(world.reader(acme), acme)
    expect(sealed.faults).toMatchObject([{ kind: 'entry_forged', id: unsealed.faults[0]?.id }])
  })

  it('what a tenant writes by hand keeps nobody from sealing, however deep and of whatever size it is', async () => {
    const by = (columns: string, values: string) =>
      world.tenancy.query(
        acme,
        `insert into governance.audit_log (id, tenant, actor_type, action, mac, ${columns})
          select gen_random_uuid(), 'acme', 'user', 'by hand', 'k1:AAAA', ${values}`,
      )
    await by('changes', `(repeat('[', 5000) || repeat(']', 5000))::jsonb`)
    // A numeric of twelve bytes is 131 kB of text.
    const numbers = `('[' || repeat('1e131071,', 20) || '1]')::jsonb`
    for (const [columns, values] of [
      ['changes', numbers],
      ['metadata', numbers],
      ['personal', `repeat('x', 3000000)`],
      ['request_id', `repeat('x', 3000000)`],
    ] as const)
      expect([columns, await codeOf(by(columns, values))]).toEqual([columns, 'DATABASE_ERROR'])
    await record(acme, entry('behind it'))
    await seal()
    const { unsealed, faults } = await audit.verify(world.reader(acme), acme)
    expect([unsealed, new Set(faults.map(({ kind }) => kind))]).toEqual([0, new Set(['entry_forged'])])
    const { data } = await audit.list(world.reader(acme), acme, { limit: 1 })
    expect(data[0]?.action).toBe('behind it')
    await world
      .root(acme)
      .query(
        `truncate governance.audit_log, governance.audit_seal; update governance.audit_sealer set xid = '0'`,
      )
  })

  it('a superuser who changes, removes or adds an entry is noticed, and which one', async () => {
    await world.root(globex).query('delete from governance.audit_log; delete from governance.audit_seal')
    await record(globex, entry('one'), entry('two'), entry('three'))
    await seal()
    const root = world.root(globex)
    const verify = () => audit.verify(world.reader(globex), globex)
    expect(await verify()).toMatchObject({ ok: true, entries: 3, unsealed: 0, seals: 1 })
    const [log, seals] = ['governance.audit_log', 'governance.audit_seal']
    const attempt = async (sql: string) => {
      await root.query(
        `create table kept as select * from ${log}; create table sealed as select * from ${seals}; ${sql}`,
      )
      const { faults } = await verify()
      await root.query(`delete from ${log}; insert into ${log} select * from kept; delete from ${seals};
        insert into ${seals} select * from sealed; drop table kept; drop table sealed`)
      return faults[0]?.kind
    }
    expect(await attempt(`update ${log} set actor_id = 'else' where action = 'two'`)).toBe('entry_changed')
    expect(await attempt(`update ${log} set mac = '' where action = 'two'`)).toBe('entry_changed')
    const earlier = `update ${log} set created_at = created_at - interval '1 second' where action = 'two'`
    expect(await attempt(earlier)).toBe('entry_missing')
    expect(await attempt(`delete from ${log} where action = 'one'`)).toBe('entry_missing')
    const copied = (
      changes: string,
    ) => `insert into ${log} select (jsonb_populate_record(l, ${changes})).* from ${log} l
      where action = 'one'`
    const [id, at] = [`'00000000-0000-7000-8000-000000000001'`, `l.created_at + interval '1 second'`]
    expect(await attempt(copied(`jsonb_build_object('id', ${id})`))).toBe('entry_inserted')
    expect(await attempt(copied(`jsonb_build_object('created_at', ${at}, 'xid', '999999')`))).toBe(
      'entry_inserted',
    )
    expect(await attempt(`update ${seals} set ids = ids[2:]`)).toBe('seal_changed')
    expect(await attempt(`update ${seals} set mac = 'k1:AAAA'`)).toBe('seal_changed')
    expect(await attempt(`delete from ${seals}`)).toBe('entry_inserted')
    expect(await verify()).toMatchObject({ ok: true })
  })
})
