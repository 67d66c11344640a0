// @module-tag slow: a recipe that others look at by parts.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useFolder } from './support.ts'
import { useWorld } from './world.ts'

const path = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url))
const world = useWorld([])
const folder = useFolder()

/** The recipe's files, in a project that has the packages installed. */
beforeAll(async () => {
  const page = await readFile(path('docs/recipes/seed.md'), 'utf8')
  const files = [...page.matchAll(/```ts\n\/\/ (\S+)\n(.*?)```/gs)]
  expect(files.map(([, name]) => name)).toEqual(['catalog.ts', 'pg-tenant.config.ts', 'setup.ts'])
  for (const [, name = '', code = ''] of files) {
    // Roles belong to the server: only the test needs a prefix.
    const own = code.replace('defineConfig({', `defineConfig({ rolePrefix: '${world.rolePrefix}',`)
    await folder.write(name, own)
  }
  await folder.write('package.json', '{ "type": "module" }')
  const modules = join(folder.path, 'node_modules')
  await mkdir(join(modules, '@org'), { recursive: true })
  for (const [name, target] of [
    ['@org/rbac', 'packages/rbac'],
    ['@org/pg-tenant', 'packages/pg-tenant'],
    ['@org/pg-tenant-cli', 'packages/cli'],
    ['pg', 'packages/cli/node_modules/pg'],
  ] as const) {
    await symlink(path(target), join(modules, name))
  }
})

async function node(file: string, argv: readonly string[] = [], more: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--conditions=@org/source', file, ...argv], {
    cwd: folder.path,
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      DATABASE_URL: world.appUrl,
      ADMIN_DATABASE_URL: world.adminUrl,
      ...more,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [exit]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { exit, stdout, stderr }
}
const pgTenant = (line: string, email?: string) =>
  node(path('packages/cli/src/main.ts'), line.split(' '), email ? { ADMIN_EMAIL: email } : {})

/** Each group with how much it may do, the administrators, and the packages of a tenant. */
async function seeded(tenant: string) {
  const schema = `c_${tenant}`
  const one = async (sql: string, values: unknown[] = []) =>
    (await world.root.query<{ found: unknown }>(sql, values)).rows[0]?.found
  return {
    groups: await one(
      `select jsonb_object_agg(g.name, (select count(*) from ${schema}.group_permission p where p.group_id = g.id)) as found
       from ${schema}."group" g`,
    ),
    admins: await one(
      `select array_agg(u.email order by u.email) as found from ${schema}."user" u
       join ${schema}.user_group m on m.user_id = u.id join ${schema}."group" g on g.id = m.group_id
       where g.name = 'ADM_CLIENTE'`,
    ),
    packages: await one('select array_agg(package_key) as found from rbac.tenant_package where tenant = $1', [
      tenant,
    ]),
  }
}

const FIRST = { ADM_CLIENTE: 1, OPERATOR: 2, VIEWER: 1 }

it('is refused before the catalogue is there, and nothing of it is kept', async () => {
  expect(await pgTenant('create early')).toMatchObject({ exit: EXIT.ok })
  const { exit, stderr } = await pgTenant('seed early', 'ana@early.example')
  expect(exit).toBe(EXIT.failed)
  expect(stderr).toContain('Run installRbac(admin')
  const { rows } = await world.root.query('select from c_early."group" union all select from c_early."user"')
  expect(rows).toEqual([])
})

it('seeds with store.seed, again and again, and undoes nothing that a tenant changed', async () => {
  for (const _ of ['first release', 'next release']) {
    expect(await node('setup.ts')).toEqual({ exit: 0, stdout: '', stderr: '' })
  }
  expect(await pgTenant('create acme --seed', 'ana@acme.example')).toMatchObject({ exit: EXIT.ok })
  const first = { groups: FIRST, admins: ['ana@acme.example'], packages: ['basic'] }
  expect(await seeded('acme')).toEqual(first)
  expect(await pgTenant('seed acme', 'ana@acme.example')).toMatchObject({ exit: EXIT.ok })
  expect(await seeded('acme')).toEqual(first)

  await world.root.query(`delete from c_acme.group_permission where tool_action = 'notes.item.create'`)
  await world.root.query(`delete from rbac.tenant_package where tenant = 'acme'`)
  expect(await pgTenant('seed --all')).toMatchObject({ exit: EXIT.ok })
  expect(await seeded('acme')).toEqual({ ...first, groups: { ...FIRST, OPERATOR: 1 }, packages: null })
  // What was refused before is completed.
  expect(await seeded('early')).toEqual({ groups: FIRST, admins: null, packages: ['basic'] })
})
