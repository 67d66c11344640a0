// @module-tag sampled
import { randomBytes, randomUUID } from 'node:crypto'
import type { TenantKey } from '@org/core'
import { createTenancy, type Tenancy } from '@org/pg-tenant'
import { advise } from '@org/pg-tenant/admin'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { auditLog, installAudit } from '../../src/audit/index.ts'
import { governanceChecks } from '../../src/checks/index.ts'
import { createJobs, installJobs } from '../../src/jobs/index.ts'
import { installOutbox, outboxControl } from '../../src/outbox/index.ts'
import { createWorker } from '../../src/outbox/worker/index.ts'
import { installPrivacy, type PersonalEvents, personalData, privacy } from '../../src/privacy/index.ts'
import { installRetention, retention } from '../../src/retention/index.ts'
import { installUsage, usage } from '../../src/usage/index.ts'
import { acme, codeOf, globex, levelsInTurn, pass, useLevel } from '../support/levels.ts'

const audit = auditLog({ keys: { k1: randomBytes(32) } })
const used = usage({ key: randomBytes(32) })
const NOTES = { notes: { columns: { id: 'keep', body: 'keep' } } } as const
const data = personalData(NOTES)

describe.each(levelsInTurn('role'))('level %s', (level) => {
  const world = useLevel(level, async (admin, options) => {
    await installAudit(admin, options)
    await installUsage(admin, options)
  })
  const control = () => world.setting.world.admin
  let tenancy: Tenancy
  beforeAll(async () => {
    const { readers: _, ...options } = world.options
    await installOutbox(control(), options)
    await installRetention(control())
    await installPrivacy(control())
    await installJobs(control())
    tenancy = world.setting.tenancy(level, { checks: governanceChecks({ personalData: data }) })
  })
  const keeping = retention({ audit, tenantTables: [{ table: 'notes', column: 'at', keepDays: 1 }] })
  const own = (checks = governanceChecks({ personalData: data })) => new Set(checks.map(({ name }) => name))
  /** Codes of governance, with what they are about. */
  const found = async () => {
    const { findings } = await tenancy.doctor()
    return findings
      .filter(({ code }) =>
        /^(AUDIT|OUTBOX|USAGE|JOB|RETENTION|PERSONAL|ERASURE|GOVERNANCE|CHECK)_/.test(code),
      )
      .map(({ code, subject }) => `${code} ${subject}`)
  }
  /** At level `database` what is a tenant's is found in its database. */
  const at = (subject: string, tenant: TenantKey = acme) =>
    level === 'database' ? `${world.setting.roleOf(level, tenant)}: ${subject}` : subject
  const advised = async () => advise(await tenancy.stats()).map(({ id, severity }) => `${severity} ${id}`)

  it('nothing is wrong where nothing is', async () => {
    expect(await found()).toEqual([])
    expect(own().size).toBe(11)
    const { checks } = await tenancy.verify()
    expect(checks.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    const { findings } = await tenancy.doctor()
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
  })

  it('partitions that will run out are made by retention', async () => {
    const { rows } = await world
      .root(acme)
      .query<{ name: string }>(
        `select relname as name from pg_class where relname ~ '^audit_log_[0-9_]+$' order by 1`,
      )
    for (const { name } of rows.slice(1)) await world.root(acme).query(`drop table governance.${name}`)
    expect(await found()).toEqual([`AUDIT_PARTITIONS_MISSING ${at('audit_log')}`])
    if (level !== 'database')
      expect(await advised()).toContainEqual(expect.stringMatching(/audit_partitions_missing$/))
    await keeping.runShared(world.admin(acme), { control: control() })
    expect(await found()).toEqual([])
  })

  it('a partition that a removal left detached is removed', async () => {
    await world
      .root(acme)
      .query(`create table governance.audit_log_2020_01 (like governance.audit_log including all);
      alter table governance.audit_log_2020_01 owner to ${world.setting.world.adminRole}`)
    expect(await found()).toEqual([`AUDIT_PARTITION_DETACHED ${at('audit_log_2020_01')}`])
    await keeping.runShared(world.admin(acme), { control: control() })
    expect(await found()).toEqual([])
  })

  it('entries that nobody seals are sealed', async () => {
    await tenancy.withTenant(acme, (db) => audit.record(db, { actor: { type: 'system' }, action: 'a' }))
    await world
      .root(acme)
      .query(
        `update governance.audit_log set created_at = greatest(date_trunc('month', now(), 'UTC'), now() - interval '2 hours')`,
      )
    const { rows } = await world
      .root(acme)
      .query(`select from governance.audit_log where created_at > now() - interval '1 hour'`)
    // In the first hour of a month there is no such entry in its partition.
    if (rows.length === 0) {
      expect(await found()).toEqual([`AUDIT_UNSEALED ${at('audit_log')}`])
      if (level !== 'database') expect(await advised()).toContain('warning audit_unsealed')
    }
    await pass(world.admin(acme), '', () => audit.seal(world.admin(acme)))
    expect(await found()).toEqual([])
  })

  it('uses that nobody adds up are added up', async () => {
    await tenancy.withTenant(acme, (db) => used.meter(db, { requestId: randomUUID(), action: 'a.b' }))
    await world.root(acme).query(`update governance.usage_delta set at = now() - interval '3 hours'`)
    expect(await found()).toEqual([`USAGE_BEHIND ${at('usage_delta')}`])
    await pass(world.admin(acme), 'select upto::text as xid from governance.usage_cursor', () =>
      used.rollUp(world.admin(acme)),
    )
    expect(await found()).toEqual([])
  })

  it('tables of another release are named', async () => {
    const root = world.root(acme)
    await root.query(`insert into governance.governance_version (part, version) values ('audit', 99)`)
    expect(await found()).toEqual([`GOVERNANCE_NEWER ${at('governance.governance_version')}`])
    await root.query(`delete from governance.governance_version where version = 99`)
  })

  it('rights that no install gives, as default privileges did of an older one, are taken back as the finding says', async () => {
    const root = world.root(acme)
    const { rows } = await root.query<{ name: string }>(
      `select min(relname) as name from pg_class where relname ~ '^audit_log_[0-9_]+$' and relispartition`,
    )
    const strangers = [1, 2, 3, 4].map((n) => `${world.setting.world.rolePrefix}stranger_${n}`)
    const [first, second, third, fourth] = strangers
    await root.query(strangers.map((role) => `create role ${role};`).join(' '))
    onTestFinished(async () => void (await root.query(strangers.map((one) => `drop role ${one};`).join(' '))))
    const given: readonly (readonly [string, string | undefined, string | undefined])[] = [
      ['SELECT', rows[0]?.name, first],
      ['TRIGGER', 'usage_metrics', second],
      ['TRUNCATE', 'audit_log', third],
      ['SELECT', 'governance_version', fourth],
      ['SELECT', 'usage_metrics', 'PUBLIC'],
      ['INSERT', 'audit_log', world.options.application],
    ]
    await root.query(
      given.map(([what, table, to]) => `grant ${what} on governance.${table} to ${to};`).join(' '),
    )
    const { findings } = await tenancy.doctor()
    const told = findings.filter(({ code }) => code === 'GOVERNANCE_RIGHTS')
    expect(told.map(({ message }) => /(\S+ may \S+ on .*?) tables/.exec(message)?.[1]).toSorted()).toEqual(
      given.map(([what, , to]) => `${to} may ${what} on 1`).toSorted(),
    )
    for (const { fix } of told) await root.query(fix.split(';')[0] ?? '')
    await installAudit(world.admin(acme), world.options)
    await installUsage(world.admin(acme), world.options)
    const { readers: _, ...options } = world.options
    await installOutbox(control(), options)
    expect(await found()).toEqual([])
    await tenancy.withTenant(acme, (db) => used.meter(db, { requestId: randomUUID(), action: 'a.b' }))
  })

  it('positions that a dump brought from another server are found: what is used here is passed over', async () => {
    const root = world.root(acme)
    await root.query(`update governance.usage_cursor set upto = '5000000000'`)
    await root.query(`update governance.audit_sealer set xid = '5000000000'`)
    await tenancy.withTenant(acme, async (db) => {
      await used.meter(db, { requestId: randomUUID(), action: 'a.b' })
      await audit.record(db, { actor: { type: 'system' }, action: 'a' })
    })
    await expect(used.rollUp(world.admin(acme))).rejects.toMatchObject({
      details: { reason: 'other_server' },
    })
    await expect(audit.seal(world.admin(acme))).rejects.toMatchObject({ details: { reason: 'other_server' } })
    const { findings } = await tenancy.doctor()
    const [told] = findings.filter(({ code }) => code === 'GOVERNANCE_OTHER_SERVER')
    expect(told?.subject).toBe(at('usage, audit'))
    await root.query(told?.fix.split('owner: ')[1] ?? '')
    let [counts, entries] = [0, 0]
    await pass(world.admin(acme), 'select upto::text as xid from governance.usage_cursor', async () => {
      counts += (await used.rollUp(world.admin(acme))).counts
      entries += (await audit.seal(world.admin(acme))).entries
    })
    expect([counts, entries]).toEqual([1, 1])
    // Of the other server, and not what nobody seals.
    await root.query(
      `update governance.audit_log set xid = '6000000000', created_at = greatest(date_trunc('month', now(), 'UTC'), now() - interval '2 hours')`,
    )
    expect(await found()).toEqual([`GOVERNANCE_OTHER_SERVER ${at('audit')}`])
    await root.query('delete from governance.audit_log')
  })

  it('columns that nobody has classified are found, in the catalogue alone', async () => {
    const undeclared = world.setting.tenancy(level, {
      checks: governanceChecks({ personalData: personalData({}) }),
    })
    const { findings } = await undeclared.doctor()
    const said = findings.filter(({ code }) => code === 'PERSONAL_UNCLASSIFIED').map(({ subject }) => subject)
    const columns = ['notes.body', 'notes.id']
    expect(said.toSorted()).toEqual(
      level === 'database'
        ? [acme, globex].flatMap((tenant) => columns.map((one) => at(one, tenant)))
        : columns,
    )
    const gone = personalData({ ...NOTES, gone: { columns: { id: 'keep' } } })
    const missing = await world.setting
      .tenancy(level, { checks: governanceChecks({ personalData: gone }) })
      .doctor()
    expect(missing.counts.PERSONAL_MISSING).toBe(level === 'database' ? 2 : 1)
  })

  it('types of events that nobody has classified are found, once something is said of any', async () => {
    const root = world.setting.world.root
    await root.query(`insert into governance.outbox (tenant, type, payload) select 'acme', type, '1'
      from unnest('{a.b,c.d,webhook.delivery}'::text[]) type`)
    const said = async (events: PersonalEvents) => {
      const checks = governanceChecks({ personalData: personalData(NOTES, { events }) })
      const { findings } = await world.setting.tenancy(level, { checks }).doctor()
      return findings
        .filter(({ code }) => code === 'PERSONAL_EVENT_UNCLASSIFIED')
        .map(({ subject }) => subject)
    }
    expect(await said({})).toEqual([])
    expect(await said({ 'a.b': 'keep' })).toEqual(['c.d'])
    expect(await said({ 'a.b': 'keep', 'c.d': { subject: '/id', paths: {} } })).toEqual([])
    await root.query(`select governance.outbox_forget('acme')`)
  })

  it('dead letters are driven again', async () => {
    await control().query(`insert into governance.outbox_dead (id, tenant, type, payload, attempts, reason, published_at)
      select gen_random_uuid(), 'acme', 'a.b', '1', 1, 'HTTP_500', now() from generate_series(1, 3)`)
    expect(await found()).toEqual(['OUTBOX_DEAD_LETTERS HTTP_500'])
    expect(await advised()).toContain('notice outbox_dead_letters')
    expect(await outboxControl(control()).redrive({ reason: 'HTTP_500' })).toBe(3)
    expect(await found()).toEqual([])
    await createWorker({ control: control(), tenants: tenancy, handlers: { 'a.b': async () => {} } }).drain()
  })

  it('leases that nobody takes back, and events that wait, are a worker’s to take', async () => {
    const root = world.setting.world.root
    await root.query(
      `insert into governance.outbox (tenant, type, payload) select 'acme', 'a.b', '1' from generate_series(1, 3)`,
    )
    await control().query('select from governance.outbox_take(2, 1, 9, true)')
    // Two hours ago was another slot, perhaps: what points at them goes along.
    await root.query(`update governance.outbox_lease set expires_at = now() - interval '1 hour' where not over;
      update governance.outbox set published_at = published_at - interval '2 hours', available_at = available_at - interval '2 hours',
        slot = (floor(extract(epoch from (available_at - interval '2 hours' - '2000-01-01 00:00:00+00'::timestamptz)) / 172800)::int8 % 16)::int2;
      update governance.outbox_ready r set slot = o.slot from governance.outbox o where o.seq = r.seq;
      update governance.outbox_lease l set slots = (select array_agg(o.slot order by t.n)
        from unnest(l.seqs) with ordinality as t(seq, n) join governance.outbox o using (seq)) where cardinality(l.seqs) > 0`)
    expect(await found()).toEqual(expect.arrayContaining(['OUTBOX_STUCK outbox_lease', 'OUTBOX_LAG outbox']))
    expect(await advised()).toEqual(expect.arrayContaining(['critical outbox_stuck', 'critical outbox_lag']))
    const worker = createWorker({ control: control(), tenants: tenancy, handlers: { 'a.b': async () => {} } })
    await worker.drain()
    await worker.drain()
    await worker.drain()
    expect(await found()).toEqual([])
  })

  it('jobs that fail, or that nobody runs, are run', async () => {
    let fails = true
    const run = async () => {
      if (fails) throw new Error('no')
    }
    const jobs = createJobs({ control: control(), jobs: [{ name: 'a.job', every: 60_000, run }] })
    await jobs.runDue()
    expect(await found()).toEqual(['JOB_FAILING a.job'])
    fails = false
    await control().query(`update governance.job set next_at = now() - interval '2 hours'`)
    expect(await found()).toEqual(['JOB_OVERDUE a.job'])
    await jobs.runDue()
    expect(await found()).toEqual([])
  })

  it('tenants whose turn was long ago are looked after', async () => {
    await keeping.enrol(control(), [acme])
    await control().query(`update governance.retention_schedule set next_at = now() - interval '3 days'`)
    expect(await found()).toEqual(['RETENTION_OVERDUE acme'])
    await keeping.forget(control(), acme)
    expect(await found()).toEqual([])
  })

  it('an erasure that was cut off is finished', async () => {
    const people = privacy({ data, scopes: tenancy, control: control() })
    await control().query(
      `insert into governance.erasure_ledger (tenant, subject, requested_at) values ('acme', 'u1', now() - interval '2 hours')`,
    )
    expect(await found()).toEqual(['ERASURE_UNFINISHED acme'])
    await people.replay('acme')
    expect(await found()).toEqual([])
  })
})

describe('checks', () => {
  const world = useLevel('role', async () => {})

  it('of which one cannot be carried out do not hide the others', async () => {
    await installRetention(world.setting.world.admin)
    await world.root(acme).query(`alter table governance.retention_schedule rename column next_at to later`)
    const tenancy = world.setting.tenancy('role', {
      checks: [
        ...governanceChecks(),
        {
          name: 'mine',
          examine: async () => [
            { code: 'MINE_TOO', severity: 'notice', subject: 's', message: 'm', fix: 'f' } as const,
          ],
        },
      ],
    })
    const { findings } = await tenancy.doctor()
    expect(findings.map(({ code, subject }) => `${code} ${subject}`)).toEqual(
      expect.arrayContaining(['CHECK_FAILED governance.retention', 'MINE_TOO s']),
    )
    await expect(tenancy.stats()).resolves.toMatchObject({ measures: [] })
  })

  it('cannot change anything, and see nothing of theirs by an unqualified name', async () => {
    const tried: string[] = []
    const attempt = (sql: string) => ({
      name: sql,
      examine: async (place: { query(sql: string): Promise<unknown> }) => {
        await place.query(sql)
        tried.push(sql)
        return []
      },
    })
    const tenancy = world.setting.tenancy('role', {
      checks: [attempt('create table public.mine ()'), attempt('select from notes')],
    })
    const { counts } = await tenancy.doctor()
    expect([tried, counts.CHECK_FAILED]).toEqual([[], 2])
  })

  it('that are none are refused by name', async () => {
    const refused = (make: () => unknown) => codeOf(Promise.resolve().then(make))
    for (const checks of [5, [{}], [{ name: '' }], [null]])
      expect(
        await refused(() => createTenancy({ pool: world.setting.world.pool(), checks: checks as never })),
      ).toBe('INVALID_OPTION')
    expect(await refused(() => governanceChecks({ personalData: {} as never }))).toBe('INVALID_OPTION')
    expect(await refused(() => governanceChecks({ controlSchema: 'pg_x' }))).toBe('INVALID_OPTION')
  })
})
