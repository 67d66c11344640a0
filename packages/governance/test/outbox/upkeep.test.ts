import type { TenantDb } from '@org/pg-tenant'
import { afterEach, describe, expect, it } from 'vitest'
import type { EventMap } from '../../src/outbox/index.ts'
import { createWorker } from '../../src/outbox/worker/index.ts'
import { acme, globex, useOutbox } from '../support/outbox-world.ts'

const there = useOutbox('role')
const root = () => there.setting.world.root
const count = async (what: string) =>
  Number((await root().query<{ n: string }>(`select count(*) as n from governance.${what}`)).rows[0]?.n)
const sweep = () => there.control.query('select governance.outbox_sweep()')
const drain = (fails = false) =>
  createWorker<EventMap, TenantDb>({
    control: there.control,
    tenants: there.tenancy,
    handlers: {
      old: async () => {
        if (fails) throw new Error('no')
      },
    },
    retry: { retries: 5, delays: [3_600_000] },
  }).drain()
/** Events that were published ten days ago, in the slot of that day. */
const old = (n: number) =>
  root().query(
    `insert into governance.outbox (slot, tenant, type, payload, published_at, available_at)
     select (floor(extract(epoch from (d - '2000-01-01 00:00:00+00'::timestamptz)) / 172800)::int8 % 16)::int2,
       'acme', 'old', '1', d, d from (select now() - interval '10 days' as d) x, generate_series(1, $1::int)`,
    [n],
  )

afterEach(async () => {
  await there.control.query(`select governance.outbox_forget('acme'), governance.outbox_forget('globex')`)
})

describe('partitions are emptied whole', () => {
  it('once all in them is finished, and not before', async () => {
    await old(20)
    await sweep()
    expect(await count('outbox')).toBe(20)
    await there.control.query('select * from governance.outbox_take(10, 45, 5, false)')
    await sweep()
    expect(await count('outbox')).toBe(20)
    await root().query(
      `update governance.outbox_lease set expires_at = clock_timestamp() - interval '1 s' where not over`,
    )
    await drain()
    await drain()
    await drain()
    await sweep()
    // Ten were taken back and written anew, today.
    expect(await count(`outbox where published_at < now() - interval '1 day' and not solo`)).toBe(0)
  })

  it('a retry stands in the slot of the day it is due, and holds nothing up', async () => {
    await old(3)
    await drain(true)
    await sweep()
    expect(await count(`outbox where attempts = 0`)).toBe(0)
    expect(await count(`outbox where attempts = 1 and available_at > now()`)).toBe(3)
  })

  it('not while a transaction has yet to commit what it put there, and nobody waits for it', async () => {
    const client = await root().connect()
    try {
      await old(2)
      await drain()
      await client.query('begin')
      await client.query(
        `insert into governance.outbox (slot, tenant, type, payload, published_at, available_at)
         select slot, tenant, type, payload, published_at, available_at from governance.outbox limit 1`,
      )
      await sweep()
      expect(await count('outbox')).toBe(2)
      await client.query('commit')
      await sweep()
      expect(await count('outbox')).toBe(3)
      await drain()
      await sweep()
      expect(await count('outbox')).toBe(0)
    } finally {
      client.release()
    }
  })

  it('publishing never depends on it: slots are there for ever', async () => {
    const { rows } = await root().query<{ slots: string[] }>(
      `select array_agg(pg_get_expr(relpartbound, oid) order by oid) as slots from pg_class
       where oid in (select inhrelid from pg_inherits where inhparent = 'governance.outbox'::regclass)`,
    )
    expect(rows[0]?.slots).toEqual(Array.from({ length: 16 }, (_, n) => `FOR VALUES IN ('${n}')`))
  })
})

it('a tenant that is dropped takes its events with it, wherever they wait', async () => {
  const publish = (tenant: string, options = {}) =>
    there.tenancy.withTenant(tenant, (db) => there.events.publish(db, 'old', 1, options))
  for (const tenant of [acme, globex]) {
    await publish(tenant)
    await publish(tenant, { delay: 60_000 })
    await publish(tenant, { key: 'k' })
    await publish(tenant, { key: 'k' })
  }
  await there.control.query('select governance.outbox_dispatch()')
  await root().query(`insert into governance.outbox_dead (id, tenant, type, payload, attempts, reason, published_at)
    select gen_random_uuid(), t, 'old', '1', 1, 'X', now() from unnest('{acme,globex}'::text[]) t`)
  await there.control.query(`select governance.outbox_forget('acme')`)
  for (const table of ['outbox', 'outbox_ready', 'outbox_ordered', 'outbox_dead']) {
    const { rows } = await root().query(`select distinct tenant from governance.${table}`)
    expect(rows).toEqual([{ tenant: 'globex' }])
  }
})
