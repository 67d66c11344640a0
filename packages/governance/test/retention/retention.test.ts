import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Queryable, TenantKey } from '@org/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { auditLog, installAudit } from '../../src/audit/index.ts'
import { makePartitions } from '../../src/partitions/partitions.ts'
import {
  archiveTo,
  installRetention,
  RETENTION_PROFILES,
  retention,
  verifyArchive,
} from '../../src/retention/index.ts'
import { installUsage, usage } from '../../src/usage/index.ts'
import { acme, codeOf, globex, pass, useLevel } from '../support/levels.ts'

const audit = auditLog({ keys: { k1: randomBytes(32) } })
const used = usage({ key: randomBytes(32) })
const LOG = 'governance.audit_log'

const world = useLevel('role', async (admin, options) => {
  await installAudit(admin, options)
  await installUsage(admin, options)
  await installRetention(admin)
})
const directory = { path: '' }
beforeAll(async () => {
  directory.path = await mkdtemp(join(tmpdir(), 'retention-'))
})
afterAll(() => rm(directory.path, { recursive: true }))

const admin = () => world.admin(acme)
const root = () => world.root(acme)
const keeping = (options = {}) =>
  retention({ profile: 'standard', audit, archive: archiveTo(directory.path), ...options })
const partitions = async () =>
  (
    await root().query(`select relname from pg_class where relname ~ '^audit_log_[0-9_]+$' order by 1`)
  ).rows.map(({ relname }) => String(relname))
const verify = (tenant: TenantKey) => audit.verify(world.reader(tenant), tenant)

/** Entries as they would stand there had they been written a year ago. */
async function past(month: string): Promise<string> {
  await root().query(`create table governance.audit_log_${month} partition of ${LOG}
    for values from ('${month.replace('_', '-')}-01 00:00+00') to ('${month.replace('_', '-')}-01 00:00+00'::timestamptz + interval '28 days')`)
  await root().query(`alter table governance.audit_log_${month} owner to ${world.setting.world.adminRole}`)
  for (const tenant of [acme, globex]) {
    await world.tenancy.withTenant(tenant, async (db) => {
      for (const action of ['one', 'two'])
        await audit.record(db, { actor: { type: 'user', id: 'u' }, action })
    })
  }
  await root().query(
    `update ${LOG} set created_at = '${month.replace('_', '-')}-10 12:00+00' where created_at > now() - interval '1 day'`,
  )
  await pass(admin(), '', () => audit.seal(admin()))
  return `audit_log_${month}`
}

async function emptied(): Promise<void> {
  await root().query(`truncate ${LOG}, governance.audit_seal, governance.audit_horizon, governance.legal_hold;
    update governance.audit_sealer set xid = '0'`)
  for (const name of await partitions()) {
    if (name < 'audit_log_2026') await root().query(`drop table governance.${name}`)
  }
}

describe('the audit log', () => {
  it('is archived, verified, dropped and still verifies; what is not due stays', async () => {
    await emptied()
    const part = await past('2025_01')
    const dry = await keeping().runShared(admin(), { dryRun: true })
    expect(dry).toContainEqual({ table: 'audit_log', partitions: [part], rows: 0, kept: [] })
    expect(await partitions()).toContain(part)
    const [log] = await keeping().runShared(admin())
    expect(log?.partitions).toEqual([part])
    expect(await partitions()).not.toContain(part)
    expect(await verify(acme)).toMatchObject({ ok: true, removed: 2, entries: 0 })
    const archived = await verifyArchive(join(directory.path, `${part}.jsonl`))
    expect(archived).toMatchObject({ name: part, rows: 4, since: '2025-01-01T00:00:00.000Z' })
    expect((await keeping().runShared(admin()))[0]?.partitions).toEqual([])
  })

  it('nothing is removed that could not be archived, or was never sealed', async () => {
    await emptied()
    const part = await past('2025_02')
    const failing = keeping({ archive: () => Promise.reject(new Error('disk full')) })
    await expect(failing.runShared(admin())).rejects.toThrow('disk full')
    expect(await partitions()).toContain(part)
    await root().query(`update governance.audit_sealer set xid = '0'`)
    const [log] = await keeping().runShared(admin())
    expect(log).toMatchObject({ partitions: [], kept: [{ partition: part, reason: 'unsealed' }] })
    expect(await partitions()).toContain(part)
  })

  it('of a tenant under a hold everything stays, of others in the same partition it goes', async () => {
    await emptied()
    const part = await past('2025_03')
    expect(await keeping().hold(admin(), 'acme', 'a case')).toBe(true)
    expect(await keeping().hold(admin(), 'acme', 'again')).toBe(false)
    const [log] = await keeping().runShared(admin())
    expect(log).toMatchObject({ partitions: [], rows: 2, kept: [{ partition: part, reason: 'hold' }] })
    expect(await verify(acme)).toMatchObject({ ok: true, entries: 2, removed: 0 })
    expect(await verify(globex)).toMatchObject({ ok: true, entries: 0, removed: 2 })
    await root().query(`delete from ${LOG} where tenant = 'acme' and action = 'one'`)
    expect((await verify(acme)).faults).toMatchObject([{ kind: 'entry_missing' }])
    expect((await keeping().holds(admin())).map(({ tenant, reason }) => [tenant, reason])).toEqual([
      ['acme', 'a case'],
    ])
    // As long as the hold lasts the partition is looked at again, and what was archived of it is not lost by that.
    await keeping().runShared(admin())
    const kept = async (name: string) =>
      (await readFile(join(directory.path, name), 'utf8')).split('"tenant": ')
    expect(await kept(`${part}.jsonl`)).toEqual([
      expect.anything(),
      ...Array(2).fill(expect.stringMatching(/^"globex"/)),
    ])
    expect(await keeping().release(admin(), 'acme')).toBe(true)
    expect((await keeping().runShared(admin()))[0]?.partitions).toEqual([part])
    expect(await verifyArchive(join(directory.path, `${part}.jsonl`))).toMatchObject({ rows: 2 })
    expect(await kept(`${part}.2.jsonl`)).toEqual([expect.anything(), expect.stringMatching(/^"acme"/)])
  })

  it('of a tenant that is put under a hold while it is archived nothing goes', async () => {
    await emptied()
    const part = await past('2025_05')
    const archive = archiveTo(directory.path)
    const slow: typeof archive = async (one, lines) => {
      await archive(one, lines)
      await keeping().hold(admin(), 'acme', 'a case')
    }
    const [log] = await keeping({ archive: slow }).runShared(admin())
    expect(log).toMatchObject({ partitions: [], rows: 0, kept: [{ partition: part, reason: 'hold' }] })
    expect(await verify(acme)).toMatchObject({ ok: true, entries: 2, removed: 0 })
    expect((await keeping().runShared(admin()))[0]).toMatchObject({ partitions: [], rows: 2 })
    expect(await verify(acme)).toMatchObject({ ok: true, entries: 2, removed: 0 })
    await keeping().release(admin(), 'acme')
  })

  it('killed at any statement it is finished by the next run, and verifies all the while', {
    tags: 'slow',
  }, async () => {
    await emptied()
    for (let kill = 1; ; kill++) {
      if (!(await partitions()).includes('audit_log_2025_04')) await past('2025_04')
      let calls = 0
      const dying: Queryable = {
        query: async <R extends object>(text: string, values?: readonly unknown[]) => {
          if (++calls >= kill) throw new Error('killed')
          return admin().query<R>(text, values as unknown[])
        },
      }
      const killed = await keeping()
        .runShared(dying)
        .then(
          () => false,
          () => true,
        )
      expect(await verify(acme)).toMatchObject({ ok: true })
      if (!killed) break
      expect(kill).toBeLessThan(60)
    }
    expect(await partitions()).not.toContain('audit_log_2025_04')
    expect(await keeping().check(admin())).toEqual([])
  })

  it('an archive that was touched is not whole', async () => {
    const path = join(directory.path, 'x.jsonl')
    const lines = (async function* () {
      yield '{"a":1}'
      yield '{"a":2}'
    })()
    await archiveTo(directory.path)({ name: 'x', table: 't', since: '', until: '' }, lines)
    expect(await verifyArchive(path)).toMatchObject({ rows: 2 })
    const text = await readFile(path, 'utf8')
    const cut = text.split('\n')
    for (const bad of [
      text.replace('{"a":1}', '{"a":3}'),
      cut.slice(1).join('\n'),
      cut.slice(0, 3).join('\n'),
      '',
      'x',
    ]) {
      await writeFile(path, bad)
      expect(await codeOf(verifyArchive(path))).toBe('VALIDATION_ERROR')
    }
    expect((await readdir(directory.path)).filter((name) => name.endsWith('.part'))).toEqual([])
  })
})

describe('partitions', () => {
  it.each([
    '2025-12-31 23:59:59.999999+00',
    '2026-01-01 00:00:00+00',
    '2024-02-29 12:00:00+00',
    '2026-03-29 01:59:59+00',
    '2027-10-31 23:59:59.5+00',
  ])('at %s there are some for now and 60 days more, without a gap, in any zone', async (moment) => {
    const client = await world.setting.world.root.connect()
    try {
      await client.query('begin')
      await client.query(`set local time zone 'America/Sao_Paulo'`)
      await client.query(
        `create schema p; create table p.t (at timestamptz not null) partition by range (at)`,
      )
      await client.query(makePartitions('p', { table: 't', period: 'month' }, 90, `'${moment}'::timestamptz`))
      await client.query(
        `insert into p.t select g from generate_series($1::timestamptz, $1::timestamptz + interval '60 days', interval '61 minutes') g`,
        [moment],
      )
      // A worker that was down for 30 days: nothing was stopped meanwhile, and it goes on.
      await client.query(
        makePartitions(
          'p',
          { table: 't', period: 'month' },
          90,
          `'${moment}'::timestamptz + interval '30 days'`,
        ),
      )
      await client.query(`insert into p.t values ($1::timestamptz + interval '90 days')`, [moment])
    } finally {
      await client.query('rollback')
      client.release()
    }
  })

  it('the obvious table without them stops its writers; check says so before', async () => {
    await emptied()
    const names = await partitions()
    // The first two last 62 days, beyond the 60 that `check` asks for, on the first of July and of December.
    for (const name of names.slice(1)) await root().query(`drop table governance.${name}`)
    expect(await keeping().check(admin())).toMatchObject([{ code: 'partitions_missing', severity: 'error' }])
    await root().query(`drop table governance.${names[0]}`)
    const write = () =>
      world.tenancy.withTenant(acme, (db) => audit.record(db, { actor: { type: 'system' }, action: 'x' }))
    expect(await codeOf(write())).toMatch(/CONFLICT|DATABASE_ERROR|VALIDATION_ERROR/)
    await keeping().runShared(admin())
    await write()
    expect(await keeping().check(admin())).toEqual([])
  })
})

describe('usage', () => {
  it('what was added up long ago goes, and counts past keeping; not what still has to be added up', async () => {
    await root().query(`truncate governance.usage_delta, governance.usage_metrics;
      insert into governance.usage_delta (tenant, request_id, action, at) values
        ('acme', 'old', 'a', now() - interval '40 days'), ('acme', 'young', 'a', now()), ('globex', 'held', 'a', now() - interval '40 days');
      insert into governance.usage_metrics (tenant, tool_action, period_start, period_end, count) values
        ('acme', 'a', now() - interval '15 months', now() - interval '14 months', 1),
        ('acme', 'a', now() - interval '3 months', now() - interval '2 months', 1)`)
    await keeping().hold(admin(), 'globex', 'a case')
    expect((await keeping().runShared(admin())).find(({ table }) => table === 'usage_delta')?.rows).toBe(0)
    await pass(admin(), 'select upto::text as xid from governance.usage_cursor', () => used.rollUp(admin()))
    await root().query(`insert into governance.usage_metrics (tenant, tool_action, period_start, period_end, count)
      values ('acme', 'a', now() - interval '15 months', now() - interval '14 months', 1)`)
    const rows = async (dryRun: boolean) =>
      (await keeping().runShared(admin(), { dryRun })).map(({ table, rows: count }) => `${table} ${count}`)
    expect(await rows(true)).toEqual(['audit_log 0', 'usage_delta 1', 'usage_metrics 1'])
    expect(await rows(false)).toEqual(['audit_log 0', 'usage_delta 1', 'usage_metrics 1'])
    const { rows: left } = await root().query('select request_id from governance.usage_delta order by 1')
    expect(left).toEqual([{ request_id: 'held' }, { request_id: 'young' }])
  })
})

describe('options', () => {
  it('are refused by name', async () => {
    const code = (make: () => unknown) => codeOf(Promise.resolve().then(make))
    for (const bad of [
      { profile: 'huge' },
      { profile: 'standard' },
      { profile: { ...RETENTION_PROFILES.mvp, auditDays: 0 } },
      { tenantTables: [{ table: 't' }] },
      { tenantTables: [{ table: 't', column: 'c', keepDays: -1 }] },
      { batch: 0 },
      { controlSchema: 'X' },
    ]) {
      expect([bad, await code(() => retention(bad as never))]).toEqual([bad, 'INVALID_OPTION'])
    }
    expect(await code(() => archiveTo(''))).toBe('INVALID_OPTION')
    expect(await codeOf(keeping().hold(admin(), 'acme', ''))).toBe('VALIDATION_ERROR')
    expect(await codeOf(keeping().enrol(admin(), ['A!']))).toBe('INVALID_TENANT_KEY')
  })
})
