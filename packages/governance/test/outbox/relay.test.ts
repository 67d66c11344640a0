import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseTenantKey } from '@org/core'
import type { TenantDb } from '@org/pg-tenant'
import { afterEach, expect, it, onTestFinished } from 'vitest'
import type { EventMap } from '../../src/outbox/index.ts'
import { createWorker, type WorkerOptions, type WorkerProblem } from '../../src/outbox/worker/index.ts'
import { acme, globex, useOutbox } from '../support/outbox-world.ts'
import { eventually } from '../support/world.ts'

const there = useOutbox('database')
const seen: [string, unknown][] = []
const problems: WorkerProblem[] = []
const worker = (options: Partial<WorkerOptions<EventMap, TenantDb>> = {}) => {
  const made = createWorker<EventMap, TenantDb>({
    control: there.control,
    tenants: there.tenancy,
    handlers: { '*': async ({ tenant, payload }) => seen.push([tenant, payload]) },
    relayFrom: `${there.setting.world.rolePrefix}database_`,
    onProblem: (problem) => problems.push(problem),
    ...options,
  })
  onTestFinished(() => made.stop())
  return made
}
const own = (sql: string) => there.setting.rootAt('database', 'acme', sql)
const publish = (payload: unknown) =>
  there.tenancy.withTenant(acme, (db) => there.events.publish(db, 'a', payload))

afterEach(async () => {
  seen.splice(0)
  problems.splice(0)
  await there.control.query(`select governance.outbox_forget('acme'), governance.outbox_forget('globex')`)
})

it('brings what was published, hinted at or not, in its order', async () => {
  for (let n = 0; n < 5; n += 1) await publish(n)
  await there.events.hint(there.setting.world.pool(), acme)
  await worker({ concurrency: 1 }).drain()
  expect(seen.map(([, payload]) => payload)).toEqual([0, 1, 2, 3, 4])
  // A fresh worker visits everybody whose database has ever had a row inserted.
  await publish('not hinted at')
  await there.setting.world.root.query('select pg_stat_force_next_flush()').catch(() => undefined)
  const { rows } = await own('select count(*) as n from database_acme.outbox')
  expect(rows).toEqual([{ n: '1' }])
  await worker().drain()
  expect(seen.map(([, payload]) => payload)).toContain('not hinted at')
})

it('brings what jsonb writes at greater length than it was published', { tags: 'slow' }, async () => {
  const payload = Array(130_000).fill(1)
  await publish(payload)
  await worker().drain()
  expect(seen).toEqual([['acme', payload]])
})

it('whose database hangs holds up no other', async () => {
  const { promise, resolve: release } = Promise.withResolvers<void>()
  let hangs = false
  let ended = false
  let over = false
  const hanging = {
    ...there.tenancy,
    withTenant: async <T>(key: string, fn: (db: TenantDb) => Promise<T>) => {
      if (over) throw new Error('what comes later is for other workers')
      if (key === 'acme') {
        hangs = true
        await promise
      }
      return await there.tenancy.withTenant(key, fn).finally(() => {
        ended ||= key === 'acme'
      })
    },
  }
  const started = worker({ tenants: hanging, pollInterval: 50 })
  try {
    await there.events.hint(there.setting.world.pool(), acme)
    started.start()
    await eventually(() => hangs)
    await there.tenancy.withTenant(globex, (db) => there.events.publish(db, 'a', 'meanwhile'))
    await there.events.hint(there.setting.world.pool(), globex)
    await eventually(() => seen.length > 0)
    expect(seen).toEqual([['globex', 'meanwhile']])
  } finally {
    release()
    await eventually(() => ended)
    over = true
  }
})

it('cut off between the two databases, brings an event once', async () => {
  await publish('once')
  let cut = true
  const breaking = {
    ...there.tenancy,
    withTenant: <T>(key: string, fn: (db: TenantDb) => Promise<T>) =>
      there.tenancy.withTenant(key, (db) =>
        fn({
          ...db,
          tenant: db.tenant,
          query: ((text: string, values?: unknown[]) => {
            if (cut && text.startsWith('delete')) throw new Error('connection lost')
            return db.query(text, values)
          }) as TenantDb['query'],
        }),
      ),
  }
  await worker({ tenants: breaking }).drain()
  expect(problems.map(({ kind, tenant }) => [kind, tenant])).toContainEqual(['relay', 'acme'])
  cut = false
  await worker().drain()
  await worker().drain()
  expect(seen).toEqual([['acme', 'once']])
})

it('what a tenant makes of its own outbox reaches nobody else and stops nobody', async () => {
  // Its role owns the table: a trigger, a type that says anything, a view in its place.
  await there.tenancy.withTenant(globex, (db) => there.events.publish(db, 'a', 'innocent'))
  await own(`set role "${there.setting.roleOf('database', 'acme')}"; set search_path = database_acme;
    create table loot (who text, may boolean);
    create function spy() returns trigger language plpgsql as $f$ begin
      insert into loot values (session_user, pg_has_role(session_user, '${there.setting.world.adminRole}', 'usage')); return old; end $f$;
    create trigger spy before delete on outbox for each row execute function spy();
    insert into outbox (tenant, type, payload) values ('globex', 'a', '"forged"');
    insert into outbox (tenant, type, payload) values ('acme', 'not a type!', '1'), ('acme', repeat('a', 100000), '1');
    insert into outbox (tenant, type, payload) values ('acme', 'a', to_jsonb(repeat('x', 400000)))`)
  await worker().drain()
  // Whatever it wrote as tenant, what it brought is its own.
  expect(seen.toSorted()).toEqual([
    ['acme', 'forged'],
    ['globex', 'innocent'],
  ])
  const { rows } = await own('select distinct who, may from database_acme.loot')
  expect(rows).toEqual([{ who: there.setting.roleOf('database', 'acme'), may: false }])
  await own(
    `drop trigger spy on database_acme.outbox; drop function database_acme.spy(); drop table database_acme.loot`,
  )

  await own(`set role "${there.setting.roleOf('database', 'acme')}"; set search_path = database_acme;
    alter table outbox rename to real_outbox;
    create function endless() returns setof text language plpgsql as $f$ begin loop return next repeat('x', 1000000); end loop; end $f$;
    create view outbox as select 1 as seq, 'x'::text as id, endless() as type, '1' as payload, null as key, null as trace,
      now() as available_at, 0::oid as home`)
  await there.tenancy.withTenant(globex, (db) => there.events.publish(db, 'a', 'still'))
  const limited = {
    ...there.tenancy,
    withTenant: <T>(key: string, fn: (db: TenantDb) => Promise<T>) =>
      there.tenancy.withTenant(key, fn, key === 'acme' ? { statementTimeout: 300 } : {}),
  }
  await worker({ tenants: limited }).drain()
  expect(seen).toContainEqual(['globex', 'still'])
  expect(problems.map(({ kind, tenant }) => [kind, tenant])).toContainEqual(['relay', 'acme'])
  await own(
    'drop view database_acme.outbox; alter table database_acme.real_outbox rename to outbox; drop function database_acme.endless()',
  )
})

it('what a restore brings back is not sent again', { tags: 'slow' }, async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'outbox-')), 'acme.backup')
  await publish('once')
  await there.tenancy.backup(acme, { to: file })
  await worker().drain()
  expect(seen).toEqual([['acme', 'once']])
  await there.tenancy.restore('again', { from: file })
  const again = parseTenantKey('again')
  await there.tenancy.withTenant(again, (db) => there.events.publish(db, 'a', 'new'))
  await worker().drain()
  expect(seen).toEqual([
    ['acme', 'once'],
    ['again', 'new'],
  ])
})
