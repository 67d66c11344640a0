// @module-tag sampled
import { randomUUID } from 'node:crypto'
import type { Migration, TenantKey } from '@org/core'
import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import { createWorker } from '../../src/outbox/worker/index.ts'
import { installPrivacy, type PersonalEvents, personalData, privacy } from '../../src/privacy/index.ts'
import { WEBHOOKS_MIGRATION, WEBHOOKS_ROW_MIGRATION, webhooks } from '../../src/webhooks/index.ts'
import { levelsInTurn } from '../support/levels.ts'
import { acme, globex, type OutboxWorld, useOutbox } from '../support/outbox-world.ts'
import { codeOf, eventually, testSealing } from '../support/world.ts'

const EVENTS: PersonalEvents = {
  'user.created': {
    subject: ['/id', '/invited/by'],
    paths: { '/email': 'email', '/profile/name': 'text', '/age': 'null' },
  },
  'team.changed': {
    subject: '/members/*/id',
    paths: { '/members/*/email': 'email', '/members/*/a~1b': { value: 0 } },
  },
  'note.created': 'keep',
}
const data = personalData({}, { events: EVENTS })
/** One that JavaScript cannot hold. */
const EXACT = '12345678901234567890.000000000000000001'

describe.each(levelsInTurn('role'))('level %s', (level) => {
  const migrations: Migration[] = [level === 'row' ? WEBHOOKS_ROW_MIGRATION : WEBHOOKS_MIGRATION]
  const world = useOutbox(level, {}, migrations)
  const people = (patience = 5_000) =>
    privacy({
      data,
      scopes: world.tenancy,
      control: world.setting.world.admin,
      outbox: world.events,
      patience,
    })
  const created = (id: unknown, canary: string) => ({
    id,
    email: `${canary}@example.com`,
    profile: { name: canary },
    age: canary,
    exact: 1,
  })

  /** Events about somebody wherever events can be. */
  async function everywhere(tenant: TenantKey, id: string, canary: string): Promise<void> {
    const { root } = world.setting.world
    const other = { id: randomUUID(), email: `other-${canary}@example.com`, 'a/b': 5 }
    await world.tenancy.withTenant(tenant, async (db) => {
      const members = [other, { id, email: `${canary}@example.com`, 'a/b': canary }]
      await world.events.publish(db, 'user.created', created(id, canary))
      await world.events.publish(db, 'team.changed', { members })
      await world.events.publish(db, 'user.created', created(id, canary), { delay: 3_600_000 })
      await db.query(`insert into webhook_message (id, type, payload) values ($1, 'team.changed', $2)`, [
        randomUUID(),
        { members },
      ])
    })
    const payload = JSON.stringify(created(id, canary)).replace('"exact":1', `"exact":${EXACT}`)
    await root.query('insert into governance.outbox_hold (tenant) values ($1) on conflict do nothing', [
      tenant,
    ])
    await root.query(
      `insert into governance.outbox_waiting (id, tenant, type, payload, attempts, published_at)
        values ($1, $2, 'user.created', $3, 0, now())`,
      [randomUUID(), tenant, payload],
    )
    await root.query(
      `insert into governance.outbox_dead (id, tenant, type, payload, attempts, reason, published_at)
        values ($1, $2, 'user.created', $3, 5, 'X', now())`,
      [randomUUID(), tenant, payload],
    )
  }

  it('somebody is found in no event afterwards, and others as they were', async () => {
    // However deep what a tenant's SQL has published is: as deep as the server takes it.
    for (const depth of [15_000, 12_000, 9_000, 6_000]) {
      const deep = `insert into ${level === 'database' ? 'outbox' : 'governance.outbox'} (tenant, type, payload)
        values ('acme', 'user.created', (repeat('[', ${depth}) || repeat(']', ${depth}))::jsonb)`
      const published = await world.tenancy
        .withTenant(acme, (db) => db.query(deep))
        .then(
          () => true,
          () => false,
        )
      if (published) break
    }
    await installPrivacy(world.setting.world.admin)
    const [id, canary] = [randomUUID(), `canary-${randomUUID()}`]
    await everywhere(acme, id, canary)
    await everywhere(globex, id, `theirs-${canary}`)
    const told = await people().export(acme, id)
    expect(Object.keys(told).sort()).toEqual(['outbox', 'outbox_dead', 'outbox_waiting', 'webhook_message'])
    expect(told.webhook_message).toMatchObject([
      {
        type: 'team.changed',
        personal: { '/members/1/email': `${canary}@example.com`, '/members/1/a~1b': canary },
      },
    ])
    const counts = { outbox: 3, outbox_waiting: 1, outbox_dead: 1, webhook_message: 1 }
    expect(await people().erase(acme, id, { dryRun: true })).toEqual({ rows: counts, inHand: 0 })
    expect(await people().erase(acme, id)).toEqual({ rows: counts, inHand: 0 })
    const after = (await Promise.all((await homes(world, level)).map((root) => allText(root)))).join('\n')
    expect(after).not.toContain(` ${canary}`)
    expect(after).not.toContain(`"${canary}`)
    expect(after, 'another of the same event').toContain(`other-${canary}@example.com`)
    expect(after, 'another tenant’s').toContain(`theirs-${canary}@example.com`)
    expect(after, 'the rest of it, to the digit').toContain(EXACT)
    expect(await people().erase(acme, id)).toMatchObject({ rows: {}, inHand: 0 })
    expect(await people().ledger(acme)).toContainEqual(expect.objectContaining({ subject: id, done: true }))
  })
})

describe('while a worker is at it', () => {
  const world = useOutbox('role', {}, [WEBHOOKS_MIGRATION])
  const people = (patience: number) =>
    privacy({
      data,
      scopes: world.tenancy,
      control: world.setting.world.admin,
      outbox: world.events,
      patience,
    })

  it('what a handler had read is erased behind it; until then the erasure is not done', async () => {
    await installPrivacy(world.setting.world.admin)
    const hooks = webhooks({ outbox: world.events, sealing: testSealing() })
    await world.tenancy.withTenant(acme, (db) =>
      hooks.endpoints.create(db, { url: 'https://example.com', events: ['*'] }),
    )
    let begun = Promise.withResolvers<void>()
    let goOn = Promise.withResolvers<void>()
    const worker = createWorker({
      control: world.control,
      tenants: world.tenancy,
      handlers: {
        'user.created': async (event, context) => {
          begun.resolve()
          await goOn.promise
          await hooks.fanOut(event, context)
        },
        'webhook.delivery': async () => {},
      },
    })
    worker.start()
    const [id, canary] = [randomUUID(), `canary-${randomUUID()}`]
    const publish = () =>
      world.tenancy.withTenant(acme, (db) =>
        world.events.publish(db, 'user.created', { id, email: `${canary}@x.test` }),
      )
    try {
      await publish()
      worker.wake()
      await begun.promise
      expect(await people(0).erase(acme, id)).toEqual({ rows: { outbox: 1 }, inHand: 1 })
      expect(await people(0).ledger(acme)).toMatchObject([{ done: false }])
      goOn.resolve()
      await eventually(async () => (await messages(world)) === 1)
      expect(await allText(world.setting.world.root)).toContain(canary)
      expect(await people(0).finish()).toBe(1)
      expect(await people(0).finish()).toBe(0)
      expect(await allText(world.setting.world.root)).not.toContain(canary)

      // With patience the first call is enough.
      begun = Promise.withResolvers()
      goOn = Promise.withResolvers()
      await publish()
      worker.wake()
      await begun.promise
      const erased = people(60_000).erase(acme, id)
      await eventually(async () => !(await allText(world.setting.world.root, ['outbox'])).includes(canary))
      goOn.resolve()
      expect(await erased).toMatchObject({ rows: { outbox: 1, webhook_message: 1 }, inHand: 0 })
      expect(await allText(world.setting.world.root)).not.toContain(canary)
    } finally {
      goOn.resolve()
      await worker.stop()
    }
  })

  it('a worker that stood still until the person was erased brings nothing back', async () => {
    await installPrivacy(world.setting.world.admin)
    const hooks = webhooks({ outbox: world.events, sealing: testSealing() })
    const [begun, woken, ended] = [1, 2, 3].map(() => Promise.withResolvers<unknown>())
    let still = false
    const shared = { tenants: world.tenancy, pollInterval: 20 }
    const stopped = createWorker({
      ...shared,
      lease: 1_000,
      control: {
        query: async (text, values) => {
          if (still) await woken?.promise
          return world.control.query(text, values as unknown[])
        },
      },
      handlers: {
        'user.created': async (event, context) => {
          still = true
          begun?.resolve(undefined)
          await woken?.promise
          const written = hooks.fanOut({ ...event, id: randomUUID() }, context)
          await written.then(ended?.resolve, ended?.resolve)
        },
      },
    })
    const other = createWorker({ ...shared, control: world.control, handlers: { '*': async () => {} } })
    const [id, canary] = [randomUUID(), `canary-${randomUUID()}`]
    await world.tenancy.withTenant(acme, (db) =>
      world.events.publish(db, 'user.created', { id, email: `${canary}@x.test` }),
    )
    stopped.start()
    await begun?.promise
    try {
      await eventually(async () => (await other.drain()).done > 0)
      expect(await people(60_000).erase(acme, id)).toMatchObject({ inHand: 0 })
      still = false
      woken?.resolve(undefined)
      expect(await ended?.promise).toMatchObject({ code: 'CONFLICT', details: { reason: 'lease_lost' } })
      expect(await allText(world.setting.world.root)).not.toContain(canary)
    } finally {
      woken?.resolve(undefined)
      await stopped.stop()
    }
  })

  it('a copy that was made since it was read is changed as well', async () => {
    const { root } = world.setting.world
    const [event, canary] = [randomUUID(), `canary-${randomUUID()}`]
    const since = (await root.query('select pg_snapshot_xmin(pg_current_snapshot())::text as since')).rows[0]
      .since
    const copies = `insert into governance.outbox (id, tenant, type, payload) values ($1, 'globex', 'user.created', $2)`
    await root.query(copies, [event, { email: canary }])
    await root.query(copies, [randomUUID(), { email: 'kept' }])
    const changed = [{ id: event, xid: null, seq: null, changes: [{ at: ['email'], to: 'erased' }] }]
    await root.query('select governance.outbox_redact($1, $2::text::xid8, $3, $4::jsonb)', [
      ...['globex', since, [event], JSON.stringify(changed)],
    ])
    const { rows } = await root.query(
      `select payload->>'email' as email from governance.outbox where tenant = 'globex'`,
    )
    expect(rows.map(({ email }) => email).sort()).toEqual(['erased', 'kept'])
  })
})

describe('rules that cannot be', () => {
  it.each([
    ['subject', { subject: [], paths: {} }],
    ['subject', { subject: 'id', paths: {} }],
    ['paths', { subject: '/id' }],
    ['paths', { subject: '/id', paths: { email: 'email' } }],
    ['paths./email', { subject: '/id', paths: { '/email': 'keep' } }],
    ['subject', null],
  ])('%s', async (field, rules) => {
    const made = () => personalData({}, { events: { 'user.created': rules as never } })
    expect(made).toThrow(`events.user.created.${field}`)
  })

  it('rules for events need the outbox', async () => {
    const scopes = { withTenant: async () => Promise.reject(new Error()) }
    const made = async () =>
      privacy({ data, scopes, control: { query: async () => Promise.reject(new Error()) } })
    expect(await codeOf(made())).toBe('INVALID_OPTION')
  })
})

async function homes(world: OutboxWorld, level: string): Promise<pg.Pool[]> {
  const { world: own } = world.setting
  if (level !== 'database') return [own.root]
  const databases = [acme, globex].map((tenant) => {
    const url = new URL(own.url)
    url.pathname = `/${world.setting.roleOf(level, tenant)}`
    return own.pool({ connectionString: url.href, max: 1 })
  })
  return [own.root, ...databases]
}

async function messages({ tenancy }: OutboxWorld): Promise<number> {
  return (await tenancy.query(acme, 'select from webhook_message')).rows.length
}

/** Every row of every table of a database, but PostgreSQL's own. */
async function allText(root: pg.Pool, only?: readonly string[]): Promise<string> {
  const { rows } = await root.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c where c.relkind in ('r', 'p') and not c.relispartition
      and c.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      and ($1::text[] is null or c.relname = any ($1))`,
    [only ?? null],
  )
  const texts = await Promise.all(
    rows.map(
      async ({ name }) =>
        (
          await root.query<{ all: string | null }>(
            `select string_agg(t::text, chr(10)) as all from ${name} t`,
          )
        ).rows[0]?.all ?? '',
    ),
  )
  return texts.join('\n').replaceAll('""', '"').replaceAll('\\"', '"')
}
