// @module-tag sampled
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Migration, Queryable, TenantKey } from '@org/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { auditLog, installAudit } from '../../src/audit/index.ts'
import { IDEMPOTENCY_MIGRATION, IDEMPOTENCY_ROW_MIGRATION, idempotency } from '../../src/idempotency/index.ts'
import {
  IDEMPOTENCY_RULES,
  installPrivacy,
  personalData,
  privacy,
  subjectKeys,
  type TableRules,
  toCsv,
  WEBHOOK_RULES,
} from '../../src/privacy/index.ts'
import { WEBHOOKS_MIGRATION, WEBHOOKS_ROW_MIGRATION } from '../../src/webhooks/index.ts'
import { acme, codeOf, globex, type LevelWorld, levelsInTurn, useLevel } from '../support/levels.ts'

const TABLES = (shared: boolean): Migration => {
  const tenant = shared ? 'tenant_id text not null,' : ''
  const key = shared ? 'tenant_id, ' : ''
  return {
    id: '0002_people',
    sql: `create table person (${tenant} id uuid not null, email text not null, name text, born date, score integer not null,
        primary key (${key}id), unique (${key}email));
      create table message (${tenant} id bigint not null, author uuid not null, body text, primary key (${key}id));
      create table attachment (${tenant} message_id bigint not null, n integer not null, file_name text, primary key (${key}message_id, n));
      create table country (${tenant} code text not null, primary key (${key}code))`,
  }
}

const PEOPLE: Record<string, TableRules> = {
  person: {
    subject: 'id',
    columns: { id: 'keep', email: 'email', name: 'text', born: 'null', score: { value: 0 } },
  },
  message: { subject: 'author', columns: { id: 'keep', author: 'keep', body: 'text' } },
  attachment: {
    subject: { column: 'message_id', table: 'message', key: 'id' },
    columns: { message_id: 'keep', n: 'keep', file_name: 'text' },
  },
  country: { columns: { code: 'keep' } },
  notes: { columns: { id: 'keep', body: 'keep' } },
  ...IDEMPOTENCY_RULES,
  ...WEBHOOK_RULES,
}
const data = personalData(PEOPLE)
const auditKeys = { k1: randomBytes(32) }
const directory = { path: '' }
beforeAll(async () => {
  directory.path = await mkdtemp(join(tmpdir(), 'privacy-'))
})
afterAll(() => rm(directory.path, { recursive: true }))

describe.each(levelsInTurn('row'))('level %s', (level) => {
  const shared = level === 'row'
  const world = useLevel(level, installAudit, [
    TABLES(shared),
    shared ? IDEMPOTENCY_ROW_MIGRATION : IDEMPOTENCY_MIGRATION,
    shared ? WEBHOOKS_ROW_MIGRATION : WEBHOOKS_MIGRATION,
  ])
  const control = (): Queryable => world.setting.world.admin
  const keys = () => subjectKeys({ control: control(), sealing: world.setting.sealing })
  const people = (more = {}) =>
    privacy({ data, scopes: world.tenancy, control: control(), keys: keys(), ...more })
  const audit = () =>
    auditLog({ keys: auditKeys, personal: keys(), fields: { person: { personal: ['email', 'name'] } } })
  beforeAll(() => installPrivacy(control()))

  /** Somebody who is everywhere, under a word that stands for all that is personal. */
  async function live(tenant: TenantKey, id: string, canary: string): Promise<void> {
    const actor = { type: 'user', id } as const
    const number = Math.floor(Math.random() * 1e9)
    await world.tenancy.withTenant(tenant, async (db) => {
      const after = { email: `${canary}@example.com`, name: canary }
      await db.query('insert into person (id, email, name, born, score) values ($1, $2, $3, $4, 7)', [
        id,
        after.email,
        canary,
        '1990-01-01',
      ])
      await db.query('insert into message (id, author, body) values ($1, $2, $3)', [
        number,
        id,
        `I am ${canary}`,
      ])
      await db.query('insert into attachment (message_id, n, file_name) values ($1, 1, $2)', [
        number,
        `${canary}.pdf`,
      ])
      const entity = { type: 'person', id }
      await audit().record(db, {
        actor,
        action: 'person.create',
        entity,
        after,
        ip: '192.0.2.77',
        userAgent: canary,
      })
    })
    const request = {
      tenant,
      principal: `user:${id}`,
      handler: 'h',
      key: randomUUID(),
      fingerprint: randomBytes(32),
    }
    await idempotency({
      scopes: world.tenancy,
      sealing: { seal: (text) => text, open: (text) => text },
    }).once(request, async () => canary)
  }

  it('a person is found nowhere afterwards; others are as they were', async () => {
    const [canary, other] = [`canary-${randomUUID()}`, `other-${randomUUID()}`]
    const [id, same, theirs] = [randomUUID(), randomUUID(), randomUUID()]
    await live(acme, id, canary)
    await live(acme, same, `${other}-1`)
    await live(globex, theirs, `${other}-2`)
    await live(globex, id, `${other}-3`)
    const opened = (await audit().list(world.reader(acme), acme, { actor: id, personal: true })).data[0]
    expect(opened).toMatchObject({ ip: '192.0.2.77', userAgent: canary, changes: { name: { to: canary } } })
    expect(await found(world, acme, canary)).toEqual(FOUND)
    const before = await snapshot(world, other)
    const { rows } = await people().erase('acme', id)
    expect(rows).toEqual({ attachment: 1, person: 1, message: 1, idempotency_key: 1 })
    expect(await found(world, acme, canary)).toEqual([])
    expect(await snapshot(world, other)).toEqual(before)
    const [entry] = (await audit().list(world.reader(acme), acme, { actor: id, personal: true })).data
    expect(entry).toMatchObject({ action: 'person.create', actor: { id } })
    expect(JSON.stringify(entry)).not.toMatch(/192\.0|canary/)
    expect((await audit().verify(world.reader(acme), acme)).faults).toEqual([])
    expect(JSON.stringify(await people().export('acme', id))).not.toContain('canary')
    expect((await people().export('acme', id)).person?.[0]).toMatchObject({
      id,
      name: 'erased',
      born: null,
      score: 0,
    })
  })

  it('erasing twice is once; what was cut off is finished', async () => {
    const [canary, id] = [`canary-${randomUUID()}`, randomUUID()]
    await live(acme, id, canary)
    const dying = people({
      onErase: () => {
        throw new Error('killed')
      },
    })
    await expect(dying.erase('acme', id)).rejects.toThrow('killed')
    expect(await people().ledger('acme')).toContainEqual(
      expect.objectContaining({ subject: id, done: false }),
    )
    await people().erase('acme', id)
    const first = await people().export('acme', id)
    const again = await people().erase('acme', id)
    expect(Object.values(again.rows)).toEqual([0, 0, 0, 0])
    expect(await people().export('acme', id)).toEqual(first)
    expect(await people().ledger('acme')).toContainEqual(expect.objectContaining({ subject: id, done: true }))
    expect(await found(world, acme, canary)).toEqual([])
  })

  it('of a tenant that is suspended it waits, and keeps nobody else waiting', async () => {
    const [canary, id] = [`canary-${randomUUID()}`, randomUUID()]
    await live(acme, id, canary)
    await control().query(`insert into governance.erasure_ledger (tenant, subject, requested_at)
      values ('globex', '${id}', now() - interval '2 days'), ('acme', '${id}', now() - interval '1 day')`)
    await world.tenancy.suspend('globex')
    await expect(people().finish()).rejects.toMatchObject({ code: 'TENANT_SUSPENDED' })
    expect(await found(world, acme, canary)).toEqual([])
    await world.tenancy.resume('globex')
    expect(await people().finish()).toBe(1)
    expect(await people().finish()).toBe(0)
  })

  it('a restored backup is erased again by the ledger', async () => {
    const [canary, id] = [`canary-${randomUUID()}`, randomUUID()]
    await live(acme, id, canary)
    const to = join(directory.path, `${level}-acme`)
    await world.tenancy.backup('acme', { to })
    await people().erase('acme', id)
    await world.tenancy.drop('acme')
    await world.tenancy.restore('acme', { from: to })
    expect(await found(world, acme, canary)).not.toEqual([])
    expect(await people().replay('acme')).toBeGreaterThan(0)
    expect(await found(world, acme, canary)).toEqual([])
  })

  it('check names every column nobody has said anything about', async () => {
    const checked = (rules: Record<string, TableRules>) =>
      world.tenancy.withTenant(globex, (db) => people({ data: personalData(rules) }).check(db))
    expect(await checked(PEOPLE)).toEqual([])
    const { country, ...rest } = PEOPLE
    const { born, ...columns } = (PEOPLE.person as TableRules).columns
    const found = await checked({ ...rest, person: { subject: 'id', columns: { ...columns, gone: 'text' } } })
    expect(found).toEqual([
      { code: 'unclassified', table: 'country', column: 'code' },
      { code: 'unclassified', table: 'person', column: 'born' },
      { code: 'missing', table: 'person', column: 'gone' },
    ])
    expect([country, born]).toBeDefined()
  })
})

/** Where a person shows before the erasure: sealed in the audit log, it is not in clear there. */
const FOUND = ['attachment', 'idempotency_key', 'message', 'person']

/** Tables of the tenant's database in which a word stands in clear, whoever's rows they are. */
async function found(world: LevelWorld, tenant: TenantKey, word: string): Promise<string[]> {
  const names = new Set<string>()
  for (const pool of new Set([world.root(tenant), world.setting.world.root])) {
    const { rows } = await pool.query<{ schema: string; name: string }>(
      `select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema)'`,
    )
    for (const { schema, name } of rows) {
      const hits = await pool.query(`select from "${schema}"."${name}" t where t::text like $1 limit 1`, [
        `%${word}%`,
      ])
      if ((hits.rowCount ?? 0) > 0) names.add(name)
    }
  }
  return [...names].sort()
}

/** Every row in which a word stands. */
async function snapshot(world: LevelWorld, word: string): Promise<string[]> {
  const all: string[] = []
  for (const tenant of [acme, globex]) {
    const pool = world.root(tenant)
    const { rows } = await pool.query<{ schema: string; name: string }>(
      `select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema)'`,
    )
    for (const { schema, name } of rows) {
      const hits = await pool.query<{ row: string }>(
        `select t::text as row from "${schema}"."${name}" t where t::text like $1`,
        [`%${word}%`],
      )
      all.push(...hits.rows.map(({ row }) => `${schema}.${name} ${row}`))
    }
  }
  return [...new Set(all)].sort()
}

describe('keys of subjects', () => {
  const world = useLevel('role', async () => {})
  const control = () => world.setting.world.admin
  const keys = (options = {}) =>
    subjectKeys({ control: control(), sealing: world.setting.sealing, ...options })
  beforeAll(() => installPrivacy(control()))

  it('open only what is theirs, and nothing once destroyed, also of what is said later', async () => {
    const mine = keys()
    const sealed = await mine.seal(acme, 'user:1', 'text')
    expect(await keys().open(acme, 'user:1', sealed)).toBe('text')
    expect(await keys().open(acme, 'user:2', sealed)).toBeUndefined()
    expect(await keys().open(globex, 'user:1', sealed)).toBeUndefined()
    expect(await keys().open(acme, 'user:1', `${sealed.slice(0, -8)}AAAAAAA=`)).toBeUndefined()
    await mine.destroy(acme, 'user:1')
    await mine.destroy(acme, 'user:1')
    expect(await mine.open(acme, 'user:1', sealed)).toBeUndefined()
    const later = await mine.seal(acme, 'user:1', 'more')
    expect([later.includes('more'), await mine.open(acme, 'user:1', later)]).toEqual([false, undefined])
    const { rows } = await control().query(
      `select sealed from governance.subject_key where subject = 'user:1'`,
    )
    expect(rows).toEqual([{ sealed: null }])
  })

  it('another process forgets a key that was destroyed within maxAge', async () => {
    let ms = 0
    const there = keys({ now: () => ms, maxAge: 1_000 })
    const sealed = await there.seal(acme, 'user:9', 'text')
    await keys().destroy(acme, 'user:9')
    ms += 1_001
    expect(await there.open(acme, 'user:9', sealed)).toBeUndefined()
  })

  it('of many that begin at once all use one key', async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, n) => keys().seal(acme, 'user:many', String(n))),
    )
    const opened = await Promise.all(all.map((one) => keys().open(acme, 'user:many', one)))
    expect(opened).toEqual(all.map((_, n) => String(n)))
  })
})

describe('CSV for people', () => {
  it.each(['=1+1', '+1+1', '-1+cmd', '@SUM(A1)', '\t=1', '\r=1', ' =1', '＝1', '=HYPERLINK("x")'])(
    'neutralises %j',
    (value) => {
      const [, line] = toCsv([{ value }]).split('value\r\n')
      expect(line?.replace(/^"/, '')).toMatch(/^'/)
    },
  )

  it('leaves numbers, dates and texts as they are, quotes what must be, and formulas on demand', () => {
    const rows = [
      { a: -5, b: '+1.5', c: 'x, "y"', d: null, e: new Date(0), f: { g: 1 } },
      { a: 'line\r\nbreak' },
    ]
    expect(toCsv(rows)).toBe(
      'a,b,c,d,e,f\r\n-5,+1.5,"x, ""y""",,1970-01-01T00:00:00.000Z,"{""g"":1}"\r\n"line\r\nbreak",,,,,\r\n',
    )
    expect(toCsv([{ a: '=1' }], { formulas: 'keep' })).toBe('a\r\n=1\r\n')
    expect(toCsv([{ '=x': 1 }])).toBe("'=x\r\n1\r\n")
  })
})

describe('declarations', () => {
  it.each([
    [null],
    [{ t: {} }],
    [{ t: { columns: { a: 'gone' } } }],
    [{ t: { columns: { a: 'text' } } }],
    [{ t: { subject: 'id', columns: { a: 'text' } } }],
    [{ t: { subject: 'id', columns: { id: 'text' } } }],
    [{ t: { subject: { column: 'a', table: 'none', key: 'id' }, columns: { a: 'keep' } } }],
    [{ t: { subject: 'id', prefix: 5, columns: { id: 'keep' } } }],
    [{ '': { columns: {} } }],
  ])('%j is refused', async (bad) => {
    expect(await codeOf(Promise.resolve().then(() => personalData(bad as never)))).toBe('INVALID_OPTION')
  })
})
