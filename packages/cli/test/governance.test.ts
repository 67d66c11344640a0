import { randomBytes, randomUUID } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { auditLog } from '@org/governance/audit'
import { outbox } from '@org/governance/outbox'
import { usage } from '@org/governance/usage'
import { WEBHOOKS_MIGRATION, webhooks } from '@org/governance/webhooks'
import { createTenancy, type Tenancy } from '@org/pg-tenant'
import { testSealing } from '@org/pg-testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'

const PEOPLE = {
  id: '0001_person',
  sql: `create table person (id uuid primary key, email text not null, seen_at timestamptz not null default now());
    create table idea (id bigint generated always as identity primary key, body text)`,
}
const OWN = `migrations: ${JSON.stringify([PEOPLE, WEBHOOKS_MIGRATION])},
  governance: {
    retention: { profile: 'standard', archive: 'archive', tenantTables: [{ table: 'person', column: 'seen_at', keepDays: 30 }] },
    privacy: { data: { tables: new Map(Object.entries({
      person: { subject: 'id', columns: { id: 'keep', email: 'email', seen_at: 'keep' } },
      ${['webhook_endpoint', 'webhook_message', 'webhook_delivery']
        .map((table) => `${table}: { columns: ${JSON.stringify(columnsOf(table))} }`)
        .join(', ')},
    })), events: new Map([['person.seen', { subjects: [['id']], personal: [{ pointer: ['email'], rule: 'null' }] }]]) }, patience: 0 },
  }`

/** All of a table's columns, as keeping. */
function columnsOf(table: string): Record<string, 'keep'> {
  const [, body = ''] = WEBHOOKS_MIGRATION.sql.split(`create table ${table} (`)
  const names = (body.split('\n);')[0] ?? '').split('\n').map((line) => /^ {2}([a-z_]+) /.exec(line)?.[1])
  return Object.fromEntries(
    names.filter((name) => name !== undefined && name !== 'constraint').map((name) => [name, 'keep']),
  )
}

const auditKey = randomBytes(32)
const log = auditLog({ keys: { k1: auditKey } })
const used = usage({ key: randomBytes(32) })

describe('level role', () => {
  const project = useProject(OWN)
  const { run, world, env } = project
  let tenancy: Tenancy
  beforeAll(async () => {
    Object.assign(env, { AUDIT_KEYS: `k1=${auditKey.toString('base64')}` })
    tenancy = createTenancy({ pool: world.pool(), rolePrefix: world.rolePrefix })
    await run('create acme')
    await run('create globex')
  })

  it('everything is installed, and a dry run installs nothing', async () => {
    for (const what of ['usage', 'retention', 'privacy', 'audit', 'outbox']) {
      expect((await run(`${what} install --dry-run --json`)).json()).toMatchObject({ dryRun: true })
    }
    const { rows } = await world.root.query(`select from pg_namespace where nspname = 'governance'`)
    expect(rows).toEqual([])
    for (const what of ['usage', 'retention', 'privacy', 'audit', 'outbox']) {
      expect((await run(`${what} install`)).stdout).toMatch(/installed\.\n$/)
    }
  })

  it('usage is added up, listed and limited', async () => {
    await tenancy.withTenant('acme', (db) => used.meter(db, { requestId: 'r1', action: 'notes.create' }))
    while ((await run('usage list acme --json')).json<{ data: object[] }>().data.length === 0)
      expect((await run('usage roll-up')).exit).toBe(EXIT.ok)
    expect((await run('usage list acme --period day')).stdout).toMatch(/notes\.create +1/)
    expect((await run('usage list globex')).stderr).toContain('Nothing was counted')
    await run('usage limits acme --set users=2,seats=none --dry-run')
    expect((await run('usage limits acme')).stderr).toContain('no limits')
    expect((await run('usage limits acme --set users=2,seats=none')).stdout).toMatch(/users +0 +2/)
    await tenancy.withTenant('acme', (db) => used.take(db, 'users', 'u1'))
    expect((await run('usage limits acme --json')).json()).toMatchObject({
      resources: [
        { resource: 'seats', used: 0, limit: null },
        { resource: 'users', used: 1, limit: 2 },
      ],
    })
  })

  it('what is past keeping would go, goes, and stays under a hold', async () => {
    for (const tenant of ['acme', 'globex'])
      await tenancy.query(
        tenant,
        `insert into person (id, email, seen_at) values ($1, 'old@x', now() - interval '31 days')`,
        [randomUUID()],
      )
    const left = async (tenant: string) => (await tenancy.query(tenant, 'select from person')).rowCount
    expect((await run('retention enrol --dry-run')).stdout).toBe('2 tenants would take part.\n')
    expect((await run('retention enrol')).stdout).toBe('2 tenants take part.\n')
    expect((await run('retention hold globex --reason case-7')).stdout).toContain('until it is released')
    expect((await run('retention holds')).stdout).toMatch(/globex .*case-7/)
    const dry = await run('retention run --dry-run')
    expect([dry.exit, dry.stdout]).toEqual([EXIT.ok, expect.stringContaining('1 row would go, of 1 tenant')])
    expect(await left('acme')).toBe(1)
    expect((await run('retention run')).stdout).toContain('1 row gone, of 1 tenant')
    expect([await left('acme'), await left('globex')]).toEqual([0, 1])
    expect((await run('retention release globex')).stdout).toBe('globex is released.\n')
    expect((await run('retention run --json')).json()).toMatchObject({ tenants: { rows: 1 }, failed: [] })
    expect((await run('retention check')).exit).toBe(EXIT.ok)
    await world.root.query(`create table governance.audit_log_2025_01 partition of governance.audit_log
        for values from ('2025-01-01 00:00+00') to ('2025-02-01 00:00+00');
      alter table governance.audit_log_2025_01 owner to ${world.adminRole};
      insert into governance.audit_log (id, tenant, created_at, xid, actor_type, action, mac)
        values ('00000000-0000-0000-0000-000000000000', 'acme', '2025-01-10', '0', 'system', 'x', '')`)
    await writeFile(join(project.folder, 'archive'), 'no folder')
    const full = await run('retention run')
    expect([full.exit, full.stderr]).toEqual([
      EXIT.failed,
      expect.stringMatching(/^shared tables: SERVICE_UNAVAILABLE: The archive cannot be written/),
    ])
    expect(full.stdout).toContain('tenants’ own tables')
    await rm(join(project.folder, 'archive'))
    expect((await run('retention run')).stdout).toContain('audit_log_2025_01')
    await world.root.query(`update governance.retention_schedule set next_at = now() - interval '5 days'`)
    const overdue = await run('retention check')
    expect([overdue.exit, overdue.stdout]).toEqual([EXIT.failed, expect.stringContaining('overdue')])
  })

  it('a person is exported, erased when the id is repeated, and erased again after a restore', async () => {
    const id = randomUUID()
    await tenancy.query('acme', `insert into person (id, email) values ($1, '=1+1@canary.example')`, [id])
    const unclassified = await run('privacy check acme')
    expect([unclassified.exit, unclassified.stdout]).toEqual([
      EXIT.failed,
      'acme: unclassified  idea.id\nacme: unclassified  idea.body\n',
    ])
    expect((await run(`privacy export acme ${id} --to me.json`)).stdout).toContain('1 row of 1 table')
    const file = join(project.folder, 'me.json')
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ person: [{ id }] })
    expect((await run(`privacy export acme ${id} --to me.json`)).exit).toBe(EXIT.refused)
    await run(`privacy export acme ${id} --to me --format csv`)
    expect(await readFile(join(project.folder, 'me', 'person.csv'), 'utf8')).toContain("'=1+1@canary")
    expect((await run(`privacy erase acme ${id}`)).exit).toBe(EXIT.usage)
    expect((await run(`privacy erase acme ${id} --confirm x`)).exit).toBe(EXIT.usage)
    expect((await run(`privacy erase acme ${id} --dry-run`)).stdout).toContain('1 row would be erased')
    expect((await run('privacy ledger acme')).stderr).toContain('Nobody')
    const email = async () =>
      (await tenancy.query('acme', 'select email from person where id = $1', [id])).rows[0]
    expect(await email()).toEqual({ email: '=1+1@canary.example' })
    expect((await run(`privacy erase acme ${id} --confirm ${id}`)).stdout).toContain('person: 1')
    expect(JSON.stringify(await email())).not.toContain('canary')
    await tenancy.query('acme', `update person set email = 'canary again'`)
    expect((await run('privacy replay acme --dry-run')).stdout).toContain('1 person would be')
    expect((await run('privacy replay acme')).stdout).toBe('1 person erased again in acme.\n')
    expect(JSON.stringify(await email())).not.toContain('canary')
    expect((await run('privacy ledger acme --json')).json()).toMatchObject({
      erasures: [{ subject: id, done: true }],
    })
  })

  it('an erasure is not done while a worker has an event of the person in hand, and says so', async () => {
    const id = randomUUID()
    await tenancy.withTenant('acme', (db) => outbox().publish(db, 'person.seen', { id, email: 'canary@x' }))
    await world.root.query('select governance.outbox_take(10, 45, 5, true)')
    const held = await run(`privacy erase acme ${id} --confirm ${id}`)
    expect([held.exit, held.stdout]).toEqual([EXIT.failed, expect.stringContaining('outbox: 1')])
    expect(held.stderr).toContain('It is not done')
    await world.root.query('update governance.outbox_lease set over = true')
    const done = await run(`privacy erase acme ${id} --confirm ${id} --json`)
    expect([done.exit, done.json()]).toEqual([EXIT.ok, expect.objectContaining({ inHand: 0 })])
    await world.root.query(`select governance.outbox_forget('acme')`)
  })

  it('the audit log is exported whole, to a file or stdout, and never over a file', async () => {
    await tenancy.withTenant('acme', (db) =>
      log.recordAll(
        db,
        Array.from({ length: 450 }, (_, n) => ({
          actor: { type: 'user', id: 'u' } as const,
          action: n % 2 ? 'odd' : '=even',
          metadata: { n },
        })),
      ),
    )
    expect((await run('audit export acme --to log.jsonl')).stdout).toContain('450 entries')
    const lines = (await readFile(join(project.folder, 'log.jsonl'), 'utf8')).trim().split('\n')
    expect(new Set(lines.map((line) => JSON.parse(line).metadata.n)).size).toBe(450)
    expect((await run('audit export acme --to log.jsonl')).exit).toBe(EXIT.refused)
    const odd = await run('audit export acme --action odd --to - --format csv')
    expect(odd.stdout.trim().split('\r\n')).toHaveLength(226)
    expect((await run('audit export acme --to - --format csv')).stdout).toContain("'=even")
    expect((await run('audit export globex --to none.csv --format csv')).stdout).toContain('0 entries')
    expect((await run('audit export acme')).exit).toBe(EXIT.usage)
    expect((await readdir(project.folder)).filter((name) => name.endsWith('.part'))).toEqual([])
  })

  it('webhooks are listed, their deliveries looked at and sent again', async () => {
    const hooks = webhooks({ outbox: outbox(), sealing: testSealing() })
    const { endpoint, secret } = await tenancy.withTenant('acme', (db) =>
      hooks.endpoints.create(db, { url: 'https://example.com/hook', events: ['a.b'] }),
    )
    const shown = await run('webhooks list acme')
    expect(shown.stdout).toContain('https://example.com/hook')
    expect(shown.stdout + (await run('webhooks list acme --json')).stdout).not.toContain(secret)
    expect((await run(`webhooks test acme --endpoint ${endpoint.id} --dry-run`)).exit).toBe(EXIT.ok)
    expect((await run('webhooks deliveries acme')).stderr).toContain('No deliveries')
    expect((await run(`webhooks test acme --endpoint ${endpoint.id}`)).exit).toBe(EXIT.ok)
    expect((await run('webhooks deliveries acme')).stdout).toMatch(/webhook\.test +pending +0/)
    await tenancy.query('acme', `update webhook_delivery set status = 'failed', error = 'TIMEOUT'`)
    expect((await run('webhooks redeliver acme --status failed --dry-run --json')).json()).toMatchObject({
      redelivered: 1,
      dryRun: true,
    })
    expect((await run('webhooks deliveries acme --status failed')).stdout).toContain('TIMEOUT')
    expect((await run('webhooks redeliver acme --status failed')).stdout).toBe(
      '1 delivery will be sent again.\n',
    )
    expect((await run('webhooks redeliver acme --status failed')).stdout).toBe(
      '0 deliveries will be sent again.\n',
    )
    const { rows } = await world.root.query(`select type from governance.outbox where tenant = 'acme'`)
    expect(rows).toEqual([{ type: 'webhook.delivery' }, { type: 'webhook.delivery' }])
    const [{ id: known }] = (await tenancy.query<{ id: string }>('acme', 'select id from webhook_delivery'))
      .rows as [{ id: string }]
    for (const dry of ['', ' --dry-run']) {
      const nonsense = await run(`webhooks redeliver acme --delivery nonsense${dry}`)
      expect([nonsense.exit, nonsense.stdout]).toEqual([EXIT.failed, ''])
      // Also behind one that is there: nothing of it is done.
      const missing = await run(`webhooks redeliver acme --delivery ${known},${randomUUID()}${dry}`)
      expect([missing.exit, missing.stdout]).toEqual([EXIT.refused, ''])
    }
    const after = await world.root.query(`select type from governance.outbox where tenant = 'acme'`)
    expect(after.rows).toHaveLength(2)
  })

  it('doctor and advise say what is wrong, and with which command it is mended', async () => {
    const { root } = world
    const names = (
      await root.query(
        `select relname from pg_class where relname ~ '^audit_log_[0-9_]+$' order by 1 offset 1`,
      )
    ).rows
    for (const { relname } of names) await root.query(`drop table governance.${relname}`)
    await root.query(`update governance.usage_delta set at = now() - interval '3 hours';
      update governance.usage_cursor set upto = '0'; delete from governance.usage_metrics;
      insert into governance.erasure_ledger (tenant, subject, requested_at) values ('acme', 'u9', now() - interval '2 hours')`)
    await run('retention enrol')
    await root.query(`update governance.retention_schedule set next_at = now() - interval '3 days'`)
    const codes = async () => Object.keys((await run('doctor --json')).json<{ counts: object }>().counts)
    const ours = ['AUDIT_PARTITIONS_MISSING', 'ERASURE_UNFINISHED', 'RETENTION_OVERDUE', 'USAGE_BEHIND']
    expect(await codes()).toEqual(expect.arrayContaining([...ours, 'PERSONAL_UNCLASSIFIED']))
    expect((await run('advise')).stdout).toMatch(/audit_partitions_missing .*\n.*pg-tenant retention run/)
    const { stdout } = await run('doctor')
    expect(stdout).toContain('idea.body')
    const commands = [
      ...stdout.matchAll(/Run pg-tenant ((?:retention|usage|privacy) [a-z<> -]+?)(?:[,:;.]|$)/gm),
    ].map(([, line]) => String(line).replace('<key>', 'acme').trim())
    expect(new Set(commands)).toEqual(new Set(['retention run', 'usage roll-up', 'privacy replay acme']))
    for (;;) {
      for (const command of new Set(commands))
        expect([command, (await run(command)).exit]).toEqual([command, EXIT.ok])
      const left = (await codes()).filter((code) => ours.includes(code))
      // What is added up stops at the oldest transaction, whosoever it is.
      if (left.every((code) => code === 'USAGE_BEHIND')) expect(left.length).toBeLessThan(2)
      if (left.length === 0) break
    }
  })

  it.each([
    ['webhooks nonsense acme', '--', EXIT.usage],
    ['webhooks redeliver acme', '--delivery', EXIT.usage],
    ['webhooks test acme', '--endpoint', EXIT.usage],
    ['webhooks list nobody', '--', EXIT.refused],
    ['usage list', 'takes a tenant', EXIT.usage],
    ['usage limits acme --set users', 'users=10', EXIT.usage],
    ['usage list acme --from yesterday', 'from', EXIT.failed],
    ['retention hold acme', '--reason', EXIT.usage],
    ['retention hold nobody --reason x', '', EXIT.refused],
    ['privacy erase acme', 'an id', EXIT.usage],
    ['privacy erase nobody x --confirm x', '', EXIT.refused],
    ['privacy export acme x', '--to', EXIT.usage],
    ['privacy export acme x --to x --dry-run', 'no dry run', EXIT.usage],
    ['audit seal --dry-run', 'no dry run', EXIT.usage],
    ['audit export acme --to x --from nonsense', 'createdAtFrom', EXIT.failed],
  ])('%s is refused', async (line, text, exit) => {
    const ran = await run(line)
    expect([ran.exit, ran.stdout]).toEqual([exit, ''])
    if (text !== '--') expect(ran.stderr).toContain(text)
  })
})

// Its own databases, one after the other; the slow set has it, the default set the package's own tests at this level.
describe('level database', { tags: 'slow' }, () => {
  const project = useProject(`isolation: 'database', ${OWN}`)
  const { run, world, env } = project
  beforeAll(async () => {
    await world.root.query(`alter role ${world.adminRole} createdb`)
    Object.assign(env, { AUDIT_KEYS: `k1=${auditKey.toString('base64')}` })
    for (const tenant of ['acme', 'globex']) expect((await run(`create ${tenant}`)).exit).toBe(EXIT.ok)
  })

  it('what is a tenant’s is looked after in its own database', async () => {
    for (const what of ['audit', 'usage']) {
      const installed = await run(`${what} install`)
      expect([installed.exit, installed.stdout]).toEqual([
        EXIT.ok,
        expect.stringContaining('2 tenants, 0 failed'),
      ])
    }
    for (const what of ['retention', 'privacy']) expect((await run(`${what} install`)).exit).toBe(EXIT.ok)
    for (const tenant of ['acme', 'globex']) {
      const { connection } = (await run(`env ${tenant} --rotate --json`)).json<{
        connection: { url: string }
      }>()
      const client = world.pool({ connectionString: connection.url })
      await client.query(
        `insert into governance.usage_delta (tenant, request_id, action) values ($1, 'r', 'a.b')`,
        [tenant],
      )
    }
    while ((await run('usage list acme --json')).json<{ data: object[] }>().data.length === 0)
      expect((await run('usage roll-up')).stdout).toContain('2 tenants, 0 failed')
    expect((await run('audit verify acme')).exit).toBe(EXIT.ok)
    expect((await run('audit seal --json')).lines().at(-1)).toMatchObject({
      type: 'report',
      ok: true,
      done: 2,
    })
    await run('retention enrol')
    const kept = await run('retention run --json')
    expect(kept.json<{ shared: object[]; failed: object[] }>()).toMatchObject({ failed: [] })
    expect(kept.json<{ shared: { tenant: string }[] }>().shared.map(({ tenant }) => tenant)).toContain(
      'globex',
    )
    expect((await run('retention check')).exit).toBe(EXIT.ok)
    expect((await run('usage limits acme --set users=3')).stdout).toMatch(/users +0 +3/)
  })
})
