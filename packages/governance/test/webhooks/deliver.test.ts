// @module-tag sampled
import type { TenantDb } from '@org/pg-tenant'
import { Webhook } from 'standardwebhooks'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import type { EventMap } from '../../src/outbox/index.ts'
import { createWorker, type WorkerOptions } from '../../src/outbox/worker/index.ts'
import {
  WEBHOOKS_MIGRATION,
  WEBHOOKS_ROW_MIGRATION,
  type WebhookOptions,
  webhooks,
} from '../../src/webhooks/index.ts'
import { levelsInTurn } from '../support/levels.ts'
import { acme, globex, useOutbox } from '../support/outbox-world.ts'
import { eventually, testSealing } from '../support/world.ts'
import { type Receiver, startReceiver } from './receiver.ts'

/** As Standard Webhooks' own library sees it; throws when it is not genuine. */
function verified(secret: string, { body, headers }: Receiver['received'][number]): unknown {
  return new Webhook(secret).verify(body, headers)
}

describe.each(levelsInTurn('row'))('level %s', (level) => {
  const there = useOutbox(level, {}, [level === 'row' ? WEBHOOKS_ROW_MIGRATION : WEBHOOKS_MIGRATION])
  const sealing = testSealing()
  const made = (receivers: readonly Receiver[], options: Partial<WebhookOptions> = {}) => {
    const hooks = webhooks({
      outbox: there.events,
      sealing,
      allow: { http: true, addresses: ['127.0.0.1'], ports: receivers.map(({ port }) => port) },
      ...options,
    })
    const start = (more: Partial<WorkerOptions<EventMap, TenantDb>> = {}) => {
      const worker = createWorker<EventMap, TenantDb>({
        control: there.control,
        tenants: there.tenancy,
        handlers: hooks.handlers,
        retry: { retries: 3, delays: [0] },
        pollInterval: 20,
        relayFrom: level === 'database' ? `${there.setting.world.rolePrefix}${level}_` : undefined,
        ...more,
      })
      onTestFinished(() => worker.stop())
      worker.start()
      return worker
    }
    return { hooks, start }
  }
  const publish = async (tenant: typeof acme, type: string, payload: unknown) => {
    const id = await there.tenancy.withTenant(tenant, (db) => there.events.publish(db, type, payload))
    if (level === 'database') await there.events.hint(there.setting.world.pool(), tenant)
    return id
  }
  afterEach(async () => {
    for (const tenant of [acme, globex]) {
      await there.tenancy.query(tenant, 'delete from webhook_endpoint')
      await there.tenancy.query(tenant, 'delete from webhook_message')
      await there.control.query('select governance.outbox_forget($1)', [tenant])
    }
  })

  it('tells the moment whatever the DateStyle of the database', async () => {
    const receiver = await startReceiver()
    const { hooks, start } = made([receiver])
    await there.tenancy.withTenant(acme, (db) =>
      hooks.endpoints.create(db, { url: receiver.url, events: ['note.created'] }),
    )
    await publish(acme, 'note.created', {})
    const published: unknown[] = []
    const handlers: WorkerOptions<EventMap, TenantDb>['handlers'] = {
      ...hooks.handlers,
      'note.created': (event, context) => {
        published.push(event.publishedAt.getTime())
        return hooks.fanOut(event, context)
      },
    }
    const { query: _, ...scopes } = there.tenancy
    const tenants: WorkerOptions<EventMap, TenantDb>['tenants'] = {
      ...scopes,
      withTenant: (tenant, fn, options) =>
        there.tenancy.withTenant(
          tenant,
          async (db) => {
            await db.query(`select set_config('datestyle', 'German', true)`)
            return await fn(db)
          },
          options,
        ),
    }
    const { world } = there.setting
    const control = world.pool({ connectionString: there.controlUrl, options: '-c datestyle=German' })
    start({ tenants, handlers, control })
    await eventually(() => receiver.received.length === 1)
    const { timestamp } = JSON.parse(String(receiver.received[0]?.body))
    expect(new Date(timestamp).toISOString()).toBe(timestamp)
    expect(published).toEqual([expect.any(Number)])
  })

  it('tells those who asked, and nobody else, in words that can be verified', async () => {
    const [mine, theirs] = [await startReceiver(), await startReceiver()]
    const { hooks, start } = made([mine, theirs])
    const { secret } = await there.tenancy.withTenant(acme, (db) =>
      hooks.endpoints.create(db, { url: mine.url, events: ['note.created'] }),
    )
    await there.tenancy.withTenant(globex, (db) =>
      hooks.endpoints.create(db, { url: theirs.url, events: ['*'] }),
    )
    const payload = { text: 'grün 🎉 \u2028 "quoted" \\ ', big: 12345678901234.5, nested: [null, true] }
    const id = await publish(acme, 'note.created', payload)
    await publish(acme, 'note.deleted', {})
    start()
    await eventually(() => mine.received.length === 1)
    const [message] = mine.received
    expect(verified(secret, message!)).toEqual({
      type: 'note.created',
      timestamp: expect.any(String),
      data: payload,
    })
    expect(message?.headers).toMatchObject({ 'webhook-id': id, 'content-type': 'application/json' })
    await eventually(async () => {
      const { deliveries } = await there.tenancy.withTenant(acme, (db) => hooks.deliveries.list(db))
      return deliveries[0]?.status === 'delivered'
    })
    expect(theirs.received).toEqual([])
  })

  it('fails twice, and the third attempt is the same message, signed anew', async () => {
    const receiver = await startReceiver()
    receiver.answers.push(500, (req) => req.socket.destroy())
    const { hooks, start } = made([receiver])
    const { secret, endpoint } = await there.tenancy.withTenant(acme, (db) =>
      hooks.endpoints.create(db, { url: receiver.url, events: ['*'] }),
    )
    await publish(acme, 'note.created', { n: 1 })
    start()
    await eventually(() => receiver.received.length === 3)
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1)
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    for (const message of receiver.received) verified(secret, message)
    const log = () =>
      there.tenancy.withTenant(acme, (db) => hooks.deliveries.list(db, { endpointId: endpoint.id }))
    await eventually(async () => (await log()).deliveries[0]?.status === 'delivered')
    const [delivery] = (await log()).deliveries
    expect(delivery).toMatchObject({ attempts: 3, responseStatus: 204, error: null, type: 'note.created' })
    expect(JSON.stringify(delivery)).not.toContain('secret of the receiver')
    const found = await there.tenancy.withTenant(acme, (db) => hooks.endpoints.get(db, endpoint.id))
    expect(found.failingSince).toBeNull()
  })

  it('while a secret is changed both sign; afterwards the old one does not', async () => {
    const receiver = await startReceiver()
    const { hooks, start } = made([receiver])
    const { secret: old, endpoint } = await there.tenancy.withTenant(acme, (db) =>
      hooks.endpoints.create(db, { url: receiver.url, events: ['*'] }),
    )
    const rotate = (overlap?: number) =>
      there.tenancy.withTenant(acme, (db) => hooks.endpoints.rotateSecret(db, endpoint.id, overlap))
    const fresh = await rotate()
    await publish(acme, 'a', 1)
    start()
    await eventually(() => receiver.received.length === 1)
    verified(old, receiver.received[0]!)
    verified(fresh, receiver.received[0]!)
    const last = await rotate(0)
    await publish(acme, 'a', 2)
    await eventually(() => receiver.received.length === 2)
    verified(last, receiver.received[1]!)
    expect(() => verified(fresh, receiver.received[1]!)).toThrow()
    // Replayed much later, or with another body, it is not genuine.
    const [first] = receiver.received
    expect(() => verified(old, { ...first!, body: `${first?.body} ` })).toThrow()
    const stale = {
      ...first?.headers,
      'webhook-timestamp': String(Number(first?.headers['webhook-timestamp']) - 3_600),
    }
    expect(() => verified(old, { ...first!, headers: stale })).toThrow()
    // Neither is in the table in clear.
    const { rows } = await there.tenancy.query(acme, 'select secret, previous_secret from webhook_endpoint')
    for (const secret of [old, fresh, last]) expect(JSON.stringify(rows)).not.toContain(secret.slice(6))
  })

  it('410 ends it at once, failing for long in the end, with an event; active again it starts anew', async () => {
    const [gone, bad, witness] = [await startReceiver(), await startReceiver(), await startReceiver()]
    gone.answers.push(410)
    bad.answers.push(500, 500)
    const { hooks, start } = made([gone, bad, witness], { disableAfter: 0 })
    const create = (receiver: Receiver, events: string[]) =>
      there.tenancy.withTenant(acme, (db) => hooks.endpoints.create(db, { url: receiver.url, events }))
    const [one, two] = [await create(gone, ['a']), await create(bad, ['a'])]
    await create(witness, ['webhook.endpoint.disabled'])
    await publish(acme, 'a', 1)
    start()
    await eventually(() => witness.received.length === 2)
    const told = witness.received.map(({ body }) => JSON.parse(body).data.reason).toSorted()
    expect(told).toEqual(['FAILING', 'GONE'])
    const status = async (id: string) => {
      const endpoint = await there.tenancy.withTenant(acme, (db) => hooks.endpoints.get(db, id))
      return [endpoint.status, endpoint.suspendedReason]
    }
    expect(await status(one.endpoint.id)).toEqual(['suspended', 'GONE'])
    expect(await status(two.endpoint.id)).toEqual(['suspended', 'FAILING'])
    expect(gone.received).toHaveLength(1)
    await publish(acme, 'a', 2)
    await there.tenancy.withTenant(acme, (db) => hooks.endpoints.setStatus(db, two.endpoint.id, 'active'))
    await publish(acme, 'a', 3)
    await eventually(() => bad.received.some(({ body }) => JSON.parse(body).data === 3))
    expect(gone.received).toHaveLength(1)
  })

  it('tests an endpoint, and sends again what was sent', async () => {
    const receiver = await startReceiver()
    const { hooks, start } = made([receiver])
    const { endpoint } = await there.tenancy.withTenant(acme, (db) =>
      hooks.endpoints.create(db, { url: receiver.url, events: ['note.created'] }),
    )
    const id = await there.tenancy.withTenant(acme, (db) => hooks.deliveries.test(db, endpoint.id))
    const worker = start()
    worker.wake(acme)
    await eventually(() => receiver.received.length === 1)
    const list = () => there.tenancy.withTenant(acme, (db) => hooks.deliveries.list(db, { limit: 1 }))
    await eventually(async () => (await list()).deliveries[0]?.status === 'delivered')
    await there.tenancy.withTenant(acme, (db) => hooks.deliveries.redeliver(db, id))
    worker.wake(acme)
    await eventually(() => receiver.received.length === 2)
    expect(receiver.received[1]?.body).toBe(receiver.received[0]?.body)
    const others = there.tenancy.withTenant(globex, (db) => hooks.deliveries.redeliver(db, id))
    await expect(others).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('hostile tenants and slow endpoints', () => {
  const there = useOutbox('role', {}, [WEBHOOKS_MIGRATION])
  const sealing = testSealing()

  it('what a tenant writes into its own table reaches neither the network inside nor others', async () => {
    const receiver = await startReceiver()
    const hooks = webhooks({
      outbox: there.events,
      sealing,
      allow: { http: true, ports: [receiver.port], addresses: ['127.0.0.1'] },
    })
    const create = (tenant: typeof acme) =>
      there.tenancy.withTenant(tenant, (db) =>
        hooks.endpoints.create(db, { url: receiver.url, events: ['*'] }),
      )
    const [mine, theirs] = [await create(acme), await create(globex)]
    const { rows } = await there.tenancy.query<{ secret: string }>(
      globex,
      'select secret from webhook_endpoint',
    )
    const worker = createWorker<EventMap, TenantDb>({
      control: there.control,
      tenants: there.tenancy,
      handlers: hooks.handlers,
      retry: { retries: 0, delays: [0] },
    })
    const hostile = [
      `update webhook_endpoint set url = 'http://169.254.169.254:${receiver.port}/latest/meta-data'`,
      `update webhook_endpoint set url = 'http://127.0.0.2:${receiver.port}/'`,
      `update webhook_endpoint set url = 'http://127.0.0.1:1/'`,
      `update webhook_endpoint set url = 'file:///etc/passwd'`,
      `update webhook_endpoint set url = '${receiver.url}', secret = '${rows[0]?.secret}'`,
    ]
    for (const sql of hostile) {
      await there.tenancy.query(acme, sql)
      await there.tenancy.withTenant(acme, (db) => there.events.publish(db, 'a', sql))
      await worker.drain()
    }
    await there.tenancy.withTenant(acme, (db) =>
      there.events.publish(db, 'webhook.delivery', { delivery: theirs.endpoint.id }),
    )
    await there.tenancy.withTenant(acme, (db) => there.events.publish(db, 'webhook.delivery', null))
    await there.tenancy.withTenant(acme, (db) =>
      there.events.publish(db, 'webhook.delivery', { delivery: 'x' }),
    )
    await worker.drain()
    expect(receiver.received).toEqual([])
    await there.tenancy.withTenant(globex, (db) => there.events.publish(db, 'a', 'fine'))
    await worker.drain()
    expect(receiver.received).toHaveLength(1)
    verified(theirs.secret, receiver.received[0]!)
    const { deliveries } = await there.tenancy.withTenant(acme, (db) => hooks.deliveries.list(db))
    expect(new Set(deliveries.map(({ error }) => error))).toEqual(new Set(['ADDRESS_REFUSED', null]))
    expect(mine.secret).not.toBe('')
    await worker.stop()
  })

  it('what a tenant makes of its tables and of the functions over them is read in bounded length', {
    tags: 'slow',
  }, async () => {
    const receiver = await startReceiver()
    const hooks = webhooks({
      outbox: there.events,
      sealing,
      allow: { http: true, ports: [receiver.port], addresses: ['127.0.0.1'] },
    })
    await there.tenancy.query(acme, 'delete from webhook_endpoint')
    await there.tenancy.withTenant(acme, (db) =>
      hooks.endpoints.create(db, { url: receiver.url, events: ['*'] }),
    )
    const lengths: number[] = []
    const measured = (db: TenantDb): TenantDb => {
      const query = async (...asked: Parameters<TenantDb['query']>) => {
        const result = await db.query(...asked)
        lengths.push(JSON.stringify(result.rows).length)
        return result
      }
      return new Proxy({} as TenantDb, {
        get: (_, key) => {
          const value: unknown = key === 'query' ? query : Reflect.get(db, key)
          return typeof value === 'function' ? value.bind(db) : value
        },
      })
    }
    const { query: _, ...scopes } = there.tenancy
    const worker = createWorker<EventMap, TenantDb>({
      control: there.control,
      tenants: {
        ...scopes,
        withTenant: (tenant, fn, options) =>
          there.tenancy.withTenant(tenant, (db) => fn(measured(db)), options),
      },
      handlers: hooks.handlers,
      retry: { retries: 0, delays: [0] },
    })
    onTestFinished(() => worker.stop())
    await there.tenancy.withTenant(acme, (db) => there.events.publish(db, 'a', 'short'))
    await worker.drain()
    expect(receiver.received).toHaveLength(1)
    const sent = await there.tenancy.query<{ id: string }>(acme, 'select id from webhook_delivery')
    for (const sql of [
      'create type odd as (text text)',
      `create function long() returns text language sql immutable as $$ select repeat('x', 5000000) $$`,
      `create function said(odd) returns text language sql as $$ select '1' $$`,
      'create cast (odd as text) with function said(odd)',
      'create function left(odd, integer) returns text language sql as $$ select long() $$',
      'create function longer(odd, text) returns text language sql as $$ select long() $$',
      'create operator = (leftarg = odd, rightarg = text, function = longer)',
      'alter table webhook_endpoint rename to endpoint',
      'alter table webhook_message rename to message',
      `create view webhook_endpoint as select id, row('')::odd as url, row('')::odd as status, row('')::odd as secret, null::timestamptz as previous_until,
        null::odd as previous_secret from endpoint`,
      `create view webhook_message as select id, row('')::odd as type, row(long())::odd as payload, created_at from message`,
      `update webhook_delivery set status = 'pending'`,
    ])
      await there.tenancy.query(acme, sql)
    await there.tenancy.withTenant(acme, (db) =>
      there.events.publish(db, 'webhook.delivery', { delivery: sent.rows[0]?.id }),
    )
    await worker.drain()
    expect(lengths.length).toBeGreaterThan(1)
    for (const sql of [
      'drop view webhook_endpoint, webhook_message',
      'alter table endpoint rename to webhook_endpoint',
      'alter table message rename to webhook_message',
      `update webhook_endpoint set url = 'http://127.0.0.2:1'`,
      `create function say_more() returns trigger language plpgsql as $$ begin
        new.status := 'suspended'; new.suspended_reason := long(); return new; end $$`,
      'create trigger say_more before update on webhook_endpoint for each row execute function say_more()',
    ])
      await there.tenancy.query(acme, sql)
    await there.tenancy.withTenant(acme, (db) => there.events.publish(db, 'a', 'refused'))
    await worker.drain()
    const { rows } = await there.tenancy.query(acme, 'select status from webhook_endpoint')
    expect(rows).toEqual([{ status: 'suspended' }])
    await there.tenancy.query(acme, 'drop function say_more() cascade')
    await there.tenancy.query(acme, 'drop type odd cascade')
    await there.tenancy.query(acme, 'delete from webhook_endpoint')
    expect(Math.max(...lengths)).toBeLessThan(10_000)
  })

  it('Retry-After is honoured, up to a day', async () => {
    const receiver = await startReceiver()
    const hooks = webhooks({
      outbox: there.events,
      sealing,
      allow: { http: true, ports: [receiver.port], addresses: ['127.0.0.1'] },
    })
    await there.tenancy.query(acme, 'delete from webhook_endpoint')
    await there.tenancy.withTenant(acme, (db) =>
      hooks.endpoints.create(db, { url: receiver.url, events: ['*'] }),
    )
    const worker = createWorker<EventMap, TenantDb>({
      control: there.control,
      tenants: there.tenancy,
      handlers: hooks.handlers,
    })
    for (const [header, least, most] of [
      ['3600', 3_590, 3_600],
      ['99999999', 86_390, 86_400],
      ['nonsense', 50, 70],
      ['-5', 50, 70],
    ] as const) {
      receiver.answers.push((_, res) => res.writeHead(503, { 'retry-after': header }).end())
      await there.control.query(`select governance.outbox_forget('acme')`)
      await there.tenancy.withTenant(acme, (db) => there.events.publish(db, 'a', header))
      await worker.drain()
      const { rows } = await there.control.query<{ wait: number }>(
        `select extract(epoch from available_at - now())::float8 as wait from governance.outbox where attempts = 1`,
      )
      expect(rows).toHaveLength(1)
      expect(rows[0]?.wait).toBeGreaterThan(least)
      expect(rows[0]?.wait).toBeLessThanOrEqual(most)
    }
    await worker.stop()
  })

  it('a slow endpoint holds a few places, whoever else is told at once', { tags: 'slow' }, async () => {
    const [slow, quick] = [await startReceiver(), await startReceiver()]
    const waiting: (() => void)[] = []
    const stall: Receiver['answers'][number] = (_, res) => void waiting.push(() => res.writeHead(204).end())
    slow.answers.push(...Array.from({ length: 100 }, () => stall))
    const hooks = webhooks({
      outbox: there.events,
      sealing,
      perEndpoint: 2,
      allow: { http: true, ports: [slow.port, quick.port], addresses: ['127.0.0.1'] },
    })
    for (const tenant of [acme, globex]) {
      await there.tenancy.query(tenant, 'delete from webhook_endpoint')
      await there.control.query('select governance.outbox_forget($1)', [tenant])
    }
    const create = (tenant: typeof acme, { url }: Receiver) =>
      there.tenancy.withTenant(tenant, (db) => hooks.endpoints.create(db, { url, events: ['*'] }))
    const { endpoint } = await create(acme, slow)
    await create(globex, quick)
    const forged: string[] = []
    const deliver = hooks.handlers['webhook.delivery']
    const worker = createWorker<EventMap, TenantDb>({
      control: there.control,
      tenants: there.tenancy,
      handlers: {
        ...hooks.handlers,
        'webhook.delivery': async (event, context) => {
          const { endpoint: named } = event.payload as { endpoint?: string }
          const isForged = event.tenant === globex && named === endpoint.id
          let became = 'put off'
          try {
            await deliver?.(event, context)
            became = 'looked at'
          } finally {
            if (isForged) forged.push(became)
          }
        },
      },
      concurrency: 6,
      pollInterval: 20,
    })
    worker.start()
    const many = Array.from({ length: 50 }, (_, n) => ({ type: 'a', payload: n }))
    await there.tenancy.withTenant(acme, (db) => there.events.publishAll(db, many.slice(0, 2)))
    await eventually(() => waiting.length === 2)
    // Who says to be of another's endpoint does not stand in its line.
    await there.tenancy.withTenant(globex, (db) =>
      there.events.publish(db, 'webhook.delivery', { delivery: endpoint.id, endpoint: endpoint.id }),
    )
    await eventually(() => forged.length > 0)
    expect(forged).toEqual(['looked at'])
    await there.tenancy.withTenant(acme, (db) => there.events.publishAll(db, many))
    await there.tenancy.withTenant(globex, (db) => there.events.publishAll(db, many))
    await eventually(() => quick.received.length === 50)
    expect(waiting.length).toBeLessThan(6)
    for (const finish of waiting) finish()
    await worker.stop(100)
  })

  it('of two that are created at once the one too many is refused', async () => {
    const hooks = webhooks({ outbox: there.events, sealing, maxEndpoints: 2 })
    const input = { url: 'https://example.com/hook', events: ['*'] }
    const create = () => there.tenancy.withTenant(acme, (db) => hooks.endpoints.create(db, input))
    const isWaiting = async () => {
      const { rowCount } = await there.setting.world.root.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rowCount === 1
    }
    await there.tenancy.query(acme, 'delete from webhook_endpoint')
    await create()
    const [made, others] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const first = there.tenancy.withTenant(acme, async (db) => {
      await hooks.endpoints.create(db, input)
      made.resolve()
      await others.promise
    })
    await made.promise
    const over: unknown[] = []
    void create()
      .catch((error: unknown) => error)
      .then((one) => over.push(one))
    await eventually(async () => over.length > 0 || (await isWaiting())).finally(others.resolve)
    await first
    await eventually(() => over.length > 0)
    expect(over).toEqual([expect.objectContaining({ details: { reason: 'too_many_endpoints', limit: 2 } })])
  })

  it('refuses what cannot be an endpoint', async () => {
    const hooks = webhooks({ outbox: there.events, sealing, maxEndpoints: 1 })
    const url = 'https://example.com/hook'
    const refused: [object, string][] = [
      [{ url: 'http://example.com', events: ['*'] }, 'url'],
      [{ url: 'https://example.com:8443', events: ['*'] }, 'url'],
      [{ url: 'https://user:pw@example.com', events: ['*'] }, 'url'],
      [{ url: 'https://example.com/#x', events: ['*'] }, 'url'],
      [{ url: 'https://localhost/', events: ['*'] }, 'url'],
      [{ url: 'https://169.254.169.254/latest', events: ['*'] }, 'url'],
      [{ url: 'https://2130706433/', events: ['*'] }, 'url'],
      [{ url: 'https://[::ffff:10.0.0.1]/', events: ['*'] }, 'url'],
      [{ url: 'https://db.internal/', events: ['*'] }, 'url'],
      [{ url: 'ftp://example.com/', events: ['*'] }, 'url'],
      [{ url: 'nonsense', events: ['*'] }, 'url'],
      [{ url: `https://example.com/${'x'.repeat(2_000)}`, events: ['*'] }, 'url'],
      [{ url: `https://example.com/${'é'.repeat(1_900)}`, events: ['*'] }, 'url'],
      [{ url, events: [] }, 'events'],
      [{ url, events: ['Not A Type'] }, 'events'],
      [{ url, events: 'a' }, 'events'],
      [{ url, events: ['*'], description: 'x'.repeat(501) }, 'description'],
    ]
    await there.tenancy.query(acme, 'delete from webhook_endpoint')
    await there.tenancy.withTenant(acme, async (db) => {
      for (const [input, field] of refused) {
        const created = hooks.endpoints.create(db, input as { url: string; events: string[] })
        await expect(created).rejects.toMatchObject({ code: 'VALIDATION_ERROR', details: { field } })
      }
      const { endpoint } = await hooks.endpoints.create(db, { url, events: ['*', '*'] })
      expect(endpoint.events).toEqual(['*'])
      await expect(hooks.endpoints.create(db, { url, events: ['*'] })).rejects.toMatchObject({
        code: 'CONFLICT',
      })
      await expect(hooks.endpoints.get(db, 'x')).rejects.toMatchObject({ code: 'VALIDATION_ERROR' })
      await expect(hooks.endpoints.get(db, crypto.randomUUID())).rejects.toMatchObject({ code: 'NOT_FOUND' })
      for (const cursor of ['x', `2026-02-30T10:00:00.000000Z_${endpoint.id}`])
        await expect(hooks.deliveries.list(db, { cursor })).rejects.toMatchObject({
          details: { field: 'cursor' },
        })
      await expect(hooks.deliveries.list(db, { limit: 0 })).rejects.toMatchObject({
        details: { field: 'limit' },
      })
      await expect(hooks.endpoints.rotateSecret(db, endpoint.id, -1)).rejects.toMatchObject({
        details: { field: 'overlap' },
      })
      const updated = await hooks.endpoints.update(db, endpoint.id, { description: 'ours' })
      expect(updated).toMatchObject({ url, description: 'ours' })
      await hooks.endpoints.remove(db, endpoint.id)
      expect(await hooks.endpoints.list(db)).toEqual([])
    })
  })
})
