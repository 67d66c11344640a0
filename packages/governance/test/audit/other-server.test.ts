// @module-tag slow: a recipe that others look at by parts.
import { randomBytes } from 'node:crypto'
import type { CheckPlace, Queryable } from '@org/core'
import { describe, expect, it } from 'vitest'
import { auditBelongings, auditLog, installAudit } from '../../src/audit/index.ts'
import { otherServerFindings } from '../../src/checks/other-server.ts'
import { acme, pass, useLevel } from '../support/levels.ts'

const world = useLevel('role', installAudit)
const audit = auditLog({ keys: { k1: randomBytes(32) } })
const [log, sealer] = ['governance.audit_log', 'governance.audit_sealer']
const refused = { code: 'CONFLICT', details: { reason: 'other_server' } }

const record = (...actions: string[]) =>
  world.tenancy.withTenant(acme, async (db) => {
    for (const action of actions) await audit.record(db, { actor: { type: 'system' }, action })
  })
const verified = () => audit.verify(world.reader(acme), acme)
const sealed = async () => {
  let entries = 0
  await pass(world.admin(acme), '', async () => {
    entries += (await audit.seal(world.admin(acme))).entries
  })
  return entries
}
const followed = async () => (await audit.follow(world.reader(acme))).entries.map(({ action }) => action)
const findings = () => {
  const query: CheckPlace['query'] = (text, values) => world.root(acme).query(text, values as unknown[])
  return otherServerFindings({ query, tenant: undefined, schemas: async () => [] }, 'governance')
}

/** Writes entries, and seals those that are to be, as on a server that is five thousand million transactions ahead. */
async function brought(toSeal: readonly string[], others: readonly string[]): Promise<string> {
  const root = world.root(acme)
  await record(...toSeal)
  await root.query(`update ${log} set xid = ((xid::text)::numeric + 5000000000)::text::xid8`)
  const there: Queryable = {
    query: (text: string, values?: unknown[]) =>
      root.query(
        text.replace(/pg_snapshot_xm(in|ax)\(pg_current_snapshot\(\)\)/g, `'9000000000'::xid8`),
        values,
      ),
  } as Queryable
  expect(await audit.seal(there)).toMatchObject({ entries: toSeal.length })
  const { position } = await audit.follow(there)
  await record(...others)
  const ahead = `((xid::text)::numeric + 6000000000)::text::xid8`
  await root.query(`update ${log} set xid = ${ahead} where xid < '4000000000'`)
  return position
}

const emptied = () =>
  world.root(acme).query(`truncate ${log}, governance.audit_seal;
    update ${sealer} set xid = '0', id = '00000000-0000-0000-0000-000000000000'`)

describe('entries that another server numbered', () => {
  it('are sealed here if they were not there, once, and followed; the chain goes on', async () => {
    await emptied()
    const position = await brought(['one', 'two'], ['three'])
    await record('four')
    await expect(audit.seal(world.admin(acme))).rejects.toMatchObject(refused)
    await expect(verified()).rejects.toMatchObject(refused)
    const begins = { ...refused, message: expect.stringContaining('begin at the beginning') }
    await expect(audit.follow(world.reader(acme), { after: position })).rejects.toMatchObject(begins)

    const [found] = await findings()
    expect(found?.subject).toBe('audit')
    await world.root(acme).query(found?.fix.split('owner: ')[1] ?? '')
    expect(await findings()).toEqual([])
    expect(await verified()).toMatchObject({ ok: true, entries: 2, unsealed: 2 })
    expect(await sealed()).toBe(2)
    expect(await verified()).toMatchObject({ ok: true, seals: 2, entries: 4, unsealed: 0 })
    await record('five')
    expect(await sealed()).toBe(1)
    expect(await verified()).toMatchObject({ ok: true, seals: 3, entries: 5, unsealed: 0 })
    expect((await followed()).toSorted()).toEqual(['five', 'four', 'one', 'three', 'two'])
  })

  it('cannot be added, changed or given another number unnoticed', async () => {
    await emptied()
    await brought(['one', 'two'], [])
    const [found] = await findings()
    const root = world.root(acme)
    await root.query(found?.fix.split('owner: ')[1] ?? '')
    expect(await verified()).toMatchObject({ ok: true, entries: 2 })
    const attempt = async (sql: string) => {
      await root.query(`create table kept as select * from ${log}; ${sql}`)
      const { faults } = await verified()
      await root.query(`delete from ${log}; insert into ${log} select * from kept; drop table kept`)
      return faults[0]?.kind
    }
    expect(await attempt(`update ${log} set sealed_xid = '7' where action = 'one'`)).toBe('entry_changed')
    expect(await attempt(`update ${log} set sealed_xid = null where action = 'one'`)).toBe('entry_changed')
    expect(await attempt(`delete from ${log} where action = 'one'`)).toBe('entry_missing')
    const copy = `insert into ${log} select (jsonb_populate_record(l, jsonb_build_object('id', gen_random_uuid()))).* from ${log} l where action = 'one'`
    expect(await attempt(copy)).toBe('entry_inserted')
    // One that no longer counts among the sealed, so that the number is right.
    const hidden = `update ${log} set xid = sealed_xid, sealed_xid = null where action = 'two'`
    expect(await attempt(`${copy}; ${hidden}`)).toBe('entry_inserted')
    const write = `insert into ${log} (id, tenant, action, actor_type, mac, sealed_xid)
      values (gen_random_uuid(), 'acme', 'a', 'system', 'm', '7')`
    await expect(world.tenancy.query(acme, write)).rejects.toMatchObject({ details: { sqlState: '42501' } })
    expect(await verified()).toMatchObject({ ok: true, entries: 2 })
  })

  it('keep the number of their seal when their tenant moves, twice too', async () => {
    await emptied()
    await brought(['one', 'two'], ['three'])
    await record('here')
    const { tables, arrive } = auditBelongings()
    const read = Object.entries(tables[0]?.read ?? {})
    expect(read.map(([column]) => column)).toEqual(['xid', 'sealed_xid'])
    const inSeals = `select t.action, ${read[1]?.[1]} is not null as sealed from ${log} t order by t.action`
    const inSealsNow = async () => (await world.root(acme).query({ text: inSeals, rowMode: 'array' })).rows
    const expected = [
      ['here', false],
      ['one', true],
      ['three', false],
      ['two', true],
    ]
    expect(await inSealsNow()).toEqual(expected)
    const [found] = await findings()
    const root = world.root(acme)
    await root.query(found?.fix.split('owner: ')[1] ?? '')
    await record('four')
    for (const [seals, unsealed] of [
      [1, 3],
      [2, 0],
    ] as const) {
      // What moves is read, and written where sealing has not come as far.
      await root.query(`create table moved as select (jsonb_populate_record(t, jsonb_build_object(
          ${read.map(([column, sql]) => `'${column}', ${sql}`).join(', ')}))).* from ${log} t`)
      await root.query(`delete from ${log}; insert into ${log} select * from moved; drop table moved;
        update ${sealer} set xid = '3'`)
      await arrive?.(root, acme)
      expect(await verified()).toMatchObject({ ok: true, seals, unsealed })
      expect(await sealed()).toBe(unsealed)
    }
    expect(await verified()).toMatchObject({ ok: true, seals: 2, entries: 5, unsealed: 0 })
  })
})
