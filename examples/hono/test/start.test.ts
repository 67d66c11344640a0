import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { createTenancy, loadMigrations } from '@org/pg-tenant'
import { eventually } from '@org/pg-testing'
import pg from 'pg'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { startSite } from '../src/start.ts'
import { runProgram } from './support/child.ts'
import { asSite, identity, useWorld } from './support/world.ts'

const START = new URL('../src/start.ts', import.meta.url)
const LISTENING = /"message":"listening","port":(\d+)/
const world = useWorld()
let provider: Awaited<ReturnType<typeof identity.serve>>

beforeAll(async () => {
  provider = await identity.serve()
})
afterAll(() => provider.close())

/** Starts it on the test server and on a free port, as a deployment would: by its environment alone. */
function start(more: Record<string, string> = {}) {
  return runProgram(START, environment(more))
}

function environment(more: Record<string, string> = {}): Record<string, string> {
  const { url, adminUrl, rolePrefix } = world()
  return {
    ...provider.env,
    PORT: '0',
    DATABASE_URL: url,
    ADMIN_DATABASE_URL: adminUrl,
    ROLE_PREFIX: rolePrefix,
    SETTINGS_ENCRYPTION_KEY: randomBytes(32).toString('hex'),
    ...more,
  }
}

/** The same in this process, for the time of the test. */
async function open(more: Record<string, string> = {}) {
  const printed = vi.spyOn(console, 'log').mockImplementation(() => {})
  onTestFinished(() => printed.mockRestore())
  const site = await startSite(environment(more))
  onTestFinished(() => site.close())
  return { ...site, output: () => printed.mock.calls.flat().join('\n') }
}

/** The address of what listens there, with the clients acme and globex in it. */
async function addressOf(port: string | number): Promise<string> {
  const url = `http://127.0.0.1:${port}`
  for (const client of ['acme', 'globex']) {
    const { status } = await fetch(`${url}/clients/${client}`, { method: 'PUT', headers: asSite(client) })
    expect([200, 201]).toContain(status)
  }
  return url
}

const read = (url: string, client: string) => fetch(`${url}/notes`, { headers: asSite(client) })

const write = (url: string, client: string, body: string) =>
  fetch(`${url}/notes`, {
    method: 'POST',
    headers: { ...asSite(client), 'Content-Type': 'application/json' },
    body: JSON.stringify({ body }),
  })

async function isWaitingForLock(): Promise<boolean> {
  const { rows } = await world().root.query(
    `select from pg_locks where not granted and relation = 'c_acme.notes'::regclass`,
  )
  return rows.length > 0
}

/** A request is in flight when the first signal comes; it is answered, and the program ends with 0. */
async function endsAt(signals: readonly NodeJS.Signals[], program: ReturnType<typeof start>, url: string) {
  const blocker = await world().root.connect()
  await blocker.query('begin; lock table c_acme.notes in access exclusive mode')
  const inFlight = write(url, 'acme', signals.join())
  await eventually(isWaitingForLock)

  // As a terminal and the package manager between both do; two different ones, because equal ones may merge.
  for (const signal of signals) program.process.kill(signal)
  const refused = () =>
    read(url, 'globex').then(
      () => false,
      () => true,
    )
  await eventually(refused)
  await blocker.query('commit')
  blocker.release()

  expect((await inFlight).status).toBe(201)
  expect(await program.exited, program.output()).toBe(0)
  const { rows } = await world().root.query('select from c_acme.notes where body = $1', [signals.join()])
  expect(rows).toHaveLength(1)
}

it('on SIGINT answers the request in flight, then exits with 0, also when SIGTERM comes right behind', {
  tags: 'slow',
}, async () => {
  const program = start()
  await endsAt(['SIGINT', 'SIGTERM'], program, await addressOf(await program.printed(LISTENING)))
})

it("accepts users by the identity provider's published keys, and keeps the same ids of two clients apart", async () => {
  const url = await addressOf((await open()).port)
  await world().root.query('truncate c_acme.notes, c_globex.notes restart identity')
  for (const client of ['acme', 'globex']) {
    const headers = { Authorization: `Bearer ${await identity.tokenFor(client)}` }
    const body = JSON.stringify({ body: `of ${client}` })
    const json = { ...headers, 'Content-Type': 'application/json' }
    expect((await fetch(`${url}/notes`, { method: 'POST', headers: json, body })).status).toBe(201)
    const found = await (await fetch(`${url}/notes/1`, { headers })).json()
    expect(found).toMatchObject({ data: { id: 1, body: `of ${client}` } })
    const { rows } = await world().root.query(`select id, body from c_${client}.notes`)
    expect(rows).toEqual([{ id: '1', body: `of ${client}` }])
  }
})

it('gives clients of an earlier release what it did not have', async () => {
  const { url, adminUrl, rolePrefix, root } = world()
  const pool = new pg.Pool({ connectionString: url })
  const adminPool = new pg.Pool({ connectionString: adminUrl })
  const migrations = await loadMigrations(fileURLToPath(new URL('../migrations', import.meta.url)))
  await createTenancy({ pool, adminPool, rolePrefix, migrations }).provision('oldest')
  await Promise.all([pool.end(), adminPool.end()])
  const { output } = await open()
  expect(output()).toContain('"message":"migrated","behind":1,"failed":0')
  const { rows } = await root.query(`select to_regclass('c_oldest.app_settings') is not null as there`)
  expect(rows).toEqual([{ there: true }])
})

it('leaves no connection behind', async () => {
  const printed = vi.spyOn(console, 'log').mockImplementation(() => {})
  const site = await startSite(environment())
  const users = [world().url, world().adminUrl].map((url) => new URL(url).username)
  const connections = async () => {
    const { rowCount } = await world().root.query('select from pg_stat_activity where usename = any ($1)', [
      users,
    ])
    return rowCount
  }
  await site.tenancy.provision('acme')
  expect((await read(`http://127.0.0.1:${site.port}`, 'acme')).status).toBe(200)
  expect(await connections()).toBeGreaterThan(1)
  await site.close()
  printed.mockRestore()
  // A backend is gone a moment after its connection was closed; idle ones would stay for ten seconds.
  await eventually(async () => (await connections()) === 0)
})

it('stores no secret without a key, and everything else', async () => {
  const { port, output } = await open({ SETTINGS_ENCRYPTION_KEY: '' })
  const url = await addressOf(port)
  const put = async (key: string) => {
    const headers = { ...asSite('globex'), 'Content-Type': 'application/json' }
    const body = JSON.stringify({ value: 'a-value-to-keep' })
    return (await fetch(`${url}/settings/${key}`, { method: 'PUT', headers, body })).status
  }
  expect([await put('smtp.host'), await put('smtp.password')]).toEqual([200, 500])
  expect(output()).toMatch(/"code":"KEY_MISSING"/)
  const { rows } = await world().root.query('select key, value from c_globex.app_settings')
  expect(rows).toEqual([{ key: 'smtp.host', value: '"a-value-to-keep"' }])
  expect(output()).not.toContain('a-value-to-keep')
})

it('prints nothing but JSON lines, and no secret: keys, tokens, passwords, what is written; ends at SIGTERM as at SIGINT', async () => {
  const [settingsKey, password] = [randomBytes(32).toString('hex'), 'correct horse']
  const program = start({ SETTINGS_ENCRYPTION_KEY: settingsKey })
  const url = await addressOf(await program.printed(LISTENING))
  const token = await identity.tokenFor('acme')
  const send = (method: string, path: string, body: object) =>
    fetch(`${url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
  expect((await send('PUT', '/settings/smtp.password', { value: password })).status).toBe(200)
  expect((await send('POST', `/notes?password=${password}`, { body: 'a confession' })).status).toBe(201)
  expect((await send('POST', '/notes', { body: password, [password]: 1 })).status).toBe(400)
  const { rows } = await world().root.query(
    "select value from c_acme.app_settings where key = 'smtp.password'",
  )
  expect(rows[0].value).toMatch(/^enc:v1:/)
  await endsAt(['SIGTERM', 'SIGINT'], program, url)
  const output = program.output()
  const lines = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.filter(({ path, method }) => path === '/notes' && method === 'POST')).toMatchObject([
    { method: 'POST', status: 201, tenantId: 'acme', actor: { type: 'user', id: 'user-of-acme' } },
    { method: 'POST', status: 400, tenantId: 'acme' },
    { method: 'POST', status: 201, tenantId: 'acme' },
  ])
  const { siteKey } = identity.credentials
  for (const secret of [password, 'confession', token, siteKey, settingsKey, rows[0].value, world().url])
    expect(output).not.toContain(secret)
})

it('does not start with a bad SITE_KEY: ends with 1, names it, and never shows what it is', {
  tags: 'slow',
}, async () => {
  const program = start({ SITE_KEY: 'not-a-key-at-all' })
  expect(await program.exited).toBe(1)
  expect(program.output()).toContain('SITE_KEY')
  expect(program.output()).not.toContain('not-a-key-at-all')
})

it.each([
  ['SETTINGS_ENCRYPTION_KEY', 'not-a-key-at-all'],
  ['ADMIN_DATABASE_URL', ''],
  ['TOKEN_KEYS_URL', 'http://keys.example/with-a-password'],
])('does not start with a bad %s, names it, and never shows what it is', async (name, value) => {
  const told = inspect(await startSite(environment({ [name]: value })).catch((error: unknown) => error))
  expect(told).toMatch(name === 'TOKEN_KEYS_URL' ? /'url'|"url"/ : new RegExp(name))
  if (value) expect(told).not.toContain(value)
})
