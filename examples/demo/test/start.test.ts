// @module-tag slow: starts a server and keys of its own; the example of Hono is started in its start.test.ts.
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { runProgram } from '@org/example-hono/test/child'
import { expect, it } from 'vitest'

const START = new URL('../src/start.ts', import.meta.url)
const ENVIRONMENT = { PORT: '0', SETTINGS_ENCRYPTION_KEY: '', SITE_KEY: '', TOKEN_ISSUER: '' }

it('brings its own PostgreSQL and keys, prints commands that do what is said of them, and ends with 0', async () => {
  const program = runProgram(START, ENVIRONMENT)
  await program.printed(/Ctrl-C/)
  expect(program.output()).toMatch(/database: +throw-away PostgreSQL 18/)
  const commands = program.output().match(/curl -s .*/g) ?? []
  const answers: string[] = []
  for (const command of commands) answers.push(await runCurl(command))
  expect(answers).toEqual([
    expect.stringMatching(/^201 .*"body":"hello"/),
    expect.stringMatching(/^200 .*"body":"hello"/),
    expect.stringMatching(/^200 {"data":\[\]/),
    expect.stringMatching(/^200 .*"body":"hello"/),
    expect.stringMatching(/^401 .*"UNAUTHORIZED"/),
    expect.stringMatching(/^200 .*"body":"hello"/),
    expect.stringMatching(/^400 .*"TENANT_MISMATCH"/),
    expect.stringMatching(/^201 {"data":{"key":"initech"}}/),
    expect.stringMatching(/^200 {"data":\[\]/),
    expect.stringMatching(/^200 {"data":{"updatedAt":"/),
    expect.stringMatching(/^200 {"data":{"smtp.password":{"value":{"masked":true},/),
    expect.stringMatching(/^401 .*"UNAUTHORIZED"/),
    expect.stringMatching(/^400 .*"TENANT_MISMATCH"/),
    expect.stringMatching(/^401 .*"code":"TENANT_NOT_FOUND","message":"Cliente desconhecido/),
  ])
  program.process.kill('SIGINT')
  expect(await program.exited, program.output()).toBe(0)
  expect(program.output()).toContain('Done.')
})

it('says what is missing when it is given half of what it needs', async () => {
  const program = runProgram(START, {
    ...ENVIRONMENT,
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
    ADMIN_DATABASE_URL: '',
  })
  expect(await program.exited).toBe(1)
  expect(program.output()).toContain('Set ADMIN_DATABASE_URL.')
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
