import { hasPgBouncer, startPgBouncer } from '@org/pg-testing'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { createTenancy, type ScopeOptions, TenancyError, type TenancyOptions } from '../src/index.ts'
import { codeOf, useWorld } from './support/world.ts'

const world = useWorld(['acme'])
const idle = new pg.Pool({ max: 1 })

/** What creating a tenancy with these options throws. */
function refusal(options: unknown): unknown {
  try {
    createTenancy(options as TenancyOptions)
    return 'accepted'
  } catch (error) {
    expect(error).toBeInstanceOf(TenancyError)
    const { code, details } = error as TenancyError
    return [code, details.option]
  }
}

describe('createTenancy refuses', () => {
  it.each<[string, unknown, string]>([
    ['no options', undefined, 'options'],
    ['no pool', {}, 'pool'],
    ['a URL for a pool', { pool: 'postgres://localhost' }, 'pool'],
    ['a client for a pool', { pool: new pg.Client() }, 'pool'],
    ['a bad admin pool', { pool: idle, adminPool: {} }, 'adminPool'],
    ['an isolation level there is not', { pool: idle, isolation: 'none' }, 'isolation'],
    ['a level there is not', { pool: idle, isolation: 'cluster' }, 'isolation'],
    ['shared tables at another level', { pool: idle, row: { schema: 'public' } }, 'row'],
    ['an unknown option', { pool: idle, statementTimout: 1 }, 'statementTimout'],
    ['an upper-case prefix', { pool: idle, schemaPrefix: 'C_' }, 'prefix'],
    ['a prefix that is pg_', { pool: idle, rolePrefix: 'pg_' }, 'prefix'],
    ['a prefix that is too long', { pool: idle, rolePrefix: 'x'.repeat(32) }, 'prefix'],
    ['shared schemas that are none', { pool: idle, sharedSchemas: ['a"b'] }, 'prefix'],
    ['a timeout of zero', { pool: idle, statementTimeout: 0 }, 'statementTimeout'],
    ['an endless timeout', { pool: idle, lockTimeout: Number.POSITIVE_INFINITY }, 'lockTimeout'],
    ['a timeout as text', { pool: idle, idleTimeout: '5s' }, 'idleTimeout'],
    ['a migration without SQL', { pool: idle, migrations: [{ id: 'a', sql: ' ' }] }, 'migrations'],
    [
      'two migrations of one id',
      {
        pool: idle,
        migrations: [
          { id: 'a', sql: 'b' },
          { id: 'a', sql: 'c' },
        ],
      },
      'migrations',
    ],
    ['migrations that are no list', { pool: idle, migrations: 'dir' }, 'migrations'],
    ['too many attempts', { pool: idle, retry: { attempts: 11 } }, 'retry'],
    ['retry without attempts', { pool: idle, retry: {} }, 'retry'],
  ])('%s', (_, options, option) => {
    expect(refusal(options)).toEqual(['INVALID_OPTION', option])
  })
})

describe('a scope refuses', () => {
  it.each<[string, unknown]>([
    ['an option there is not', { timeout: 5 }],
    ['readOnly as text', { readOnly: 'yes' }],
    ['an isolation level there is not', { isolationLevel: 'snapshot' }],
    ['deferrable alone', { deferrable: true }],
    ['a signal that is none', { signal: {} }],
    ['a signal that only looks like one', { signal: Object.create(AbortSignal.prototype) }],
    ['a negative timeout', { statementTimeout: -1 }],
    ['a fraction', { lockTimeout: 1.5 }],
    ['NaN', { idleTimeout: Number.NaN }],
    ['more than a day', { connectionTimeout: 86_400_001 }],
    ['resolveUnknownOutcome as text', { resolveUnknownOutcome: 'x' }],
    ['options that are no object', 5],
    ['null options', null],
  ])('%s', async (_, options) => {
    const pool = world.pool()
    const tenancy = world.tenancy({ pool })
    expect(await codeOf(tenancy.query('acme', 'select 1', [], options as ScopeOptions))).toBe(
      'INVALID_OPTION',
    )
    expect(await codeOf(tenancy.withTenant('acme', async () => 1, options as ScopeOptions))).toBe(
      'INVALID_OPTION',
    )
    expect(pool.totalCount).toBe(0)
  })

  it('a callback that is none, and bad keys, before a connection is taken', async () => {
    const pool = world.pool()
    const tenancy = world.tenancy({ pool })
    for (const none of [undefined, function* () {}, async function* () {}] as never[]) {
      expect(await codeOf(tenancy.withTenant('acme', none))).toBe('VALIDATION_ERROR')
      expect(await codeOf(tenancy.each(none))).toBe('VALIDATION_ERROR')
    }
    const signal = Object.create(AbortSignal.prototype)
    expect(await codeOf(tenancy.each(async () => {}, { signal }))).toBe('INVALID_OPTION')
    for (const key of [
      '',
      'Acme',
      'a b',
      'a"b',
      'ä',
      '../x',
      'x'.repeat(62),
      null,
      undefined,
      5,
      {},
      ['acme'],
    ]) {
      for (const call of ['query', 'withTenant', 'provision', 'drop'] as const) {
        const run = tenancy[call] as (key: unknown, more: unknown) => Promise<unknown>
        expect(await codeOf(run(key, call === 'query' ? 'select 1' : async () => 1))).toBe(
          'INVALID_TENANT_KEY',
        )
      }
    }
    expect(pool.totalCount).toBe(0)
  })
})

describe('a pool', () => {
  it('that cannot connect is a coded error without address or password', async () => {
    const dead = new pg.Pool({ connectionString: 'postgres://user:s3cr3t@127.0.0.1:1/nowhere' })
    const error = await createTenancy({ pool: dead })
      .query('acme', 'select 1')
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({
      code: 'CONNECTION_LOST',
      message: expect.stringContaining('check host and port'),
      details: { reason: 'ECONNREFUSED' },
    })
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toMatch(/s3cr3t|127\.0\.0\.1/)
  })

  it('that has ended is a coded error', async () => {
    const pool = world.pool()
    const tenancy = world.tenancy({ pool })
    await pool.end()
    await expect(tenancy.query('acme', 'select 1')).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      message: expect.stringContaining('pool.end()'),
    })
  })

  it('that begins with a setting there is not says so, and not that trying again helps', async () => {
    const pool = new pg.Pool({ connectionString: world.url, options: '-c nothing_of_the_kind=1' })
    await expect(world.tenancy({ pool }).query('acme', 'select 1')).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('options'),
    })
    await pool.end()
  })

  it.skipIf(!hasPgBouncer())('that a pooler refuses says what to change, whatever its code is', async () => {
    const bouncer = await startPgBouncer({ url: world.url, poolSize: 1 })
    for (const setting of [{ options: '-c search_path=public' }, { statement_timeout: 5_000 }]) {
      const pool = new pg.Pool({ connectionString: bouncer.url, ...setting })
      await expect(world.tenancy({ pool }).query('acme', 'select 1')).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('ALTER ROLE … SET'),
      })
      await pool.end()
    }
    await bouncer.stop()
  })

  it('that pipelines is used one message at a time, and given back as it was', async () => {
    const pool = world.pool({ max: 1, pipeline: true } as pg.PoolConfig)
    const tenancy = world.tenancy({ pool })
    expect((await tenancy.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    const client = (await pool.connect()) as pg.PoolClient & { pipeline: boolean }
    expect(client.pipeline).toBe(true)
    client.release()
  })

  it('whose clients are not those of pg is refused, and gets them back', async () => {
    let released = 0
    const foreign = {
      connect: async () => ({
        query: async () => ({ rows: [] }),
        release: () => void released++,
        on: () => {},
      }),
      on: () => {},
    }
    expect(await codeOf(createTenancy({ pool: foreign }).query('acme', 'select 1'))).toBe('INVALID_OPTION')
    expect(released).toBe(1)
  })
})

describe('two tenancies on one pool', () => {
  it('with different prefixes do not see each other', async () => {
    const pool = world.pool({ max: 1 })
    const [one, two] = [
      world.tenancy({ pool }),
      world.tenancy({ pool, schemaPrefix: 'z_', rolePrefix: `${world.rolePrefix}z` }),
    ]
    await two.provision('acme')
    await two.query('acme', `insert into notes (body) values ('of two')`)
    expect((await one.query('acme', 'select body from notes')).rows).toEqual([])
    await one.withTenant('acme', async (db) => {
      await db.query('select 1')
      expect(await codeOf(two.query('acme', 'select 1', [], { connectionTimeout: 30 }))).toBe(
        'POOL_EXHAUSTED',
      )
    })
    expect((await two.query('acme', 'select body from notes')).rows).toEqual([{ body: 'of two' }])
  })
})
