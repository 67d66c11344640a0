// @module-tag sampled
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hasTurn, SLOW } from '../support/sample.ts'
import { codeOf } from '../support/world.ts'
import { notesAt, useSetting } from './setting.ts'

const setting = useSetting()
const KEYS = ['acme', 'bravo', 'charlie']
const BAD = { id: '0002', sql: 'create table more (a int); select 1/0' }
const GOOD = { id: '0002', sql: 'create table more (a int)' }

describe.skipIf(SLOW)('migrating databases of tenants', () => {
  const at = (...more: { id: string; sql: string }[]) =>
    setting.tenancy('database', { migrations: [notesAt('database'), ...more] })
  beforeEach(async () => {
    for (const key of KEYS) await at().provision(key)
  })

  it.each([[1], [['acme']]])('touches nobody else when a canary fails: %j', async (canary) => {
    const report = await at(BAD).migrate({ canary, connections: 2, maxFailures: 9, throwOnFailure: false })
    expect(report).toMatchObject({ ok: false, failed: 1, migrated: 0, untouched: 2, stopped: 'canary' })
    expect(report.tenants).toMatchObject([{ tenant: 'acme', state: 'failed' }])
  })

  it('shows what would run, and changes nothing', async () => {
    const report = await at(GOOD).migrate({ dryRun: true })
    expect(report).toMatchObject({ behind: 3, migrated: 0, failed: 0, untouched: 3, stopped: null })
    expect(report.tenants.map(({ tenant, state, applied }) => [tenant, state, applied])).toEqual(
      KEYS.map((key) => [key, 'planned', ['0002']]),
    )
    expect(report.tenants[0]?.sql).toContain(GOOD.sql)
    expect((await at(GOOD).migrationStatus())[1]).toMatchObject({ have: 0, lack: 3 })
  })

  it('does not run what would run their code with the rights of whoever migrates', async () => {
    const detach = {
      id: '0002',
      sql: '-- pg-tenant: no-transaction\nalter table notes detach partition notes_old concurrently',
    }
    expect(await codeOf(at(detach).migrate())).toBe('STATEMENT_REFUSED')
    expect((await at(detach).migrationStatus())[1]).toMatchObject({ have: 0, lack: 3 })
  })

  it('starts nobody when it was stopped before, and goes on after the canaries', async () => {
    const stopped = await at(GOOD).migrate({ signal: AbortSignal.abort(), throwOnFailure: false })
    expect(stopped).toMatchObject({ migrated: 0, untouched: 3, stopped: 'aborted' })
    const order: string[] = []
    const onTenant = ({ tenant }: { tenant: string }) => order.push(tenant)
    expect(await at(GOOD).migrate({ canary: ['charlie'], onTenant })).toMatchObject({ ok: true, migrated: 3 })
    expect(order[0]).toBe('charlie')
  })
})

it.skipIf(SLOW).each(['role', 'row', 'database'] as const)(
  'level %s: a block that asks the whole catalogue is refused where the database is not the tenant’s alone',
  async (level) => {
    const sql = `do $$ begin if exists (select from pg_type where typname = 'mood') then null; end if; end $$`
    const tenancy = setting.tenancy(level, { migrations: [notesAt(level), { id: '0002', sql }] })
    const made = tenancy.provision(`asks-${level}`)
    if (level === 'role') expect(await codeOf(made)).toBe('STATEMENT_REFUSED')
    else expect(await made).toMatchObject({ created: true })
  },
)

describe.each((['schema', 'role', 'login', 'database'] as const).filter((level) => hasTurn(level)))(
  'one engine, level %s',
  (level) => {
    const history = [notesAt(level)]
    const schemaPrefix = `one_${level}_`
    const at = () =>
      setting.tenancy(level, {
        migrations: [...history],
        schemaPrefix,
        rolePrefix: `${setting.world.rolePrefix}${schemaPrefix}`,
      })
    const add = (sql: string) => history.push({ id: `000${history.length + 1}`, sql })
    beforeAll(async () => {
      for (const key of ['acme', 'bravo']) await at().provision(key)
      await at().query('acme', `insert into notes (body) values ('one')`)
    })

    it('checks the keys it is given before anything runs', async () => {
      add('create table early (a int)')
      for (const list of [{ only: ['No Key'] }, { except: [''] }, { canary: ['a b'] }])
        expect(await codeOf(at().migrate(list))).toBe('INVALID_TENANT_KEY')
      expect((await at().migrationStatus()).at(-1)).toMatchObject({ have: 0 })
    })

    it('starts nobody once it was stopped, and rejects with what a callback threw', async () => {
      expect(await at().migrate({ signal: AbortSignal.abort(), throwOnFailure: false })).toMatchObject({
        stopped: 'aborted',
        untouched: 2,
      })
      const onTenant = () => {
        throw new RangeError('mine')
      }
      await expect(at().migrate({ connections: 1, onTenant })).rejects.toThrowError(RangeError)
      expect((await at().migrationStatus()).at(-1)).toMatchObject({ have: 1, lack: 1 })
      expect(await at().migrate()).toMatchObject({ ok: true, migrated: 1 })
    })

    it('expands now and contracts later', async () => {
      add('alter table notes add column more int')
      add('-- pg-tenant: phase=contract\nalter table notes drop column more')
      expect(await codeOf(at().migrate({ phase: 'contract' }))).toBe('CONFLICT')
      expect(await at().migrate({ phase: 'expand' })).toMatchObject({ ok: true, migrated: 2 })
      expect(await at().migrate({ phase: 'contract' })).toMatchObject({ ok: true, migrated: 2 })
    })

    it('runs a file without a transaction, and goes on where it was cut off', async () => {
      add(`-- pg-tenant: no-transaction
      create index concurrently idx_more on notes (body);
      update notes set body = body || '!';
      vacuum notes;
      select 1 / (select count(*) from notes)`)
      expect(await at().migrate({ maxFailures: 9, throwOnFailure: false })).toMatchObject({
        migrated: 1,
        tenants: expect.arrayContaining([
          expect.objectContaining({
            tenant: 'bravo',
            error: expect.objectContaining({ code: 'DATABASE_ERROR' }),
          }),
        ]),
      })
      await at().query('bravo', `insert into notes (body) values ('late')`)
      expect(await at().migrate()).toMatchObject({ ok: true, migrated: 1 })
      expect((await at().query('acme', 'select body from notes')).rows).toEqual([{ body: 'one!' }])
      expect((await at().query('bravo', 'select body from notes')).rows).toEqual([{ body: 'late' }])
      expect(await at().migrate()).toMatchObject({ behind: 0 })
      expect((await at().query('acme', `select to_regclass('_tenant_migration_run') as left`)).rows).toEqual([
        { left: null },
      ])
    })

    it('migrates who is suspended, and lets nobody in', async () => {
      await at().suspend('bravo')
      add('create table later (a int)')
      add(
        '-- pg-tenant: no-transaction\ncreate index concurrently idx_later on later (a); insert into later values (1)',
      )
      expect(await at().migrate()).toMatchObject({ ok: true, migrated: 2 })
      expect(await codeOf(at().query('bravo', 'select * from later'))).toBe('TENANT_SUSPENDED')
      await at().resume('bravo')
      expect((await at().query('bravo', 'select a from later')).rows).toEqual([{ a: 1 }])
    })

    it('believes the schema where the registry is told to look again', async () => {
      await setting.world.root.query(
        `delete from tenancy.tenant_migration where prefix = $1 and key = 'acme' and id = $2`,
        [schemaPrefix, history.at(-1)?.id],
      )
      expect(await at().migrate()).toMatchObject({
        ok: true,
        tenants: [{ tenant: 'acme', state: 'current' }],
      })
    })
  },
)

describe.skipIf(SLOW)('migrating shared tables', () => {
  it.each([
    [{ canary: 1 }],
    [{ only: ['acme'] }],
    [{ except: ['acme'] }],
    [{ limit: 1 }],
    [{ dryRun: true }],
    [{ phase: 'expand' as const }],
    [{ lockTimeout: 50 }],
    [{ statementTimeout: 50 }],
  ])('has no part of it, and says so: %j', async (options) => {
    expect(await codeOf(setting.tenancy('row').migrate(options))).toBe('INVALID_OPTION')
  })
})
