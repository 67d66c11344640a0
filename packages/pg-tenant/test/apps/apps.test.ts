// @module-tag sampled
import { randomBytes } from 'node:crypto'
import { type AddressInfo, connect, createServer } from 'node:net'
import { inspect } from 'node:util'
import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { dropDatabase } from '../../src/apps/drop-database.ts'
import { type ProvisionedDatabase, provisionDatabase } from '../../src/apps/provision-database.ts'
import { killedAdmin } from '../levels/killed.ts'
import { useSetting } from '../levels/setting.ts'
import { SLOW, stepOf } from '../support/sample.ts'
import { codeOf } from '../support/world.ts'

/** Its administrator may create databases and roles, and is no superuser. */
const setting = useSetting()
const { world } = setting
/** Names belong to the server, which other test files use at the same time. */
const run = randomBytes(4).toString('hex')
const app = (name: string) => `${name}_${run}`
const made = async (name: string, options: object = {}) =>
  await provisionDatabase(world.admin, { app: app(name), ...options })

afterAll(async () => {
  const { rows } = await world.root.query<{ name: string }>(
    `select datname as name from pg_database where datname like 'app\\_%\\_${run}'`,
  )
  for (const { name } of rows) await world.root.query(`drop database "${name}" with (force)`)
  const roles = await world.root.query<{ name: string }>(
    `select rolname as name from pg_roles where rolname like 'app\\_%\\_${run}'`,
  )
  for (const { name } of roles.rows) await world.root.query(`drop role "${name}"`)
})

async function as<T>(
  { connection }: ProvisionedDatabase,
  fn: (client: pg.Client) => Promise<T>,
  database?: string,
): Promise<T> {
  const url = new URL(connection.url)
  if (database !== undefined) url.pathname = `/${database}`
  const client = new pg.Client(url.href)
  await client.connect()
  try {
    return await fn(client)
  } finally {
    await client.end()
  }
}

const traces = async (name: string) =>
  (
    await world.root.query(
      `select (select count(*) from pg_roles where rolname = $1)::int as roles,
              (select count(*) from pg_database where datname = $1)::int as databases`,
      [`app_${app(name)}`],
    )
  ).rows[0]

/** An odd one: the connection goes before and after statements in turn. */
const STEP = stepOf(3, 9)
/** In one of the two sets; what is cut off is so at more points in the slow one. */
const quick = it.skipIf(SLOW)

describe('provisionDatabase', () => {
  quick('makes a database that its role can fill', async () => {
    const one = await made('fill')
    expect(one).toMatchObject({
      app: app('fill'),
      database: `app_${app('fill')}`,
      role: `app_${app('fill')}`,
    })
    const rows = await as(one, async (client) => {
      await client.query('create table notes (id int generated always as identity, body text)')
      await client.query('create schema more; create table more.t (id int)')
      return (await client.query(`insert into notes (body) values ('hi') returning id, body`)).rows
    })
    expect(rows).toEqual([{ id: 1, body: 'hi' }])
  })

  quick('gives the role nothing else', async () => {
    const one = await made('least', { connectionLimit: 2 })
    const { rows } = await world.root.query(
      `select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolinherit, rolcanlogin, rolconnlimit,
         (select count(*) from pg_auth_members where member = r.oid)::int as memberships,
         (select datdba <> r.oid from pg_database where datname = r.rolname) as "notOwner"
       from pg_roles r where rolname = $1`,
      [one.role],
    )
    expect(rows).toEqual([
      {
        rolsuper: false,
        rolcreatedb: false,
        rolcreaterole: false,
        rolreplication: false,
        rolbypassrls: false,
        rolinherit: false,
        rolcanlogin: true,
        rolconnlimit: 2,
        memberships: 0,
        notOwner: true,
      },
    ])
    await as(one, async (client) => {
      for (const sql of [
        'create database mine',
        'create role mine',
        `alter role ${one.role} superuser`,
        `alter role ${one.role} connection limit 100`,
        `alter database ${one.database} with allow_connections false`,
        `grant connect on database ${one.database} to public`,
        `comment on role ${one.role} is 'pg_tenant app: provisioning'`,
        `set role ${world.adminRole}`,
        'select rolpassword from pg_authid',
        `select pg_read_file('/etc/hostname')`,
      ]) {
        const { code } = await client.query(sql).then(
          () => ({ code: 'let through' }),
          (error: { code: string }) => error,
        )
        // A GRANT of what one may not give is only a warning; that nothing came of it is seen below.
        expect(code, sql).toBe(sql.startsWith('grant') ? 'let through' : '42501')
      }
    })
    const { rows: acl } = await world.root.query(
      `select count(*)::int as open from pg_database d, aclexplode(d.datacl) a where d.datname = $1 and a.grantee = 0`,
      [one.database],
    )
    expect(acl).toEqual([{ open: 0 }])
  })

  quick("keeps apps out of each other's databases", async () => {
    const [a, b] = [await made('one'), await made('two')]
    await as(b, (client) => client.query('create table secret (body text)'))
    for (const [who, where] of [
      [a, b],
      [b, a],
    ] as const) {
      await expect(as(who, (client) => client.query('select 1'), where.database)).rejects.toMatchObject({
        code: '42501',
      })
    }
    await as(a, async (client) => {
      const { rows } = await client.query(
        `select to_regclass('public.secret') as secret, has_database_privilege($1, 'connect') as may`,
        [b.database],
      )
      expect(rows).toEqual([{ secret: null, may: false }])
      await expect(client.query(`set role ${b.role}`)).rejects.toMatchObject({ code: '42501' })
    })
    expect(a.alsoOpen).not.toContain(b.database)
    expect(a.alsoOpen).toContain('postgres')
  })

  quick('shows the password once and in nothing that is printed', async () => {
    const one = await made('shown', { host: 'db.internal', port: 6432 })
    const { password, url } = one.connection
    expect(Buffer.from(password, 'base64url')).toHaveLength(32)
    expect(url).toBe(`postgres://${one.role}:${password}@db.internal:6432/${one.database}`)
    for (const text of [inspect(one, { depth: 9 }), JSON.stringify(one)]) expect(text).not.toContain(password)
    expect(await codeOf(made('shown'))).toBe('DUPLICATE_RESOURCE')
  })

  quick('never sends the password to the server, only what it is checked against', async () => {
    const seen: Buffer[] = []
    const { hostname, port } = new URL(world.adminUrl)
    const tap = createServer((client) => {
      const server = connect(Number(port), hostname)
      client.on('data', (bytes) => seen.push(Buffer.from(bytes)))
      client.pipe(server).pipe(client)
      for (const socket of [client, server]) socket.on('error', () => client.destroy())
    })
    await new Promise<void>((resolve) => tap.listen(0, '127.0.0.1', resolve))
    const through = new URL(world.adminUrl)
    through.hostname = '127.0.0.1'
    through.port = String((tap.address() as AddressInfo).port)
    const pool = new pg.Pool({ connectionString: through.href, max: 2 })
    try {
      const one = await provisionDatabase(pool, { app: app('wire') })
      const sent = Buffer.concat(seen).toString('latin1')
      expect(sent).toContain('SCRAM-SHA-256$4096:')
      expect(sent).not.toContain(one.connection.password)
      const { rows } = await world.root.query(
        'select rolpassword as stored from pg_authid where rolname = $1',
        [one.role],
      )
      expect(rows[0].stored).toMatch(/^SCRAM-SHA-256\$4096:/)
    } finally {
      await pool.end()
      await new Promise((resolve) => tap.close(resolve))
    }
  })

  quick('refuses bad names before it connects', async () => {
    const nowhere = new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' })
    for (const bad of ['ab', 'a'.repeat(33), 'Acme', 'a-b-c', 'a b c', 'ünï', '', 'x";--', undefined, 3]) {
      expect(await codeOf(provisionDatabase(nowhere, { app: bad as string }))).toBe('VALIDATION_ERROR')
      expect(await codeOf(dropDatabase(nowhere, { app: bad as string, confirm: bad as string }))).toBe(
        'VALIDATION_ERROR',
      )
    }
    for (const bad of [{ connectionLimit: 0 }, { port: 0 }, { host: '' }, { template: '' }]) {
      expect(await codeOf(provisionDatabase(nowhere, { app: 'acme', ...bad }))).toBe('INVALID_OPTION')
    }
    expect(await codeOf(provisionDatabase(nowhere, { app: 'acme' }))).toBe('CONNECTION_LOST')
    await nowhere.end()
  })

  quick('takes over nothing that is there already', async () => {
    await world.root.query(`create role "app_${app('taken')}"`)
    expect(await codeOf(made('taken'))).toBe('DUPLICATE_RESOURCE')
    expect(await codeOf(dropDatabase(world.admin, { app: app('taken'), confirm: app('taken') }))).toBe(
      'CONFLICT',
    )
    await world.root.query(`create database "app_${app('takendb')}"`)
    expect(await codeOf(made('takendb'))).toBe('DUPLICATE_RESOURCE')
    expect(await codeOf(dropDatabase(world.admin, { app: app('takendb'), confirm: app('takendb') }))).toBe(
      'CONFLICT',
    )
    expect(await traces('taken')).toEqual({ roles: 1, databases: 0 })
    expect(await traces('takendb')).toEqual({ roles: 0, databases: 1 })
  })

  // Hazard ad: whoever may connect to the administrator's database could take an advisory lock of any name.
  quick('is kept waiting by no lock that an app can take', async () => {
    const one = await made('holder')
    const name = `app_${app('kept')}`
    await as(
      one,
      async (client) => {
        await client.query(`select pg_advisory_lock(hashtextextended('pg_tenant.app:' || $1, 0))`, [name])
        await expect(client.query(`create role "${name}#lock"`)).rejects.toMatchObject({ code: '42501' })
        await expect(client.query(`do $$ begin lock table pg_authid; end $$`)).rejects.toMatchObject({
          code: '42501',
        })
        expect((await made('kept')).database).toBe(name)
        expect(await dropDatabase(world.admin, { app: app('kept'), confirm: app('kept') })).toBe(true)
      },
      new URL(world.adminUrl).pathname.slice(1),
    )
    const { rows } = await world.root.query(`select rolname from pg_roles where rolname like '%#lock'`)
    expect(rows).toEqual([])
  })

  quick('lets one of two calls at once win', async () => {
    const results = await Promise.allSettled([made('race'), made('race'), made('race')])
    const [won, ...more] = results.filter(({ status }) => status === 'fulfilled')
    expect(more).toEqual([])
    const lost = results.filter((result) => result.status === 'rejected')
    expect(lost.map(({ reason }) => (reason as { code: string }).code)).toEqual([
      'DUPLICATE_RESOURCE',
      'DUPLICATE_RESOURCE',
    ])
    const winner = (won as PromiseFulfilledResult<ProvisionedDatabase>).value
    expect((await as(winner, (client) => client.query('select 1 as one'))).rows).toEqual([{ one: 1 }])
  })

  quick('leaves nothing when CREATE DATABASE fails', async () => {
    expect(await codeOf(made('half', { template: 'no such template' }))).toBe('DATABASE_ERROR')
    expect(await traces('half')).toEqual({ roles: 0, databases: 0 })
    expect(await made('half')).toMatchObject({ app: app('half') })
  })

  quick('says so when the administrator may not create databases', async () => {
    await world.root.query(`alter role ${world.adminRole} nocreatedb`)
    try {
      expect(await codeOf(made('weak'))).toBe('INVALID_OPTION')
    } finally {
      await world.root.query(`alter role ${world.adminRole} createdb`)
    }
    expect(await traces('weak')).toEqual({ roles: 0, databases: 0 })
  })

  quick('works for a superuser as well', async () => {
    const one = await provisionDatabase(world.root, { app: app('super') })
    expect(
      (await as(one, (client) => client.query('create table t (); select 1 as one'))) !== undefined,
    ).toBe(true)
    expect(await dropDatabase(world.root, { app: app('super'), confirm: app('super') })).toBe(true)
  })

  it('is cut off at any statement and finished by the next call', async () => {
    let at = 1
    for (; at < 100; at += STEP) {
      const name = `cut${at}`
      const { pool, killed } = killedAdmin(setting, at)
      const outcome = await provisionDatabase(pool, { app: app(name) }).then(
        () => 'done',
        (error: { code: string }) => error.code,
      )
      await pool.end().catch(() => {})
      if (!killed()) break
      expect(
        ['CONNECTION_LOST', 'UNKNOWN_OUTCOME', 'DATABASE_ERROR', 'done'],
        `statement ${at}: ${outcome}`,
      ).toContain(outcome)
      const again = await made(name).catch(async (error: { code: string }) => {
        // Cut off while it cleaned up, or after the last step was through: drop it and start over.
        expect(['CONFLICT', 'DUPLICATE_RESOURCE'], `statement ${at}`).toContain(error.code)
        expect(await dropDatabase(world.admin, { app: app(name), confirm: app(name) })).toBe(true)
        return await made(name)
      })
      expect(
        (await as(again, (client) => client.query('create table t (); select 1'))) !== undefined,
        `statement ${at}`,
      ).toBe(true)
      expect(await dropDatabase(world.admin, { app: app(name), confirm: app(name) })).toBe(true)
    }
    expect(at).toBeGreaterThan(8)
  })
})

describe('dropDatabase', () => {
  quick('ends the connections and removes database and role', async () => {
    const one = await made('gone')
    const client = new pg.Client(one.connection.url)
    client.on('error', () => {})
    await client.connect()
    expect(await dropDatabase(world.admin, { app: app('gone'), confirm: app('gone') })).toBe(true)
    expect(await traces('gone')).toEqual({ roles: 0, databases: 0 })
    expect(await dropDatabase(world.admin, { app: app('gone'), confirm: app('gone') })).toBe(false)
    await client.end().catch(() => {})
    expect(await made('gone')).toMatchObject({ app: app('gone') })
  })

  quick('wants the name once more', async () => {
    await made('kept')
    expect(await codeOf(dropDatabase(world.admin, { app: app('kept'), confirm: 'kept' }))).toBe(
      'VALIDATION_ERROR',
    )
    expect(await traces('kept')).toEqual({ roles: 1, databases: 1 })
  })

  it('is cut off at any statement and finished when run again', async () => {
    const name = 'dropcut'
    const again = { app: app(name), confirm: app(name) }
    let at = 1
    let halfway = 0
    for (; at < 100; at += stepOf(2, 4)) {
      await made(name)
      const { pool, killed } = killedAdmin(setting, at, true)
      await dropDatabase(pool, again).catch(() => undefined)
      await pool.end().catch(() => {})
      if (!killed()) break
      const { roles, databases } = await traces(name)
      if (roles === 1 && databases === 0) {
        halfway++
        expect(await codeOf(made(name)), `statement ${at}`).toBe('CONFLICT')
      }
      expect(await dropDatabase(world.admin, again), `statement ${at}`).toBe(roles === 1)
      expect(await traces(name)).toEqual({ roles: 0, databases: 0 })
    }
    expect(at).toBeGreaterThan(5)
    expect(halfway).toBeGreaterThan(0)
  })
})
