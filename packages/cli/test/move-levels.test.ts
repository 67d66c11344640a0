// @module-tag slow: commands at other levels.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { EXIT } from '../src/exit-codes.ts'
import { useProject } from './project.ts'

// One database: what placements differ in is the level.
const project = useProject()

beforeAll(async () => {
  const { world, folder } = project
  const named = (name: string) => `schemaPrefix: '${name}_', rolePrefix: '${world.rolePrefix}${name}_'`
  const shared = `create table notes (tenant_id text not null, id bigint generated always as identity, body text not null, primary key (tenant_id, id),
    unique (tenant_id, body)); create table app_settings (tenant_id text not null, key text not null, value text not null,
    updated_at timestamptz not null default now(), primary key (tenant_id, key))`
  const placements = [
    `plain: { isolation: 'schema' }`,
    `apart: { isolation: 'role', ${named('apart')} }`,
    `alone: { isolation: 'login', ${named('alone')} }`,
    `rows: { isolation: 'row', ${named('rows')}, migrations: [{ id: '0001_shared', sql: \`${shared}\` }] }`,
  ]
  const config = `isolation: 'row', row: { schema: 'shared' }, rolePrefix: '${world.rolePrefix}', placements: { ${placements.join(', ')} }`
  await writeFile(join(folder, 'pg-tenant.config.mjs'), `export default { ${config} }`)
})

/** Through all levels. */
const WAY = [
  ['plain', 'apart', 'role'],
  ['apart', 'alone', 'login'],
  ['alone', 'rows', 'row'],
  ['rows', 'plain', 'schema'],
]

it.each(WAY)('changes the level of a tenant: from %s to %s', async (from, to, isolation) => {
  if (from === 'plain') expect((await project.run('create acme --placement plain')).exit).toBe(EXIT.ok)
  const dry = await project.run(`move acme ${to} --dry-run`)
  expect(dry).toMatchObject({ exit: EXIT.ok, stdout: expect.stringContaining('can move') })
  const moved = await project.run(`move acme ${to}`)
  expect(moved).toMatchObject({ exit: EXIT.ok, stdout: expect.stringContaining(`from ${from} to ${to}`) })
  expect((await project.run(`list --placement ${to} --json`)).json()).toMatchObject({
    tenants: [{ key: 'acme', isolation }],
  })
})
