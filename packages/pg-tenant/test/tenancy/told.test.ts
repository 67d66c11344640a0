import { beforeAll, describe, expect, it } from 'vitest'
import { MigrationFailed } from '../../src/admin.ts'
import { createTenancy, type Tenancy } from '../../src/index.ts'
import { NOTES, useWorld } from '../support/world.ts'

/** What a developer is told in the first hour: what is wrong, and what to do. */

const world = useWorld()
const BAD = {
  id: '0002_bad',
  sql: 'create table one (id int);\ncreate table two (id int references nothere);\n',
}
const failure = (run: Promise<unknown>) =>
  run.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('migrate', () => {
  it('that failed for a tenant cannot be overlooked', async () => {
    // One after the other: which of several is the first to fail is anybody's guess.
    const error = await failure(world.tenancy({ migrations: [NOTES, BAD] }).migrate({ connections: 1 }))
    expect(error).toBeInstanceOf(MigrationFailed)
    expect(error).toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringMatching(
        /First acme: Migration 0002_bad, line 2: .*relation "nothere" does not exist/,
      ),
      details: { tenant: 'acme', migration: '0002_bad', line: 2, sqlState: '42P01', behind: 2, migrated: 0 },
      report: { ok: false, behind: 2 },
    })
  })

  it('resolves with the report for whoever asks for it, and for a dry run', async () => {
    const tenancy = world.tenancy({ migrations: [NOTES, BAD] })
    expect(await tenancy.migrate({ throwOnFailure: false })).toMatchObject({
      ok: false,
      failed: expect.any(Number),
    })
    expect(await tenancy.migrate({ dryRun: true })).toMatchObject({ behind: 2, untouched: 2 })
  })

  it('rejects when it was stopped before its end', async () => {
    const error = await failure(
      world.tenancy({ migrations: [NOTES, BAD] }).migrate({ signal: AbortSignal.abort() }),
    )
    expect(error).toMatchObject({ code: 'MIGRATION_FAILED', details: { untouched: 2, stopped: 'aborted' } })
  })

  it.each<(tenancy: Tenancy) => Promise<unknown>>([
    (tenancy) => tenancy.migrate({ only: ['acme', 'nobody'] }),
    (tenancy) => tenancy.migrate({ canary: ['nobody'] }),
    (tenancy) => tenancy.migrationStatus({ only: ['nobody'] }),
    (tenancy) => tenancy.stats({ tenants: ['acme', 'nobody'] }),
  ])('says of a tenant that is not there that it is not: %s', async (call) => {
    expect(await failure(call(world.tenancy()))).toMatchObject({
      code: 'TENANT_NOT_FOUND',
      details: { tenant: 'nobody' },
    })
  })

  it('says of a removed file what it may be', async () => {
    const error = {
      code: 'CONFLICT',
      message: expect.stringContaining('its file was removed'),
      details: { migration: NOTES.id },
    }
    expect(await failure(world.tenancy({ migrations: [] }).migrate())).toMatchObject(error)
    expect(await failure(world.tenancy({ migrations: [] }).provision('acme'))).toMatchObject(error)
  })
})

describe('one role for both', () => {
  const solo = () => {
    const pool = world.pool()
    return [createTenancy({ pool }), createTenancy({ pool, adminPool: pool })] as const
  }

  it('is told by what createTenancy was given', async () => {
    const [alone, twice] = solo()
    for (const [tenancy, said] of [
      [alone, 'given no adminPool'],
      [twice, "adminPool is the application's own pool"],
    ] as const) {
      for (const call of [
        () => tenancy.provision('new'),
        () => tenancy.suspend('acme'),
        () => tenancy.ready.fill(1),
        () => tenancy.ready.clear(),
      ]) {
        expect(await failure(call())).toMatchObject({
          code: 'INVALID_OPTION',
          message: expect.stringMatching(new RegExp(`${said}.*CREATE ROLE tenant_admin LOGIN CREATEROLE`)),
          details: { option: 'adminPool' },
        })
      }
    }
  })

  it('is not the answer where there are two', async () => {
    const weak = `${world.appRole}_weak`
    await world.root.query(`create role ${weak} login password 'weak'`)
    const url = new URL(world.url)
    Object.assign(url, { username: weak, password: 'weak' })
    const adminPool = world.pool({ connectionString: url.href })
    const error = await failure(createTenancy({ pool: world.pool(), adminPool }).provision('new'))
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'adminPool', role: weak } })
    expect((error as Error).message).toMatch(/^The administrator \(adminPool\) was refused/)
    await world.root.query(`drop role ${weak}`)
  })
})

describe('a misspelt option', () => {
  it.each<[string, string | undefined, () => unknown]>([
    ['statmentTimeout', 'statementTimeout', () => world.tenancy({ statmentTimeout: 5 } as object)],
    ['lookups.maxage', 'maxAge', () => world.tenancy({ lookups: { maxage: 5 } as object })],
    [
      'tenantPools.maxConnection',
      'maxConnections',
      () => world.tenancy({ tenantPools: { maxConnection: 5 } as object }),
    ],
    ['row.schemas', 'schema', () => world.tenancy({ row: { schemas: 'x' } as object })],
    ['retry.attempt', 'attempts', () => world.tenancy({ retry: { attempt: 2 } as never })],
    ['colour', undefined, () => world.tenancy({ colour: 5 } as object)],
    ['plann', 'plan', () => world.tenancy().provision('x', { plann: 'a' } as object)],
    ['shema', 'schema', () => world.tenancy().adopt('x', { shema: 'a' } as object)],
    ['attempt', 'attempts', () => world.tenancy().undoAdoption('x', { attempt: 1 } as object)],
    ['limits', 'limit', () => world.tenancy().list({ limits: 1 } as object)],
    ['onlly', 'only', () => world.tenancy().migrate({ onlly: [] } as object)],
    ['onlly', 'only', () => world.tenancy().migrationStatus({ onlly: [] } as object)],
    ['limits', 'limit', () => world.tenancy().doctor({ limits: 1 } as object)],
    ['tenant', 'tenants', () => world.tenancy().verify({ tenant: 1 } as object)],
    ['tenant', 'tenants', () => world.tenancy().stats({ tenant: 1 } as object)],
    ['too', 'to', () => world.tenancy().backup('acme', { too: 'x' } as never)],
    ['form', 'from', () => world.tenancy().restore('acme', { form: 'x' } as never)],
    ['formt', 'format', () => world.tenancy().export('acme', { to: 'x', formt: 'csv' } as never)],
    ['confrim', 'confirm', () => world.tenancy().offboard('acme', { confrim: 'acme' } as never)],
    [
      'readonly',
      'readOnly',
      () => world.tenancy().query('acme', 'select 1', [], { readonly: true } as object),
    ],
  ])('%s is refused by name', async (option, nearest, call) => {
    const error = await failure(Promise.resolve().then(call))
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option, ...(nearest && { nearest }) } })
  })
})

describe('a parameter too few', () => {
  let tenancy: Tenancy
  beforeAll(() => {
    tenancy = world.tenancy()
  })
  it.each([[[]], [[1, 2]]])('is counted for the developer: %j', async (values) => {
    expect(await failure(tenancy.query('acme', 'select $1::int', values))).toMatchObject({
      code: 'DATABASE_ERROR',
      message: expect.stringContaining(`has 1 parameters ($1 and so on), and ${values.length} values`),
    })
  })
})
