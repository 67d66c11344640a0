import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createTenancy } from '@org/pg-tenant'
import {
  connectPostgres,
  findProgram,
  hasPgBouncer,
  startPgBouncer,
  type TestDatabase,
  uniqueName,
} from '@org/pg-testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { composeProblems, exposedServices, parseYaml } from '../deploy/compose.ts'

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url))
const psql = findProgram('psql')
/** What `bootstrap.sql` asks for. */
const hasPsql14 = () =>
  psql !== undefined && / (1[4-9]|[2-9]\d)\./.test(execFileSync(psql, ['--version'], { encoding: 'utf8' }))
const read = (name: string) => readFileSync(join(DEPLOY, name), 'utf8')

describe.each(['compose.yaml', 'compose.internal.yaml'])('%s', (name) => {
  it('keeps to the rules', () => {
    expect(composeProblems(parseYaml(read(name)))).toEqual([])
  })

  const broken: readonly (readonly [string, RegExp, string])[] = [
    ['an image without a version', /postgres:18\.4/, 'postgres:latest'],
    ['a password in clear', /POSTGRES_PASSWORD_FILE: .*/, 'POSTGRES_PASSWORD: hunter2'],
    [
      'a password file that is no secret',
      /POSTGRES_PASSWORD_FILE: .*/,
      'POSTGRES_PASSWORD_FILE: /etc/passwd',
    ],
    ['no health check', /healthcheck:/, 'heathcheck:'],
    ['data without a volume', /data:\/var\/lib\/postgresql/, 'data:/var/lib/data'],
    ['an undeclared secret', /- app_password/, '- other_password'],
    ['a secret that is no file', /file: \.\/secrets\/app_password/, 'external: "true"'],
    ['a URL with a password', /shm_size: 256mb/, 'shm_size: "postgres://a:b@c/d"'],
  ]
  it.each(broken)('is refused with %s', (_what, pattern, replacement) => {
    const changed = read(name).replace(pattern, replacement)
    expect(changed).not.toBe(read(name))
    expect(composeProblems(parseYaml(changed))).not.toEqual([])
  })

  it('mounts files that are there', () => {
    for (const [, file] of read(name).matchAll(/- \.\/(\S+?):\//g)) expect(read(String(file))).not.toBe('')
  })
})

describe('compose.hub.yaml', () => {
  const source = read('compose.hub.yaml')

  it('keeps to the rules, and is the hub and its worker from one image', () => {
    const file = parseYaml(source)
    expect(composeProblems(file)).toEqual([])
    expect([...source.matchAll(/image: (\S+)/g)].map(([, image]) => image)).toEqual(
      Array(2).fill('registry.example/hub:1.0.0'),
    )
    expect(source.match(/ports:/g), 'nobody needs to reach a worker').toHaveLength(1)
  })

  it('keeps secrets out of it', () => {
    for (const [name, file] of [
      [
        'DATABASE_URL_FILE: /run/secrets/hub_database_url',
        'DATABASE_URL: postgres://app:hunter2@postgres/app',
      ],
      ['TOKEN_SIGNING_KEY_FILE: /run/secrets/hub_token_signing_key', 'TOKEN_SIGNING_KEY: key'],
    ] as const) {
      const changed = source.replace(name, file)
      expect(changed).not.toBe(source)
      expect(composeProblems(parseYaml(changed))).not.toEqual([])
    }
  })
})

describe('who can reach the database', () => {
  it('this machine only, by compose.yaml', () => {
    const file = parseYaml(read('compose.yaml'))
    expect(read('compose.yaml')).toContain('"127.0.0.1:5433:5432"')
    expect(exposedServices(file)).toEqual(['postgres'])
    for (const open of ['5433:5432', '0.0.0.0:5433:5432', '[::]:5433:5432']) {
      const changed = read('compose.yaml').replace('127.0.0.1:5433:5432', open)
      expect(composeProblems(parseYaml(changed))).toEqual([`postgres: port ${open} is not bound to loopback`])
    }
  })

  it('internal networks only, by compose.internal.yaml', () => {
    const source = read('compose.internal.yaml')
    expect(exposedServices(parseYaml(source))).toEqual([])
    expect(exposedServices(parseYaml(source.replace('internal: true', 'internal: false')))).toEqual([
      'postgres',
      'pgbouncer',
    ])
    expect(
      exposedServices(
        parseYaml(source.replace('    networks:\n      - database\n    healthcheck', '    healthcheck')),
      ),
    ).toEqual(['postgres'])
    const published = source.replace('    shm_size: 256mb', '    ports:\n      - "127.0.0.1:5432:5432"')
    expect(exposedServices(parseYaml(published))).toEqual(['postgres'])
  })
})

it('gives the application the same settings by the README, bootstrap.sql and pg-tenant init', () => {
  const text = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const listed = (path: string, pattern: RegExp) =>
    [...text(path).matchAll(pattern)].map(([, name, value]) => `${name}=${value}`)
  const inReadme = listed('README.md', /^alter role app set (\w+) = '([^']+)'/gm)
  expect(inReadme).toHaveLength(6)
  for (const path of ['deploy/bootstrap.sql', 'packages/cli/src/init/roles-sql.ts'])
    expect(listed(path, /\('(\w+)', '([^']+)'\)/g), path).toEqual(inReadme)
})

describe.skipIf(!hasPsql14())('bootstrap.sql', () => {
  const [app, admin, owner] = [uniqueName('app'), uniqueName('adm'), uniqueName('own')]
  const rolePrefix = `${uniqueName('r')
    .slice(-12)
    .replace(/^[^a-z]*/, 'r')}_`
  let server: Awaited<ReturnType<typeof connectPostgres>>
  let database: TestDatabase
  let root: pg.Pool
  let secrets: string

  beforeAll(async () => {
    server = await connectPostgres(inject('pgTenantServerUrl'))
    database = await server.createDatabase()
    root = new pg.Pool({ connectionString: database.url, max: 2 })
    // The database is dropped with force at the end, and a connection that is still closing hears of it.
    root.on('error', () => {})
    await root.query(`create role ${owner} login createrole createdb password 'owner'`)
    secrets = mkdtempSync(join(tmpdir(), 'pg-tenant-deploy-'))
    writeFileSync(join(secrets, 'app'), `it's a \\"secret"`)
    writeFileSync(join(secrets, 'admin'), 'admin')
  })

  afterAll(async () => {
    await root.end()
    await database.drop()
    const client = new pg.Client(server.url)
    await client.connect()
    const { rows } = await client.query<{ name: string }>(
      `select rolname as name from pg_roles where starts_with(rolname, $1) or rolname = any ($2)`,
      [rolePrefix, [app, admin]],
    )
    for (const { name } of rows) await client.query(`drop role "${name}"`)
    await client.query(`drop role ${owner}`)
    await client.end()
    rmSync(secrets, { recursive: true })
  })

  const bootstrap = async (url: string, given: Record<string, string> | string = {}, ...more: string[]) => {
    const [files, variables] = typeof given === 'string' ? [{}, [given, ...more]] : [given, more]
    const args = [url, '--no-psqlrc', '--quiet', '-f', join(DEPLOY, 'bootstrap.sql')]
    const env = {
      ...process.env,
      PG_TENANT_APP_PASSWORD_FILE: join(secrets, 'app'),
      PG_TENANT_ADMIN_PASSWORD_FILE: join(secrets, 'admin'),
      ...files,
    }
    const all = [`app_role=${app}`, `admin_role=${admin}`, ...variables].flatMap((one) => ['-v', one])
    return await promisify(execFile)(psql ?? 'psql', [...args, ...all], { env })
  }
  const as = (user: string, password: string) => {
    const url = new URL(database.url)
    url.username = user
    url.password = encodeURIComponent(password)
    return url.href
  }
  const facts = async () =>
    (
      await root.query(
        `select rolname = $1 as app, rolinherit, rolcreaterole, rolcreatedb, rolsuper or rolbypassrls or rolreplication as mighty, rolcanlogin,
           has_database_privilege(oid, current_database(), 'connect') as connect,
           has_database_privilege(oid, current_database(), 'create') as "create",
           has_database_privilege(oid, current_database(), 'temporary') as temporary,
           has_schema_privilege(oid, 'public', 'create') as "publicCreate", has_schema_privilege(oid, 'public', 'usage') as "publicUsage"
         from pg_roles where rolname in ($1, $2) order by 1`,
        [app, admin],
      )
    ).rows

  /** What the application's role comes with. */
  const settings = async () =>
    (
      await root.query<{ setting: string }>(
        'select unnest(setconfig) as setting from pg_db_role_setting where setrole = $1::regrole order by 1',
        [app],
      )
    ).rows.map(({ setting }) => setting)

  it('makes the two roles and closes what PUBLIC had; twice is once', async () => {
    const common = {
      mighty: false,
      rolcanlogin: true,
      connect: true,
      temporary: false,
      publicCreate: false,
      publicUsage: true,
    }
    const expected = [
      { ...common, app: false, rolinherit: true, rolcreaterole: true, rolcreatedb: false, create: true },
      { ...common, app: true, rolinherit: false, rolcreaterole: false, rolcreatedb: false, create: false },
    ]
    await bootstrap(database.url)
    expect(await facts()).toEqual(expected)
    expect(await settings()).toHaveLength(6)
    await root.query(`alter role ${app} set lock_timeout = '3s'`)
    await bootstrap(database.url)
    expect(await facts()).toEqual(expected)
    expect(await settings(), 'what somebody set stays').toEqual(
      [
        'statement_timeout=30s',
        'lock_timeout=3s',
        'idle_in_transaction_session_timeout=60s',
        'synchronous_commit=on',
        'default_transaction_isolation=read committed',
        'default_transaction_read_only=off',
      ].sort(),
    )
    const { rows } = await root.query(
      'select rolpassword as stored from pg_authid where rolname = any ($1)',
      [[app, admin]],
    )
    for (const { stored } of rows) expect(stored).toMatch(/^SCRAM-SHA-256\$/)
  })

  it('is enough for a tenancy', async () => {
    const pool = new pg.Pool({ connectionString: as(app, `it's a \\"secret"`), max: 2 })
    const adminPool = new pg.Pool({ connectionString: as(admin, 'admin'), max: 2 })
    try {
      const tenancy = createTenancy({
        pool,
        adminPool,
        rolePrefix,
        migrations: [{ id: '1', sql: 'create table notes (body text)' }],
      })
      await tenancy.provision('acme')
      await tenancy.query('acme', `insert into notes values ('hi')`)
      expect((await tenancy.query('acme', 'select body from notes')).rows).toEqual([{ body: 'hi' }])
      await expect(tenancy.query('acme', 'create temporary table t ()')).rejects.toMatchObject({
        code: 'DATABASE_ERROR',
      })
      await expect(tenancy.query('acme', 'create table public.t ()')).rejects.toMatchObject({
        code: 'DATABASE_ERROR',
      })
      expect(await tenancy.drop('acme')).toBe(true)
    } finally {
      await Promise.all([pool.end(), adminPool.end()])
    }
  })

  it.each([
    ['APP', 'not there', undefined],
    ['APP', 'empty', ''],
    ['ADMIN', 'not there', undefined],
    ['ADMIN', 'empty', ''],
  ])('refuses a password file of %s that is %s, and changes nothing', async (who, _what, text) => {
    const stored = async () =>
      (
        await root.query('select rolname, rolpassword from pg_authid where rolname = any ($1) order by 1', [
          [app, admin],
        ])
      ).rows
    const before = await stored()
    const file = join(secrets, `bad-${who}`)
    rmSync(file, { force: true })
    if (text !== undefined) writeFileSync(file, text)
    const name = `PG_TENANT_${who}_PASSWORD_FILE`
    await expect(bootstrap(database.url, { [name]: file })).rejects.toMatchObject({
      stderr: expect.stringContaining(name),
    })
    expect(await stored()).toEqual(before)
    expect(before).toHaveLength(2)
  })

  it('refuses roles that are more than they should be', async () => {
    await root.query(`alter role ${app} createdb`)
    await expect(bootstrap(database.url)).rejects.toMatchObject({
      stderr: expect.stringContaining('has special rights'),
    })
    await root.query(`alter role ${app} nocreatedb; grant ${admin} to ${app}`)
    await expect(bootstrap(database.url)).rejects.toMatchObject({
      stderr: expect.stringContaining('must not be a member'),
    })
    await root.query(`revoke ${admin} from ${app}`)
    await expect(bootstrap(database.url, `admin_role=${app}`)).rejects.toMatchObject({
      stderr: expect.stringContaining('two roles'),
    })
  })

  it('works for a database owner who is no superuser', async () => {
    const { rows } = await root.query('select current_database() as name')
    await root.query(
      `drop owned by ${app}, ${admin}; drop role ${app}, ${admin}; alter database "${rows[0].name}" owner to ${owner}`,
    )
    await bootstrap(as(owner, 'owner'), 'admin_createdb=on')
    expect(await facts()).toMatchObject([
      { rolcreaterole: true, rolcreatedb: true, create: true },
      { app: true, create: false },
    ])
    await root.query(`alter database "${rows[0].name}" owner to current_user`)
  })
})

describe.skipIf(!hasPgBouncer())('pgbouncer.ini', () => {
  it('holds settings that PgBouncer knows, in transaction mode', async () => {
    const database = await (await connectPostgres(inject('pgTenantServerUrl'))).createDatabase()
    const section = read('pgbouncer.ini').split('[pgbouncer]')[1] ?? ''
    const all = Object.fromEntries(
      [...section.matchAll(/^(\w+) =(.*)$/gm)].map(([, key, value]) => [key, value?.trim()]),
    )
    expect(all).toMatchObject({
      pool_mode: 'transaction',
      auth_type: 'scram-sha-256',
      auth_file: '/run/secrets/userlist',
    })
    const { listen_addr: _a, listen_port: _p, auth_type: _t, auth_file: _f, ...settings } = all
    const pooler = await startPgBouncer({ url: database.url, settings: settings as Record<string, string> })
    const client = new pg.Client(pooler.url)
    try {
      await client.connect()
      expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    } finally {
      await client.end()
      await pooler.stop()
      await database.drop()
    }
    await expect(
      startPgBouncer({
        url: database.url,
        settings: { ...(settings as Record<string, string>), pool_mod: 'x' },
      }),
    ).rejects.toThrow()
  })
})
