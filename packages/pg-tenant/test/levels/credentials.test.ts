// @module-tag sampled
import { AsyncResource } from 'node:async_hooks'
import { readFile, writeFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { type PostgresServer, startPostgres } from '@org/pg-testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generatePassword, scramVerifier } from '../../src/credentials/password.ts'
import { type Credentials, createTenancy, type Tenancy, type TenancyOptions } from '../../src/index.ts'
import { hasTurn, SLOW } from '../support/sample.ts'
import { codeOf, NOTES } from '../support/world.ts'
import { testSealing } from './setting.ts'

/** A server of this file's own, which asks for passwords: the shared one trusts everybody. */
let server: PostgresServer
let strict = false
const sealing = testSealing()
const pools: pg.Pool[] = []
const open: Tenancy[] = []
/** All that administrators sent, texts and values. */
const heard: string[] = []

const request = new AsyncResource('another request')
/** Leaves the scope around it, as another request would be. */
const another = <T>(fn: () => Promise<T>): Promise<T> => request.runInAsyncScope(fn)

class OverheardClient extends pg.Client {
  override query = ((...args: Parameters<pg.Client['query']>) => {
    heard.push(inspect(args, { depth: 3, maxStringLength: null }))
    return pg.Client.prototype.query.apply(this, args)
  }) as pg.Client['query']
}

beforeAll(async () => {
  server = await startPostgres({ url: false, prefer: 'embedded' })
  const root = rootPool()
  await root.query(
    `create role app login noinherit password 'app'; create role adm login createrole createdb password 'adm'`,
  )
  await root.query('grant create on database postgres to adm')
  const { rows } = await root.query('show hba_file')
  if (server.source !== 'embedded') return
  const file = String(rows[0].hba_file)
  await writeFile(
    file,
    `host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n${await readFile(file, 'utf8')}`,
  )
  await root.query('select pg_reload_conf()')
  strict = true
})
afterAll(async () => {
  await Promise.all(open.map((tenancy) => tenancy.close()))
  await Promise.all(pools.map((pool) => pool.end()))
  await server?.stop()
})

function poolAs(user: string, password: string, config: pg.PoolConfig = {}): pg.Pool {
  const url = new URL(server.url)
  url.username = user
  url.password = password
  const pool = new pg.Pool({ connectionString: url.href, max: 3, ...config })
  pool.on('error', () => {})
  pools.push(pool)
  return pool
}
const rootPool = () => poolAs('postgres', '')

function tenancyOf(options: Partial<TenancyOptions> = {}): Tenancy {
  const tenancy = createTenancy({
    pool: poolAs('app', 'app'),
    adminPool: poolAs('adm', 'adm', { Client: OverheardClient } as pg.PoolConfig),
    migrations: [NOTES],
    isolation: 'login',
    credentials: sealing,
    ...options,
  })
  open.push(tenancy)
  return tenancy
}

/** Schema and role have different names, so that the path cannot be right by accident (`"$user"`). */
const prefixed = (prefix: string): Partial<TenancyOptions> => ({
  schemaPrefix: prefix,
  rolePrefix: `${prefix}r_`,
})

describe.skipIf(SLOW)('a SCRAM verifier', () => {
  it('is what the RFC computes', async () => {
    // RFC 7677, section 3: user "user", password "pencil".
    const verifier = await scramVerifier('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096)
    expect(verifier).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    )
  })

  it('differs each time; so do passwords, of 256 bits', async () => {
    expect(await scramVerifier('same')).not.toBe(await scramVerifier('same'))
    expect(generatePassword()).not.toBe(generatePassword())
    expect(Buffer.from(generatePassword(), 'base64url')).toHaveLength(32)
  })
})

const LEVELS = (['login', 'database'] as const).filter((level) => hasTurn(level, ['login']))

describe.each(LEVELS)('credentials at level %s', (isolation) => {
  const names = prefixed(`${isolation}_`)

  it('let the tenant, and only the right password, in; the search path is at home', async () => {
    expect(strict, 'this test needs a server that asks for passwords').toBe(true)
    const { connection } = await tenancyOf({ isolation, ...names }).provision('acme')
    const client = new pg.Client(connection?.url)
    await client.connect()
    const { rows } = await client.query(
      'select current_user as me, current_schema() as home, (select count(*) from notes)::int as n',
    )
    expect(rows).toEqual([{ me: `${isolation}_r_acme`, home: `${isolation}_acme`, n: 0 }])
    await client.end()
    const { host, port, database, user } = connection ?? {}
    const wrong = new pg.Client({ host, port, database, user, password: 'wrong' } as pg.ClientConfig)
    await expect(wrong.connect()).rejects.toMatchObject({ code: '28P01' })
  })

  it('never reach the server in clear, and are sealed where they are stored', async () => {
    heard.length = 0
    const tenancy = tenancyOf({ isolation, ...names })
    const { connection } = await tenancy.provision('sealed')
    const rotated = await tenancy.rotateCredentials('sealed')
    for (const password of [String(connection?.password), rotated.password]) {
      expect(password).toHaveLength(43)
      expect(heard.join('\n')).not.toContain(password)
    }
    expect(heard.join('\n')).toContain('SCRAM-SHA-256$')
    const { rows } = await rootPool().query(
      `select sealed from tenancy.tenant_credential where key = 'sealed' and prefix = $1`,
      [`${isolation}_`],
    )
    const place = { tenant: 'sealed', table: 'tenant_credential', name: `${isolation}_sealed` }
    expect(await sealing.open(rows[0].sealed, place)).toBe(rotated.password)
  })

  it('can be rotated under load: what is open stays, what connects next has the new password', async () => {
    const tenancy = tenancyOf({ isolation, ...names })
    const elsewhere = tenancyOf({ isolation, ...names, tenantPools: { maxPerTenant: 3 } })
    const first = (await tenancy.provision('turning')).connection
    await elsewhere.withTenant('turning', async (db) => {
      await db.query('select 1')
      const second = await tenancy.rotateCredentials('turning')
      expect(second.password).not.toBe(first?.password)
      await db.query('select 1')
      // Several at once find the old password refused; each goes on with the new one.
      const others = ['a', 'b'].map((body) =>
        another(() => elsewhere.query('turning', 'select $1 as body', [body])),
      )
      expect((await Promise.all(others)).map(({ rows }) => rows[0]?.body)).toEqual(['a', 'b'])
      await expect(new pg.Client(first?.url).connect()).rejects.toMatchObject({ code: '28P01' })
      const client = new pg.Client(second.url)
      await client.connect()
      await client.end()
    })
  })

  it('may be kept by the caller, who is asked once for all who connect at first', async () => {
    const kept = new Map<string, Credentials>([['chosen', { password: 'chosen-by-the-caller' }]])
    let asked = 0
    const credentials = async (tenant: string) => {
      asked++
      return kept.get(tenant)
    }
    const tenancy = tenancyOf({ isolation, ...prefixed(`${isolation}_k_`), credentials })
    expect((await tenancy.provision('chosen')).connection?.password).toBe('chosen-by-the-caller')
    asked = 0
    await Promise.all(['1', '2', '3'].map((n) => tenancy.query('chosen', 'select $1', [n])))
    expect(asked).toBe(1)
    const { connection } = await tenancy.provision('given')
    expect(await codeOf(tenancy.query('given', 'select 1'))).toBe('SCHEMA_MISSING')
    kept.set('given', { password: String(connection?.password) })
    expect((await tenancy.query('given', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    const { rows } = await rootPool().query(
      `select sealed from tenancy.tenant_credential where key in ('chosen', 'given') and sealed is not null`,
    )
    expect(rows).toEqual([])
  })

  it('that are wrong open nothing, and are fetched anew once only', async () => {
    let asked = 0
    const credentials = async () => {
      asked++
      return { password: 'not-the-password' }
    }
    await tenancyOf({ isolation, ...names }).provision('wrong')
    const tenancy = tenancyOf({ isolation, ...names, credentials })
    const error = await tenancy.query('wrong', 'select 1').catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SCHEMA_UNUSABLE', details: { sqlState: '28P01' } })
    expect(asked).toBe(2)
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('not-the-password')
  })

  it('of somebody else open nothing', async () => {
    const own = tenancyOf({ isolation, ...names })
    const theirs = (await own.provision('theirs')).connection
    await own.provision('mine')
    const credentials = async () => ({ user: String(theirs?.user), password: String(theirs?.password) })
    const mistaken = tenancyOf({ isolation, ...names, credentials })
    expect(await codeOf(mistaken.query('mine', 'select 1'))).toBe('SCHEMA_UNUSABLE')
    // The administrator's: it is let in, as the tenant and nothing more.
    const mighty = tenancyOf({
      isolation,
      ...names,
      credentials: async () => ({ user: 'adm', password: 'adm' }),
    })
    expect((await mighty.query('mine', 'select current_user as me')).rows).toEqual([
      { me: `${isolation}_r_mine` },
    ])
  })

  it.each([
    ['nothing', {}],
    ['a number', { password: 5 }],
    ['a space', { password: 'a b' }],
    ['an umlaut', { password: 'ä' }],
  ])('are refused when the password is %s', async (_, wrong) => {
    const tenancy = tenancyOf({ isolation, ...names, credentials: async () => wrong as Credentials })
    expect(await codeOf(tenancy.query('nobody', 'select 1'))).toBe('INVALID_OPTION')
    expect(await codeOf(tenancy.provision('nobody'))).toBe('INVALID_OPTION')
  })
})

describe.skipIf(SLOW)('options', () => {
  it.each<[string, Partial<TenancyOptions> & object, string]>([
    ['no credentials', { credentials: undefined as never }, 'credentials'],
    ['half a sealing', { credentials: { seal: () => '' } as never }, 'credentials'],
    ['no budget', { tenantPools: { maxConnections: 0 } }, 'tenantPools.maxConnections'],
    [
      'more for one than for all',
      { tenantPools: { maxConnections: 2, maxPerTenant: 3 } },
      'tenantPools.maxPerTenant',
    ],
    ['a factory that is none', { tenantPools: { create: 5 as never } }, 'tenantPools.create'],
    ['a template that is no name', { databaseTemplate: 'a"b' }, 'databaseTemplate'],
  ])('are refused: %s', (_, options, option) => {
    expect(() => tenancyOf(options)).toThrowError(
      expect.objectContaining({ code: 'INVALID_OPTION', details: { option } }),
    )
  })

  it('rotate nothing where tenants do not log in', async () => {
    const tenancy = tenancyOf({ isolation: 'role', ...prefixed('r_') })
    await tenancy.provision('acme')
    expect(await codeOf(tenancy.rotateCredentials('acme'))).toBe('INVALID_OPTION')
    await tenancy.close()
  })
})

describe.skipIf(SLOW)('a login that is there', () => {
  it('is adopted with the password it has, and with no other', async () => {
    const root = rootPool()
    await root.query(`create role user_old login password 'as-it-was'`)
    await root.query(
      'grant user_old to adm with admin option; create schema schema_old authorization user_old',
    )
    const tenancy = tenancyOf({ ...prefixed('old_'), migrations: [] })
    const adopting = (password: string) =>
      tenancy.adopt('acme', { schema: 'schema_old', role: 'user_old', password, baseline: null })
    if (strict)
      await expect(adopting('another')).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { findings: 'LOGIN_REFUSED' },
      })
    heard.length = 0
    await adopting('as-it-was')
    expect(heard.join()).not.toContain('as-it-was')
    const { rows } = await tenancy.query('acme', 'select session_user as who')
    expect(rows).toEqual([{ who: 'user_old' }])
    expect((await poolAs('user_old', 'as-it-was').query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })
})
