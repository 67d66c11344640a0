import { randomBytes } from 'node:crypto'
import { startWireProxy } from '@org/pg-testing'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { type AuditEntry, auditLog, installAudit } from '../../src/audit/index.ts'
import { openPersonal } from '../../src/audit/personal.ts'
import { acme, codeOf, eventually, globex, pass, useLevel } from '../support/levels.ts'

const world = useLevel('role', installAudit)
const keys = { k1: randomBytes(32) }
const audit = auditLog({ keys, fields: { user: { sensitive: ['salary'], personal: ['email'] } } })
const actor = { type: 'user', id: 'u1' } as const
const entry = (action: string, more: Partial<AuditEntry> = {}): AuditEntry => ({ actor, action, ...more })
const control = () => world.reader(acme)
const seal = (options?: { batch: number }) =>
  pass(world.admin(acme), '', () => audit.seal(world.admin(acme), options))
const record = (...entries: AuditEntry[]) =>
  world.tenancy.withTenant(acme, async (db) => {
    for (const one of entries) await audit.record(db, one)
  })
const emptied = () =>
  world.root(acme).query(`truncate governance.audit_log, governance.audit_seal, governance.audit_horizon;
    update governance.audit_sealer set xid = '0', id = '00000000-0000-0000-0000-000000000000'`)

describe('what is written', () => {
  it('costs no round trip of its own', async () => {
    const proxy = await startWireProxy({ target: world.setting.directUrl })
    const pool = new pg.Pool({ connectionString: proxy.url, max: 1 })
    const tenancy = world.setting.tenancy('role', { pool, adminPool: world.setting.world.admin })
    const work = (record: boolean) =>
      tenancy.withTenant(acme, async (db) => {
        await db.query('select 1')
        if (record) await audit.record(db, entry('x'))
      })
    await work(true)
    const trips = []
    for (const recording of [false, true]) {
      proxy.reset()
      await work(recording)
      trips.push(proxy.roundTrips())
    }
    expect(trips).toEqual([2, 2])
    await pool.end()
    await proxy.close()
  })

  it('is what changed, without what is sensitive or is called a secret', async () => {
    await emptied()
    await record(
      entry('user.update', {
        entity: { type: 'user', id: '7' },
        before: { name: 'a', salary: 1, password: 'p', same: [1, { b: 1 }], gone: true, __proto__x: 1 },
        after: {
          name: 'b',
          salary: 2,
          password: 'q',
          same: [1, { b: 1 }],
          token: 't',
          nested: { apiKey: 'k', n: 1 },
        },
        metadata: { note: 'n', deep: { authorization: 'Bearer x' } },
        requestId: 'r-1',
      }),
    )
    const { data } = await audit.list(control(), acme)
    expect(data).toMatchObject([
      {
        actor,
        action: 'user.update',
        entity: { type: 'user', id: '7' },
        requestId: 'r-1',
        changes: {
          name: { from: 'a', to: 'b' },
          salary: { changed: true },
          password: { changed: true },
          token: { changed: true },
          gone: { from: true },
          nested: { to: { apiKey: '[left out]', n: 1 } },
        },
        metadata: { note: 'n', deep: { authorization: '[left out]' } },
      },
    ])
    expect(data[0]?.changes).not.toHaveProperty('same')
    const { rows } = await world.root(acme).query('select l::text as row from governance.audit_log l')
    expect(JSON.stringify(rows)).not.toMatch(/Bearer|"p"|"q"|"t"|"k"/)
  })

  it('keeps nothing personal without keys of the subjects', async () => {
    await emptied()
    const email = { before: { email: 'old@x' }, after: { email: 'new@x' } }
    await record(
      entry('x', { entity: { type: 'user', id: '1' }, ...email, ip: '192.0.2.7', userAgent: 'Browser' }),
    )
    const { rows } = await world.root(acme).query('select l::text as row from governance.audit_log l')
    expect(JSON.stringify(rows)).not.toMatch(/192\.0|Browser|@x/)
  })

  it('many at once, in one statement, all of them', async () => {
    await emptied()
    const many = Array.from({ length: 250 }, (_, n) => entry(`bulk.${n}`, { metadata: { n } }))
    await world.tenancy.withTenant(acme, (db) => audit.recordAll(db, many))
    await seal({ batch: 100 })
    expect(await audit.verify(control(), acme)).toMatchObject({ ok: true, entries: 250, seals: 3 })
  })

  it.each([
    ['entry', null],
    ['actor.type', { action: 'x' }],
    ['actor.type', { action: 'x', actor: { type: 'root', id: '1' } }],
    ['actor.id', { action: 'x', actor: { type: 'user' } }],
    ['actor.id', { action: 'x', actor: { type: 'user', id: '' } }],
    ['action', { actor }],
    ['action', { actor, action: 'a\0' }],
    ['action', { actor, action: 'a'.repeat(201) }],
    ['entity.id', { actor, action: 'x', entity: { type: 't' } }],
    ['before', { actor, action: 'x', before: 5 }],
    ['after', { actor, action: 'x', after: { n: 1n } }],
    ['after', { actor, action: 'x', after: { text: '\ud800' } }],
    ['after', { actor, action: 'x', after: { text: 'x'.repeat(300_000) } }],
    ['after', { actor, action: 'x', after: { n: Array(30_000).fill(1e308) } }],
    ['metadata', { actor, action: 'x', metadata: [] }],
    ['metadata', { actor, action: 'x', metadata: { text: 'x'.repeat(20_000) } }],
    ['ip', { actor, action: 'x', ip: 'x'.repeat(100) }],
    ['actorr', { actor, action: 'x', actorr: 1 }],
  ])('%s: bad input is refused before anything is sent', async (field, bad) => {
    await expect(record(bad as unknown as AuditEntry)).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      details: { field },
    })
  })

  it('circular and deep values are refused', async () => {
    const circular: Record<string, unknown> = {}
    circular.self = circular
    let deep: unknown = 1
    for (let n = 0; n < 100; n++) deep = [deep]
    for (const metadata of [circular, { deep }])
      expect(await codeOf(record(entry('x', { metadata })))).toBe('VALIDATION_ERROR')
  })
})

describe('what is read', () => {
  it('goes page by page, newest first, whatever comes in between', async () => {
    await emptied()
    for (let n = 0; n < 7; n++) await record(entry(`a${n}`))
    const first = await audit.list(control(), acme, { limit: 3 })
    await record(entry('late'))
    const second = await audit.list(control(), acme, { limit: 3, cursor: String(first.meta.nextCursor) })
    const third = await audit.list(control(), acme, { limit: 3, cursor: String(second.meta.nextCursor) })
    const all = [first, second, third].map(({ data }) => data.map(({ action }) => action))
    expect(all).toEqual([['a6', 'a5', 'a4'], ['a3', 'a2', 'a1'], ['a0']])
    expect([first.meta.hasMore, third.meta]).toEqual([true, { hasMore: false, nextCursor: null }])
  })

  it('filters by everything at once', async () => {
    await emptied()
    await record(
      entry('a', { requestId: 'r1' }),
      entry('b', { actor: { type: 'service', id: 'k' }, entity: { type: 'note', id: '1' } }),
      entry('a', { actor: { type: 'system' } }),
    )
    const found = async (filter: object) =>
      (await audit.list(control(), acme, filter)).data.map(
        ({ action, actor: who }) => `${action} ${who.type}`,
      )
    expect(await found({ action: 'a' })).toEqual(['a system', 'a user'])
    expect(await found({ actor: 'k', actorType: 'service' })).toEqual(['b service'])
    expect(await found({ entityType: 'note', entityId: '1' })).toEqual(['b service'])
    expect(await found({ requestId: 'r1', createdAtFrom: new Date(0) })).toEqual(['a user'])
    expect(await found({ createdAtTo: '2001-01-01' })).toEqual([])
    expect((await audit.list(control(), globex)).data).toEqual([])
  })

  it.each([
    ['limit', { limit: 0 }],
    ['limit', { limit: 1.5 }],
    ['cursor', { cursor: 'x' }],
    ...['2026-99-01', '2026-02-30'].map((day): [string, object] => {
      const cursor = Buffer.from(`${day}T00:00:00.000000Z00000000-0000-0000-0000-000000000000`)
      return ['cursor', { cursor: cursor.toString('base64url') }]
    }),
    ['createdAtFrom', { createdAtFrom: 'yesterday' }],
    ['createdAtFrom', { createdAtFrom: '2026-02-30T10:00:00Z' }],
    ['createdAtTo', { createdAtTo: new Date(Number.NaN) }],
    ['actor', { actor: 'a\0' }],
  ])('%s: a bad filter is refused', async (field, filter) => {
    await expect(audit.list(control(), acme, filter)).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      details: { field },
    })
  })
})

describe('what was put there by hand', () => {
  it('is handed out a few at a time where it is large', { tags: 'slow' }, async () => {
    await emptied()
    await world.tenancy.query(
      acme,
      `insert into governance.audit_log (id, tenant, actor_type, action, mac, metadata)
        select gen_random_uuid(), 'acme', 'user', 'by hand', '', jsonb_build_object('x', repeat('x', 2000000)) from generate_series(1, 20)`,
    )
    let position: string | undefined
    const sizes: number[] = []
    await eventually(async () => {
      const { entries, position: next } = await audit.follow(world.admin(acme), { after: position })
      position = next
      if (entries.length > 0) sizes.push(entries.length)
      return sizes.reduce((sum, size) => sum + size, 0) === 20
    })
    expect(sizes).toEqual([17, 3])
    await emptied()
  })

  it('is nobody’s of whom anybody is asked', async () => {
    const sealing = { seal: async () => '', open: () => Promise.reject(new Error('asked')) }
    const forged = `${Buffer.from('user:\0').toString('base64url')}.x`
    expect(await openPersonal(sealing, acme, forged)).toBeUndefined()
  })
})

describe('sealing', () => {
  it('passes over no entry that commits late, and hands none out before', async () => {
    await emptied()
    const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const late = world.tenancy.withTenant(acme, async (db) => {
      await audit.record(db, entry('late'))
      await db.query('select 1')
      begun.resolve()
      await go.promise
    })
    await begun.promise
    await record(entry('early'))
    const before = await audit.follow(control())
    await audit.seal(world.admin(acme)).finally(go.resolve)
    await late
    expect(before.entries).toEqual([])
    await seal()
    const after = await audit.follow(control(), { after: before.position })
    expect(after.entries.map(({ action, tenant }) => [action, tenant])).toEqual([
      ['late', acme],
      ['early', acme],
    ])
    await seal()
    expect(await audit.verify(control(), acme)).toMatchObject({ ok: true, entries: 2, unsealed: 0 })
  })

  it('many at once write one chain; a sealer that dies anywhere leaves nothing half-sealed', async () => {
    await emptied()
    for (let n = 0; n < 40; n++) await record(entry(`n${n}`))
    const admin = world.admin(acme)
    let calls = 0
    const dying = {
      query: <R extends object>(text: string, values?: readonly unknown[]) => {
        if (++calls % 5 === 0) throw new Error('killed')
        return admin.query<R>(text, values as unknown[])
      },
    }
    const sealing = Array.from({ length: 6 }, (_, n) =>
      audit.seal(n % 2 ? dying : admin, { batch: 7 }).catch(() => undefined),
    )
    await Promise.all(sealing)
    await seal()
    expect(await audit.verify(control(), acme)).toMatchObject({ ok: true, entries: 40, unsealed: 0 })
  })

  it('an end that was cut off shows against a head kept elsewhere, and only there', async () => {
    await emptied()
    await record(entry('one'))
    await seal()
    await record(entry('two'))
    await seal()
    const { head } = await audit.verify(control(), acme)
    await world.root(acme).query(`delete from governance.audit_log where action = 'two';
      delete from governance.audit_seal where number = 2`)
    const expected = head ?? undefined
    expect((await audit.verify(control(), acme)).ok).toBe(true)
    expect((await audit.verify(control(), acme, { expected })).faults).toMatchObject([
      { kind: 'head_missing', seal: 2 },
    ])
  })

  it('a seal taken from the middle is missed', async () => {
    await emptied()
    for (const action of ['one', 'two', 'three']) {
      await record(entry(action))
      await seal()
    }
    await world.root(acme).query(`delete from governance.audit_log where action = 'two';
      delete from governance.audit_seal where number = 2`)
    expect((await audit.verify(control(), acme)).faults).toMatchObject([{ kind: 'seal_missing', seal: 2 }])
  })

  it('what retention removed is not missed; a horizon that somebody else wrote does not count', async () => {
    await emptied()
    await record(entry('old'))
    await seal()
    await record(entry('new'))
    const cut = new Date(Date.now() + 60_000)
    const root = world.root(acme)
    await root.query(`delete from governance.audit_log where action = 'old'`)
    await root.query(`insert into governance.audit_horizon (before, mac) values ($1, 'k1:AAAA')`, [
      new Date(Date.now() + 90_000),
    ])
    expect((await audit.verify(control(), acme)).faults).toMatchObject([{ kind: 'entry_missing' }])
    await audit.removed(world.admin(acme), cut, { except: ['acme'] })
    expect((await audit.verify(control(), acme)).faults).toMatchObject([{ kind: 'entry_missing' }])
    await audit.removed(world.admin(acme), cut)
    expect(await audit.verify(control(), acme)).toMatchObject({
      ok: true,
      removed: 1,
      entries: 0,
      unsealed: 1,
    })
  })

  it('keys change: old entries are known by the old one, new ones are signed with the new', async () => {
    await emptied()
    await record(entry('old'))
    const next = auditLog({ keys: { k2: randomBytes(32), ...keys } })
    await world.tenancy.withTenant(acme, (db) => next.record(db, entry('new')))
    expect((await next.verify(control(), acme)).ok).toBe(true)
    expect((await audit.verify(control(), acme)).faults).toMatchObject([{ kind: 'entry_forged' }])
  })

  it('forgets a tenant, and only that one', async () => {
    await emptied()
    await record(entry('mine'))
    await world.tenancy.withTenant(globex, (db) => audit.record(db, entry('theirs')))
    await seal()
    await audit.forget(world.admin(acme), 'acme')
    const { rows } = await world
      .root(acme)
      .query('select tenant from governance.audit_log union all select tenant from governance.audit_seal')
    expect(rows).toEqual([{ tenant: 'globex' }, { tenant: 'globex' }])
  })
})

describe('options', () => {
  it('are refused by name', async () => {
    const code = (make: () => unknown) => codeOf(Promise.resolve().then(make))
    expect(await code(() => auditLog({ keys: {} }))).toBe('INVALID_OPTION')
    expect(await code(() => auditLog({ keys: { k: 'short' } }))).toBe('KEY_INVALID')
    expect(await code(() => auditLog({ keys, controlSchema: 'pg_x' }))).toBe('INVALID_OPTION')
    const admin = world.admin(acme)
    expect(await codeOf(installAudit(admin, { isolation: 'row' }))).toBe('INVALID_OPTION')
    const shared = { isolation: 'row', application: 'app', readers: ['app'] } as const
    expect(await codeOf(installAudit(admin, shared))).toBe('INVALID_OPTION')
    expect(await codeOf(audit.seal(admin, { batch: 0 }))).toBe('INVALID_OPTION')
    expect(await codeOf(audit.follow(admin, { after: 'x' }))).toBe('VALIDATION_ERROR')
  })

  it('installing again, by several at once, changes nothing, and waits for no lock that a tenant can take', async () => {
    await record(entry('kept'))
    const admin = world.admin(acme)
    await world.tenancy.withTenant(acme, async (db) => {
      // Who has the table open is not waited for: everybody else would wait behind that.
      await audit.record(db, entry('still open'))
      await db.query(
        `select pg_advisory_xact_lock(hashtextextended(name, 0))
          from unnest(array['governance.control:governance', 'governance.partitions:governance.audit_log']) name`,
      )
      await Promise.all([1, 2, 3].map(() => installAudit(admin, world.options)))
    })
    expect((await audit.list(control(), acme)).data.length).toBeGreaterThan(0)
  })

  it('says so when the tables are not there', async () => {
    const elsewhere = auditLog({ keys, controlSchema: 'nowhere' })
    expect(await codeOf(elsewhere.list(control(), acme))).toBe('DATABASE_ERROR')
  })
})

describe('operators', () => {
  const asOperator = (tenant: typeof acme) => ({
    tenant,
    query: async <R extends object>(text: string, values: readonly unknown[] = []) =>
      world.reader(acme).query<R & pg.QueryResultRow>(text, [...values]),
  })

  it("add entries in any tenant's name, as a role that was named; nobody else does", async () => {
    await emptied()
    const tell = () => audit.record(asOperator(globex), entry('tenant.suspend', { actor: operator }))
    const operator = { type: 'operator', id: 'o1' } as const
    await expect(tell()).rejects.toMatchObject({ code: '42501' })
    await installAudit(world.admin(acme), { ...world.options, operators: world.options.readers })
    await tell()
    expect((await audit.list(control(), globex)).data).toMatchObject([{ actor: operator }])
    expect(await audit.verify(control(), globex)).toMatchObject({ ok: true, unsealed: 1 })
    await expect(world.reader(acme).query('delete from governance.audit_log')).rejects.toMatchObject({
      code: '42501',
    })
    await installAudit(world.admin(acme), world.options)
    await expect(tell()).rejects.toMatchObject({ code: '42501' })
  })

  it('are never the application, which SQL of a tenant can become', async () => {
    const operators = [String(world.options.application)]
    expect(await codeOf(installAudit(world.admin(acme), { ...world.options, operators }))).toBe(
      'INVALID_OPTION',
    )
  })
})
