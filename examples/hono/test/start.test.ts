import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { expect, it } from 'vitest'
import { eventually, runProgram } from './support/child.ts'
import { useWorld } from './support/world.ts'

const URL_LINE = /Notes API: (\S+)/
const world = useWorld()

/** Starts it on the test server and on a free port. */
function start(key = randomBytes(32).toString('hex')) {
  const { url, adminUrl, rolePrefix } = world()
  return runProgram('start.ts', {
    PORT: '0',
    DATABASE_URL: url,
    ADMIN_DATABASE_URL: adminUrl,
    ROLE_PREFIX: rolePrefix,
    SETTINGS_ENCRYPTION_KEY: key,
  })
}

const read = (url: string, tenant: string) => fetch(`${url}/notes`, { headers: { 'X-Client-Key': tenant } })

async function isWaitingForLock(): Promise<boolean> {
  const { rows } = await world().root.query(
    `select from pg_locks where not granted and relation = 'c_acme.notes'::regclass`,
  )
  return rows.length > 0
}

it.each([
  ['SIGINT', 'SIGTERM'],
  ['SIGTERM', 'SIGINT'],
] as const)(
  'on %s answers the request in flight, then exits with 0, also when %s comes right behind',
  async (...signals) => {
    const program = start()
    const url = await program.printed(URL_LINE)
    const blocker = await world().root.connect()
    await blocker.query('begin; lock table c_acme.notes in access exclusive mode')
    const inFlight = read(url, 'acme')
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

    const response = await inFlight
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ data: [] })
    expect(await program.exited, program.output()).toBe(0)
    expect(program.output()).toContain('Done.')
  },
)

it('prints commands that do what is said of them', async () => {
  const program = start()
  await program.printed(/Ctrl-C/)
  const commands = program.output().match(/curl -s .*/g) ?? []
  const answers: string[] = []
  for (const command of commands) answers.push(await runCurl(command))
  expect(answers).toEqual([
    expect.stringMatching(/^201 .*"body":"hello"/),
    expect.stringMatching(/^200 .*"body":"hello"/),
    expect.stringMatching(/^200 {"data":\[\]/),
    expect.stringMatching(/^200 .*"body":"hello"/),
    expect.stringMatching(/^200 {"data":{"updatedAt":"/),
    expect.stringMatching(/^200 {"data":{"smtp.password":{"value":{"masked":true},/),
    expect.stringContaining('400 {"error":{"code":"TENANT_MISMATCH"'),
    expect.stringContaining('401 {"error":{"code":"TENANT_NOT_FOUND"'),
    expect.stringContaining('"message":"O identificador do cliente é inválido."'),
  ])
})

/** Does what curl would do; it, unlike some systems, takes every `*.localhost` for this machine. */
async function runCurl(command: string): Promise<string> {
  const { host, port, pathname } = new URL(/http:\S+/.exec(command)?.[0] ?? '')
  const headers = Object.fromEntries(
    [...command.matchAll(/ -H '([^:]+): ([^']*)'/g)].map(([, name, value]) => [name, value]),
  )
  const data = / -d '([^']*)'/.exec(command)?.[1]
  const sent = request({
    host: '127.0.0.1',
    port,
    path: pathname,
    method: / -X (\w+)/.exec(command)?.[1] ?? (data === undefined ? 'GET' : 'POST'),
    headers: { ...headers, Host: host },
  })
  sent.end(data)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return `${response.statusCode} ${text}`
}

it('brings its own PostgreSQL when none is given', async () => {
  const program = runProgram('start.ts', { PORT: '0', SETTINGS_ENCRYPTION_KEY: '' })
  const url = await program.printed(URL_LINE)
  const { status } = await read(url, 'acme')
  program.process.kill('SIGINT')
  expect(status).toBe(200)
  expect(program.output()).toMatch(/key: +throw-away/)
  expect(await program.exited, program.output()).toBe(0)
})

it('refuses secrets, and only those, when it has a database to keep and no key', async () => {
  const program = start('')
  const url = await program.printed(URL_LINE)
  expect(program.output()).toMatch(/key: +none: secrets are refused/)
  const put = async (key: string) => {
    const headers = { 'X-Client-Key': 'globex', 'Content-Type': 'application/json' }
    const body = JSON.stringify({ value: 'a-value-to-keep' })
    return (await fetch(`${url}/settings/${key}`, { method: 'PUT', headers, body })).status
  }
  expect([await put('smtp.host'), await put('smtp.password')]).toEqual([200, 500])
  await program.printed(/"code":"KEY_MISSING"/)
  const { rows } = await world().root.query('select key, value from c_globex.app_settings')
  expect(rows).toEqual([{ key: 'smtp.host', value: '"a-value-to-keep"' }])
  expect(program.output()).not.toContain('a-value-to-keep')
})

it('names a key that is none, and never shows it', async () => {
  const program = start('not-a-key-at-all')
  expect(await program.exited).toBe(1)
  expect(program.output()).toContain('SETTINGS_ENCRYPTION_KEY')
  expect(program.output()).not.toContain('not-a-key-at-all')
})

it('says what is missing when it is given half of what it needs', async () => {
  const program = runProgram('start.ts', { DATABASE_URL: world().url, ADMIN_DATABASE_URL: '' })
  expect(await program.exited).toBe(1)
  expect(program.output()).toContain('set ADMIN_DATABASE_URL too')
})
