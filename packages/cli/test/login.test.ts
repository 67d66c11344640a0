// @module-tag sampled
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'

const project = useProject(`isolation: 'login', seed: async () => { throw new Error('no') }`)
const { run } = project
const inSlowSet = it.runIf(process.env.TEST_SLOW)

/** Who one is when one connects as a `.env` file says. */
async function whoIs(env: string): Promise<string> {
  const [, url] = /^DATABASE_URL=(.*)$/m.exec(env) ?? []
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query<{ who: string }>(`select current_user || ' ' || current_schema as who`)
  await client.end()
  return rows[0]?.who ?? ''
}

it('writes the connection of a new tenant into a file for its owner only, and shows it nowhere', async () => {
  const { exit, stdout, stderr, json } = await run('create acme --write-env acme.env --json')
  expect(exit).toBe(EXIT.ok)
  const file = join(project.folder, 'acme.env')
  expect(json()).toMatchObject({ created: true, envFile: file })
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const env = await readFile(file, 'utf8')
  const [, password = ''] = /^PGPASSWORD=(.*)$/m.exec(env) ?? []
  expect(password).toHaveLength(43)
  expect(stdout + stderr).not.toContain(password)
  expect(await whoIs(env)).toBe(`${project.world.rolePrefix}acme c_acme`)
})

inSlowSet('shows it on stdout without a file, this once', async () => {
  const first = await run('create globex')
  expect(first.stderr).toContain('shown this once')
  expect(await whoIs(first.stdout)).toBe(`${project.world.rolePrefix}globex c_globex`)
  const again = await run('create globex')
  expect(again.exit).toBe(EXIT.ok)
  expect(again.stdout).not.toContain('PG')
  expect((await run('create initech --quiet')).stdout).toContain('PGPASSWORD=')
  expect((await run('create hooli --json')).json()).toMatchObject({
    connection: { password: expect.any(String) },
  })
})

it('makes no tenant when the file cannot be made, and never overwrites one', async () => {
  await writeFile(join(project.folder, 'mine.env'), 'MINE=1')
  const { exit, stderr } = await run('create umbrella --write-env mine.env')
  expect(exit).toBe(EXIT.refused)
  expect(stderr).toContain('not overwritten')
  expect(await readFile(join(project.folder, 'mine.env'), 'utf8')).toBe('MINE=1')
  expect((await run('env umbrella')).exit).toBe(EXIT.refused)
})

inSlowSet('leaves no empty file behind', async () => {
  const { stderr } = await run('create acme --write-env again.env')
  expect(stderr).toContain('No password was set now')
  expect((await run('create Bad --write-env bad.env')).exit).toBe(EXIT.usage)
  for (const name of ['again.env', 'bad.env']) {
    await expect(stat(join(project.folder, name))).rejects.toThrow('ENOENT')
  }
})

inSlowSet('gives a new password', async () => {
  expect((await run('env acme --rotate --dry-run')).stdout).toContain('would get a new password')
  const old = await readFile(join(project.folder, 'acme.env'), 'utf8')
  expect(await whoIs(old)).toContain('acme')
  const { exit, stdout } = await run('env acme --rotate --write-env new.env')
  expect(exit).toBe(EXIT.ok)
  expect(stdout).not.toMatch(/PGPASSWORD|postgres:/)
  expect(await whoIs(await readFile(join(project.folder, 'new.env'), 'utf8'))).toContain('acme')
})

inSlowSet('shows the settings of a tenant without a secret', async () => {
  const { stdout } = await run('env acme')
  expect(stdout).toContain(`PGUSER=${project.world.rolePrefix}acme`)
  expect(stdout).not.toContain('PASSWORD')
})

inSlowSet('does not lose the password when the seed fails', async () => {
  const { exit, stdout } = await run('create cyberdyne --seed --json')
  expect(exit).toBe(EXIT.internal)
  const [document = ''] = stdout.split(/(?<=^})/m)
  expect(JSON.parse(document)).toMatchObject({ seeded: false, connection: { password: expect.any(String) } })
})

inSlowSet('adopts logins that are there, with their schemas and their passwords', async () => {
  const { world, folder } = project
  const roleOf = (key: string) => `${world.rolePrefix}.${key}`
  for (const key of ['one', 'two'])
    await world.root.query(`create role "${roleOf(key)}" login password 'as-${key}'; grant "${roleOf(key)}" to ${world.adminRole} with admin option;
      create schema "schema_${key}" authorization "${roleOf(key)}"; set role "${roleOf(key)}"; set search_path to "schema_${key}";
      create table notes (id bigint generated always as identity primary key, body text unique not null);
      create table app_settings (key text primary key, value text not null, updated_at timestamptz not null default now());
      insert into notes (body) values (current_schema()); reset role; reset search_path`)
  await writeFile(join(folder, 'passwords.json'), '{ "one": "as-one", "two": "as-two" }')
  const all = `adopt --all --schemas schema_* --roles ${world.rolePrefix}.* --baseline 0001_notes`
  const dry = await run(`${all} --dry-run`)
  expect([dry.exit, dry.stdout]).toEqual([EXIT.failed, expect.stringContaining('PASSWORD_MISSING')])
  const adopted = await run(`${all} --passwords passwords.json --json`)
  expect(adopted.lines()).toMatchObject([
    { tenant: 'one', ok: true, role: roleOf('one'), adopted: true },
    { tenant: 'two', ok: true },
    { type: 'report', ok: true, done: 2 },
  ])
  expect(adopted.stdout).not.toContain('as-one')
  expect((await run('adopt --all --confirm')).stdout).toBe('2 adoptions confirmed.\n')
  expect((await run('env one')).stdout).toContain('TENANT_SCHEMA=schema_one')
  await run('suspend one')
  expect(await run('env one'), 'no name is guessed').toMatchObject({ exit: EXIT.refused, stdout: '' })
  await run('resume one')
  expect(await run('adopt one --schema x --passwords nowhere.json')).toMatchObject({
    exit: EXIT.configuration,
  })
  expect((await run('adopt --all --schemas x* --databases y*')).exit).toBe(EXIT.usage)
})
