import { randomBytes } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'
import { typing } from './support.ts'

const project = useProject()
const { run, world } = project
/** Names belong to the server, which other test files use at the same time. */
const suffix = randomBytes(4).toString('hex')
const app = (name: string) => `${name}_${suffix}`

beforeAll(async () => {
  await world.root.query(`alter role ${world.adminRole} createdb`)
})
afterAll(async () => {
  const like = `app\\_%\\_${suffix}`
  const databases = await world.root.query(`select datname as name from pg_database where datname like $1`, [
    like,
  ])
  for (const { name } of databases.rows) await world.root.query(`drop database "${name}" with (force)`)
  const roles = await world.root.query(`select rolname as name from pg_roles where rolname like $1`, [like])
  for (const { name } of roles.rows) await world.root.query(`drop role "${name}"`)
})

const there = async (name: string) =>
  (await world.root.query('select from pg_database where datname = $1', [`app_${app(name)}`])).rowCount === 1

/** Who one is when one connects as a `.env` file says. */
async function whoIs(env: string): Promise<string> {
  const [, url] = /^DATABASE_URL=(.*)$/m.exec(env) ?? []
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query<{ who: string }>(
    `select current_user || ' ' || current_database() as who`,
  )
  await client.end()
  return rows[0]?.who ?? ''
}

it('plans without making anything', async () => {
  const { exit, stdout } = await run(`app create ${app('plan')} --dry-run`)
  expect([exit, stdout]).toEqual([
    EXIT.ok,
    `Database app_${app('plan')} and role app_${app('plan')} would be made.\n`,
  ])
  expect(await there('plan')).toBe(false)
})

it('makes a database and shows its connection, this once', async () => {
  const { exit, stdout, stderr } = await run(`app create ${app('shown')} --connection-limit 3`)
  expect(exit).toBe(EXIT.ok)
  expect(stderr).toContain('shown this once')
  expect(await whoIs(stdout)).toBe(`app_${app('shown')} app_${app('shown')}`)
  const again = await run(`app create ${app('shown')}`)
  expect([again.exit, again.stdout]).toEqual([EXIT.refused, ''])
  expect(again.stderr).toContain('DUPLICATE_RESOURCE')
  expect((await run(`app create ${app('shown')} --dry-run`)).exit).toBe(EXIT.refused)
  const { rows } = await world.root.query('select rolconnlimit as most from pg_roles where rolname = $1', [
    `app_${app('shown')}`,
  ])
  expect(rows).toEqual([{ most: 3 }])
})

it('writes it into a file for its owner only, and shows it nowhere', async () => {
  const { exit, stdout, stderr, json } = await run(`app create ${app('filed')} --write-env app.env --json`)
  expect(exit).toBe(EXIT.ok)
  const file = join(project.folder, 'app.env')
  expect(json()).toMatchObject({ app: app('filed'), role: `app_${app('filed')}`, envFile: file })
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const env = await readFile(file, 'utf8')
  const [, password = ''] = /^PGPASSWORD=(.*)$/m.exec(env) ?? []
  expect(password).toHaveLength(43)
  expect(stdout + stderr).not.toContain(password)
  expect(await whoIs(env)).toContain(`app_${app('filed')}`)
})

it('gives it to scripts as JSON', async () => {
  const { json } = await run(`app create ${app('scripted')} --json --host db.internal --port 6432`)
  expect(json()).toMatchObject({
    connection: { host: 'db.internal', port: 6432, password: expect.any(String), url: expect.any(String) },
    alsoOpen: expect.any(Array),
  })
})

it('makes nothing when the file cannot be made', async () => {
  await writeFile(join(project.folder, 'mine.env'), 'MINE=1')
  expect((await run(`app create ${app('unfiled')} --write-env mine.env`)).exit).toBe(EXIT.refused)
  expect(await there('unfiled')).toBe(false)
  expect(await readFile(join(project.folder, 'mine.env'), 'utf8')).toBe('MINE=1')
})

it('leaves no file behind when nothing was made', async () => {
  expect((await run(`app create ${app('shown')} --write-env left.env`)).exit).toBe(EXIT.refused)
  await expect(stat(join(project.folder, 'left.env'))).rejects.toThrow('ENOENT')
})

it('drops an app once its name is repeated, and says what would go', async () => {
  await run(`app create ${app('gone')}`)
  expect((await run(`app drop ${app('gone')} --dry-run --json`)).json()).toMatchObject({
    database: `app_${app('gone')}`,
    dryRun: true,
  })
  expect((await run(`app drop ${app('gone')}`)).stderr).toContain('--confirm <name>')
  const wrong = await run(`app drop ${app('gone')} --confirm ${app('gon')}`)
  expect([wrong.exit, await there('gone')]).toEqual([EXIT.usage, true])
  const typed = await run(`app drop ${app('gone')}`, { stdin: typing('no\n'), terminal: true })
  expect([typed.exit, await there('gone')]).toEqual([EXIT.usage, true])
  const dropped = await run(`app drop ${app('gone')} --confirm ${app('gone')}`)
  expect([dropped.exit, dropped.stdout, await there('gone')]).toEqual([
    EXIT.ok,
    `${app('gone')} is gone.\n`,
    false,
  ])
  expect((await run(`app drop ${app('gone')} --confirm ${app('gone')} --json`)).json()).toEqual({
    app: app('gone'),
    dropped: false,
  })
})

it('says what the administrator lacks', async () => {
  await world.root.query(`alter role ${world.adminRole} nocreatedb`)
  const { exit, stderr } = await run(`app create ${app('weak')}`)
  await world.root.query(`alter role ${world.adminRole} createdb`)
  expect(exit).toBe(EXIT.configuration)
  expect(stderr).toContain('ALTER ROLE … CREATEDB')
  expect(await there('weak')).toBe(false)
})

it.each([
  ['app create Shop', 'The name of an app'],
  ['app create ab', 'The name of an app'],
  ['app make shop', 'create or drop'],
  ['app create', "Missing required argument 'name'"],
  ['app create shop --confirm shop', '--confirm does not go with create'],
  ['app drop shop --confirm shop --write-env x', '--write-env does not go with drop'],
  ['app drop shop --confirm shop --connection-limit 3', '--connection-limit does not go with drop'],
  ['app create shop --port 0', '--port takes a whole number'],
])('%s is refused', async (line, text) => {
  const { exit, stderr } = await run(line)
  expect(stderr).toContain(text)
  expect(exit).toBe(EXIT.usage)
})
