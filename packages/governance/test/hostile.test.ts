// @module-tag sampled
import { randomBytes, randomUUID } from 'node:crypto'
import { createTenancy, type Migration, type Tenancy } from '@org/pg-tenant'
import { formatAttackReport, type HostileCall, runAttackKit } from '@org/pg-tenant/testing'
import { useTestLevels } from '@org/pg-testing/vitest'
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { auditLog, installAudit } from '../src/audit/index.ts'
import { governanceChecks } from '../src/checks/index.ts'
import { IDEMPOTENCY_MIGRATION, idempotency } from '../src/idempotency/index.ts'
import { createJobs, installJobs } from '../src/jobs/index.ts'
import { installOutbox, OUTBOX_DATABASE_MIGRATION, outbox } from '../src/outbox/index.ts'
import { createWorker } from '../src/outbox/worker/index.ts'
import { installPrivacy, personalData, privacy } from '../src/privacy/index.ts'
import { IDEMPOTENCY_KEYS, installRetention, retention } from '../src/retention/index.ts'
import { installUsage, usage } from '../src/usage/index.ts'
import { WEBHOOKS_MIGRATION, webhooks } from '../src/webhooks/index.ts'
import { levelsInTurn } from './support/levels.ts'
import { testSealing } from './support/world.ts'
import { startReceiver } from './webhooks/receiver.ts'

// Hazard x, for what this package does: whatever a tenant can own is planted, also on the tables that come from here, and
// then every administrator's and worker's job is run. None of the tenant's code may have anybody else's rights.

type Stage = Parameters<HostileCall['run']>[0]

/** At level `row` a tenant owns nothing. */
const LEVELS = levelsInTurn('role').filter((level) => level !== 'row')
const TABLES = ['idempotency_key', 'webhook_endpoint', 'webhook_message', 'webhook_delivery', 'outbox']
const audit = auditLog({ keys: { k1: randomBytes(32) } })
const used = usage({ key: randomBytes(32) })
const sealing = testSealing()

interface Prepared {
  readonly tenancy: Tenancy
  /** The administrator where the tenant's log and usage are, overheard. */
  readonly own: pg.Pool
  readonly rolePrefix: string
}
const prepared = new WeakMap<Stage, Promise<Prepared>>()

/** Everything is installed, and the hostile tenant has hung its triggers on the tables it got from here. */
function prepare(stage: Stage): Promise<Prepared> {
  const known = prepared.get(stage)
  if (known) return known
  const made = make(stage)
  prepared.set(stage, made)
  return made
}

async function make(stage: Stage): Promise<Prepared> {
  const { admin, evil, good, lab } = stage
  const apart = lab.isolation === 'database'
  const migrations: Migration[] = [
    IDEMPOTENCY_MIGRATION,
    WEBHOOKS_MIGRATION,
    ...(apart ? [OUTBOX_DATABASE_MIGRATION] : []),
  ]
  const tenancy = stage.next(migrations)
  for (const tenant of [evil, good]) await tenancy.provision(tenant)
  const own = apart
    ? new pg.Pool({
        ...(await lab.administrator()),
        host: '127.0.0.1',
        port: Number(stage.admin.options.port),
        database: lab.roleOf(evil),
        max: 1,
      })
    : admin
  if (apart) onTestFinished(() => own.end())
  own.on('error', () => {})
  const rolePrefix = lab.isolation === 'schema' ? 'c_' : lab.roleOf(evil).slice(0, -evil.length)
  const options = {
    isolation: lab.isolation,
    schemaPrefix: lab.schemaOf(evil).slice(0, -evil.length),
    rolePrefix,
    application: lab.application,
  }
  for (const install of [installAudit, installUsage]) await install(own, options)
  await installOutbox(admin, options)
  for (const install of [installRetention, installPrivacy, installJobs]) await install(admin)
  for (const table of TABLES) {
    const fire = `before insert or update or delete on ${table} for each row execute function h_fire('${table}')`
    await tenancy.query(evil, `create trigger h_governance ${fire}`).catch(() => {})
  }
  stage.heard()
  return { tenancy, own, rolePrefix }
}

const keeping = retention({ audit, tenantTables: [IDEMPOTENCY_KEYS] })

/** By itself: it changes what the other tenant has, which none of the others may. */
const INSTALL: HostileCall = {
  id: 'install',
  title: 'installing, and tables for both tenants',
  run: prepare,
}

const CALLS: readonly HostileCall[] = [
  {
    id: 'governance.jobs',
    title: 'sealing, rolling up and retention',
    run: async (stage) => {
      const { tenancy, own } = await prepare(stage)
      const { admin, evil } = stage
      await tenancy.withTenant(evil, async (db) => {
        await audit.record(db, { actor: { type: 'system' }, action: 'a' })
        await used.meter(db, { requestId: randomUUID(), action: 'a' })
        await used.take(db, 'users', 'u1')
        await used.giveBack(db, 'users', 'u1')
      })
      await keeping.enrol(admin, [evil])
      await tenancy.query(
        evil,
        `insert into idempotency_key (principal, handler, key, fingerprint, expires_at)
          values ('p', 'h', gen_random_uuid()::text, pg_catalog.sha256('x'), now() - interval '1 day')`,
      )
      const jobs = createJobs({
        control: admin,
        jobs: [
          { name: 'seal', every: 1_000, run: () => audit.seal(own) },
          { name: 'roll_up', every: 1_000, run: () => used.rollUp(own) },
          { name: 'shared', every: 1_000, run: () => keeping.runShared(own, { control: admin }) },
          { name: 'tenants', every: 1_000, run: () => keeping.runTenants(admin, tenancy) },
        ],
      })
      const done = await jobs.runDue()
      if (done.some(({ code }) => code !== null)) throw new Error(JSON.stringify(done))
      return [await audit.verify(own, evil), await audit.list(own, evil), await used.list(own, evil)]
    },
  },
  {
    id: 'governance.worker',
    title: 'the worker, its handlers and webhooks',
    run: async (stage) => {
      const { tenancy, rolePrefix } = await prepare(stage)
      const { admin, evil, lab } = stage
      const receiver = await startReceiver()
      const events = outbox({ isolation: lab.isolation })
      const hooks = webhooks({
        outbox: events,
        sealing,
        allow: { http: true, addresses: ['127.0.0.1'], ports: [receiver.port] },
      })
      await tenancy.withTenant(evil, async (db) => {
        await hooks.endpoints.create(db, { url: receiver.url, events: ['*'] })
        await events.publish(db, 'a.b', { n: 1 }, { key: 'k' })
      })
      if (lab.isolation === 'database') await events.hint(admin, evil as never)
      const worker = createWorker({
        control: admin,
        tenants: tenancy,
        handlers: hooks.handlers,
        ...(lab.isolation === 'database' && { relayFrom: rolePrefix }),
      })
      await worker.drain()
      expect(receiver.received.length).toBeGreaterThan(0)
      await tenancy.withTenant(evil, (db) => hooks.deliveries.list(db))
      await tenancy.query(evil, 'delete from webhook_endpoint')
    },
  },
  {
    id: 'governance.requests',
    title: 'idempotent requests, export and erasure of a person',
    run: async (stage) => {
      const { tenancy } = await prepare(stage)
      const { admin, evil } = stage
      const request = {
        tenant: evil as never,
        principal: 'user:u1',
        handler: 'h',
        key: randomUUID(),
        fingerprint: randomBytes(32),
      }
      const idempotent = idempotency({ scopes: tenancy, sealing })
      for (let n = 0; n < 2; n++) await idempotent.once(request, async () => 'x')
      const data = personalData({
        notes: { subject: 'id', columns: { id: 'keep', body: 'text' } },
        idempotency_key: {
          subject: 'principal',
          prefix: 'user:',
          delete: true,
          columns: { principal: 'keep' },
        },
      })
      const people = privacy({ data, scopes: tenancy, control: admin })
      await people.export(evil, 'u1')
      await people.erase(evil, 'u1')
      await people.replay(evil)
      await tenancy.withTenant(evil, (db) => people.check(db))
    },
  },
  {
    id: 'governance.doctor',
    title: 'doctor with the checks of this package',
    run: async (stage) => {
      await prepare(stage)
      const checks = governanceChecks({ personalData: personalData({}) })
      const tenancy = stage.lab.tenancy(stage.pool, { adminPool: stage.admin, checks })
      await tenancy.doctor()
      await tenancy.stats()
      await tenancy.close()
    },
  },
]

/** The control, at level `role`: what one writes for a start. */
const OBVIOUS: readonly HostileCall[] = [
  {
    id: 'obvious.retention',
    title: 'expired rows deleted in the administrator’s session',
    run: async (stage) => {
      const { tenancy } = await prepare(stage)
      await tenancy.query(
        stage.evil,
        `insert into idempotency_key (principal, handler, key, fingerprint, expires_at)
          values ('p', 'h', gen_random_uuid()::text, pg_catalog.sha256('x'), now() - interval '1 day')`,
      )
      const { role, schema } = stage.targets
      const client = await stage.admin.connect()
      await client.query(`begin; set local role "${role}"; set local search_path to "${schema}";
        delete from idempotency_key where expires_at < now(); commit`)
      client.release(true)
    },
  },
]

const setting = useTestLevels(createTenancy)

describe.each(LEVELS)('level %s', (isolation) => {
  it("no job of an administrator or a worker runs a tenant's code with anybody else's rights", async () => {
    const control = isolation === 'role' ? OBVIOUS : []
    const hostile = [INSTALL, ...CALLS, ...control]
    const report = await runAttackKit({
      url: setting.directUrl,
      adminUrl: setting.world.adminUrl,
      isolation,
      hostile,
      only: hostile.map(({ id }) => `x.${id}`),
    })
    const verdicts = report.findings.filter(({ id }) => /^x\.(governance|obvious)/.test(id))
    expect(
      verdicts.map(({ id, verdict }) => `${id} ${verdict}`),
      formatAttackReport(report),
    ).toEqual([
      ...CALLS.map(({ id }) => `x.${id} stopped`),
      // What touches tenants' tables as the administrator gives it away, in the same run.
      ...control.map(({ id }) => `x.${id} open`),
    ])
  }, 300_000)
})
