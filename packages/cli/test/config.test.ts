import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { resolveSettings } from '../src/config/settings.ts'
import { EXIT } from '../src/index.ts'
import { pgTenant, useFolder } from './support.ts'

const folder = useFolder()
const [ENV, FILE, ARGUMENT] = [
  'postgres://env@h/env',
  'postgres://file@h/file',
  'postgres://argument@h/argument',
]

async function project(name: string, config: string, file = 'pg-tenant.config.mjs'): Promise<string> {
  await mkdir(join(folder.path, name))
  await folder.write(join(name, file), config)
  return join(folder.path, name)
}

it.each([
  ['thresholds', '7'],
  ['placements.eu.thresholds', '[7]'],
])('%s that are no object are refused', async (where, value) => {
  const at =
    where === 'thresholds'
      ? `thresholds: ${value}`
      : `placements: { eu: { databaseUrl: '${FILE}', thresholds: ${value} } }`
  const cwd = await project(where, `export default { databaseUrl: '${FILE}', ${at} }`)
  await expect(resolveSettings({}, {}, cwd)).rejects.toMatchObject({
    code: 'CONFIGURATION',
    message: expect.stringContaining(`${where} must be an object`),
  })
})

describe('precedence', () => {
  it('is the command line, then the environment, then the file', async () => {
    const cwd = await project(
      'precedence',
      `export default { databaseUrl: '${FILE}', adminUrl: '${FILE}-admin' }`,
    )
    const of = async (options: object, env: object) => {
      const { databaseUrl, adminUrl } = await resolveSettings(options, env as Record<string, string>, cwd)
      return [databaseUrl, adminUrl]
    }
    expect(await of({}, {})).toEqual([FILE, `${FILE}-admin`])
    expect(await of({}, { DATABASE_URL: ENV })).toEqual([ENV, `${FILE}-admin`])
    expect(await of({}, { DATABASE_URL: '', ADMIN_DATABASE_URL: ENV })).toEqual([FILE, ENV])
    expect(await of({ url: ARGUMENT }, { DATABASE_URL: ENV, ADMIN_DATABASE_URL: ENV })).toEqual([
      ARGUMENT,
      ARGUMENT,
    ])
    expect(await of({ adminUrl: ARGUMENT }, { DATABASE_URL: ENV })).toEqual([ENV, ARGUMENT])
  })

  it('leaves the environment out for a placement, so that no other cluster is met', async () => {
    const cwd = await project(
      'placements',
      `export default { placements: { eu: { databaseUrl: '${FILE}' } } }`,
    )
    const settings = await resolveSettings(
      { placement: 'eu' },
      { DATABASE_URL: ENV, ADMIN_DATABASE_URL: ENV },
      cwd,
    )
    expect([settings.databaseUrl, settings.adminUrl]).toEqual([FILE, FILE])
    await expect(resolveSettings({ placement: 'us' }, {}, cwd)).rejects.toThrow('it has eu')
    await expect(resolveSettings({ placement: 'toString' }, {}, cwd)).rejects.toThrow('it has eu')
  })

  it('takes the password of a URL without one from PGPASSWORD', async () => {
    const { databaseUrl } = await resolveSettings({ url: ARGUMENT }, { PGPASSWORD: 'p@ss/w:rd' }, folder.path)
    expect(new URL(databaseUrl).password).toBe('p%40ss%2Fw%3Ard')
  })
})

describe('a configuration that cannot be used', () => {
  it.each([
    ['missing', ['list', '--config', 'nowhere.mjs'], 'There is no configuration file'],
    ['no URL', ['list'], 'DATABASE_URL is not set'],
  ])('%s', async (_name, argv, text) => {
    const { exit, stderr } = await pgTenant(argv, { cwd: folder.path })
    expect(exit).toBe(EXIT.configuration)
    expect(stderr).toContain(text)
  })

  it.each([
    ['syntax', 'export default {', 'could not be loaded'],
    ['nothing', 'export const config = {}', 'no default export'],
    ['module', "import 'not-there-at-all'", 'npm install --save-dev not-there-at-all'],
    ['option', `export default { databaseUrl: '${FILE}', isolaton: 'role' }`, 'isolaton'],
    ['level', `export default { databaseUrl: '${FILE}', isolation: 'none' }`, 'isolation'],
    ['url', "export default { databaseUrl: 'host=x password=hunter2' }", 'databaseUrl is not a URL'],
    ['folder', `export default { databaseUrl: '${FILE}', migrations: './none' }`, '.sql file'],
  ])('%s', async (name, config, text) => {
    const { exit, stderr } = await pgTenant(['list'], { cwd: await project(name, config) })
    expect(stderr).toContain(text)
    expect(exit).toBe(EXIT.configuration)
    expect(stderr).not.toMatch(/hunter2|\n {4}at /)
  })

  it.each([
    ['throws', "throw new RangeError('value hunter2')", 'RangeError'],
    ['parses', "JSON.parse('hunter2')", 'SyntaxError'],
    ['node', "process.chdir({ hunter2: 'hunter2' })", 'TypeError'],
  ])('shows what its own code threw only with --debug: %s', async (name, code, kind) => {
    const cwd = await project(name, code)
    const { stderr, exit } = await pgTenant(['list'], { cwd })
    expect(exit).toBe(EXIT.configuration)
    expect(stderr).toContain(`its code threw a ${kind}`)
    expect(stderr).not.toContain('hunter2')
    expect((await pgTenant(['list', '--debug'], { cwd })).stderr).toContain(kind)
  })

  it('needs a key for passwords at level login', async () => {
    const cwd = await project('login', `export default { databaseUrl: '${FILE}', isolation: 'login' }`)
    const env = { SETTINGS_ENCRYPTION_KEY: 'hunter2' }
    const { exit, stderr } = await pgTenant(['list'], { cwd, env })
    expect(exit).toBe(EXIT.configuration)
    expect(stderr).toContain('KEY_INVALID')
    expect(stderr).not.toContain('hunter2')
  })
})

it('says when there is no connection', async () => {
  const env = { DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/d' }
  const { exit, stderr } = await pgTenant(['list'], { cwd: folder.path, env })
  expect(exit).toBe(EXIT.connection)
  expect(stderr).toContain('ECONNREFUSED')
  expect(stderr).not.toContain('hunter2')
})
