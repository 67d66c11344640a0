import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram, uniqueName } from '@org/pg-testing'
import pg from 'pg'
import { afterAll, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'
import { pgTenant } from './support.ts'

const psql = findProgram('psql')
const project = useProject()
const { world } = project
const [app, admin] = [uniqueName('app'), uniqueName('adm')]

afterAll(async () => {
  if (psql === undefined) return
  await world.root.query(`drop owned by ${app}, ${admin} cascade; drop role ${app}, ${admin}`)
})

it.skipIf(psql === undefined)(
  'prints SQL that makes the roles a tenant needs, and may be repeated',
  async () => {
    const { stdout } = await project.run(`init --sql --app-role ${app} --admin-role ${admin}`)
    for (const _ of [1, 2]) {
      const { stderr, status } = spawnSync(psql ?? '', ['-X', world.url], { input: stdout, encoding: 'utf8' })
      expect([status, stderr]).toEqual([0, ''])
    }
    await world.root.query(`alter role ${app} password 'p'; alter role ${admin} password 'p'`)
    const as = (user: string) => Object.assign(new URL(world.url), { username: user, password: 'p' }).href
    const env = { DATABASE_URL: as(app), ADMIN_DATABASE_URL: as(admin) }
    const run = (line: string) => project.run(line, { env })
    expect((await run('create acme')).exit).toBe(EXIT.ok)
    expect((await run('create bravo')).exit).toBe(EXIT.ok)
    const doctor = await run('doctor --json')
    expect(doctor.json()).toMatchObject({ findings: [] })
    expect((await run('verify')).exit).toBe(EXIT.ok)
    // The application has no rights of its own.
    const pool = new pg.Pool({ connectionString: as(app) })
    await expect(pool.query('select from c_acme.notes')).rejects.toMatchObject({ code: '42501' })
    await pool.end()
    for (const key of ['acme', 'bravo']) await run(`drop ${key} --confirm ${key} --no-backup`)
  },
)

it('says where the first migration goes while there is none', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'pg-tenant-init-'))
  const { env } = project
  expect((await pgTenant(['init', '--js'], { cwd, env })).exit).toBe(EXIT.ok)
  const { exit, stderr } = await pgTenant(['list'], { cwd, env })
  expect(exit).toBe(EXIT.configuration)
  expect(stderr).toContain(`${join(cwd, 'migrations')} is empty. Put the first migration there`)
  await rm(cwd, { recursive: true })
})

it('looks at the database first, and proposes what it found', async () => {
  const fresh = async (line: string) => {
    const cwd = await mkdtemp(join(tmpdir(), 'pg-tenant-init-'))
    try {
      const ran = await pgTenant(line.split(' '), { cwd, env: { ADMIN_DATABASE_URL: world.url } })
      const config = await readFile(join(cwd, 'pg-tenant.config.ts'), 'utf8').catch(() => '')
      return { ...ran, config }
    } finally {
      await rm(cwd, { recursive: true })
    }
  }
  await world.root.query(`create schema shop; create table shop.plans (id int);
    create table shop.invoices (id int, tenant_id uuid not null); create table shop.lines (id int, tenant_id uuid not null)`)
  const rows = await fresh('init')
  expect(rows.stderr).toContain('Found: 2 tables in shop with tenant_id (uuid); without it: plans.')
  expect(rows.config).toContain(`isolation: 'row',\n  row: {"schema":"shop","tenantColumn":"tenant_id"},`)
  for (const name of ['client_a', 'client_b', 'client_c'])
    await world.root.query(`create schema ${name}; create table ${name}.notes (id int)`)
  const schemas = await fresh('init')
  expect(schemas.stderr).toContain(`Found: 3 schemas named client_* with 1 table each.`)
  expect(schemas.stderr).toContain(`pg-tenant adopt --all --schemas 'client_*'`)
  expect(schemas.config).toContain(`isolation: 'role',`)
  const unreachable = { ADMIN_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }
  expect((await pgTenant(['init', '--dry-run'], { cwd: tmpdir(), env: unreachable })).exit).toBe(EXIT.ok)
  await world.root.query('drop schema shop, client_a, client_b, client_c cascade')
})
