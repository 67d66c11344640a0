// @module-tag slow: a worker in a process of its own; canary.test.ts looks for what is secret, records.test.ts has the jobs, the governance package the deliveries.
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { inherited, type RunningHub, startHub } from './support/child.ts'
import { isSigned, type Receiver, startReceiver } from './support/receiver.ts'
import { makeDatabase, PASSWORD } from './support/world.ts'

const FOLDER = fileURLToPath(new URL('..', import.meta.url))
const SOURCES = ['--conditions=@org/source', '--disable-warning=ExperimentalWarning']
const PATIENCE = { interval: 100 }

/** A span as OTLP's JSON has it. */
interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly service: string
}

let local: Awaited<ReturnType<typeof makeDatabase>>
let receiver: Receiver
let collector: Receiver
let hub: RunningHub
let worker: RunningHub

beforeAll(async () => {
  ;[local, receiver, collector] = await Promise.all([
    makeDatabase(),
    startReceiver(({ path }) => (path.startsWith('/down') ? 500 : 204)),
    startReceiver(() => 200),
  ])
  const environment = {
    ...local.environment,
    WEBHOOK_ADDRESSES: '127.0.0.0/8',
    WEBHOOK_HTTP: 'yes',
    WEBHOOK_PORTS: String(receiver.port),
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
    OTEL_BSP_SCHEDULE_DELAY: '200',
  }
  ;[hub, worker] = await Promise.all([
    startHub(FOLDER, environment, SOURCES),
    startHub(FOLDER, environment, SOURCES, 'src/worker.ts'),
  ])
})
afterAll(async () => {
  for (const one of [hub, worker]) one?.process.kill('SIGKILL')
  await Promise.all([hub?.ended, worker?.ended])
  await Promise.all([local?.close(), receiver?.close(), collector?.close()])
})

async function ask(method: string, path: string, headers: Record<string, string>, body?: object) {
  const answer = await fetch(`${hub.base}${path}`, {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  expect(answer.status, text).toBeLessThan(300)
  return text === '' ? undefined : JSON.parse(text).data
}

let signedIn: Promise<Record<string, string>> | undefined
const operator = () => (signedIn ??= signIn())

async function signIn(): Promise<Record<string, string>> {
  const { spawnSync } = await import('node:child_process')
  const { stdout } = spawnSync(process.execPath, [...SOURCES, 'src/invite-operator.ts'], {
    cwd: FOLDER,
    env: { ...inherited(), ...local.environment },
    encoding: 'utf8',
  })
  const token = /invitation=(\S+)/.exec(stdout)?.[1]
  const body = { token, password: PASSWORD }
  const { accessToken } = await ask('POST', '/v1/auth/invitation', { 'X-Client-Key': 'platform' }, body)
  return { Authorization: `Bearer ${accessToken}` }
}

const metrics = async () => {
  const headers = { Authorization: `Bearer ${local.environment.METRICS_TOKEN}` }
  return await (await fetch(`${worker.base}/metrics`, { headers })).text()
}

function spans(): Span[] {
  return collector.received.flatMap(({ body }) =>
    JSON.parse(body).resourceSpans.flatMap((one: never) => spansOf(one)),
  )
}

function spansOf({
  resource,
  scopeSpans,
}: {
  resource: { attributes: { key: string; value: { stringValue: string } }[] }
  scopeSpans: { spans: Span[] }[]
}): Span[] {
  const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
  return scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, service })))
}

it('tells a webhook what was done in another process, traced from the request to the delivery', async () => {
  const headers = await operator()
  const url = `http://127.0.0.1:${receiver.port}/hook`
  const { secret } = await ask('POST', '/v1/webhooks', headers, { url, events: ['tenant.created'] })
  const slug = 'canaryzoo'
  const adminUser = { email: 'ana@canaryzoo.example', name: 'Ana' }
  await ask('POST', '/v1/tenants', headers, { slug, name: 'Zoo', packageKey: 'essentials', adminUser })

  await expect.poll(() => receiver.received.length, PATIENCE).toBe(1)
  const [sent] = receiver.received
  if (!sent) throw new Error('nothing was sent')
  expect(isSigned(sent, secret)).toBe(true)
  expect(isSigned(sent, 'whsec_AAAA'), 'the check notices another secret').toBe(false)
  expect(JSON.parse(sent.body)).toMatchObject({ type: 'tenant.created', data: { tenant: slug, version: 1 } })
  await expect
    .poll(async () => (await ask('GET', '/v1/webhooks/deliveries', headers))[0]?.status, PATIENCE)
    .toBe('delivered')

  const [, traceId] = /^00-([0-9a-f]{32})-[0-9a-f]{16}-01$/.exec(sent.headers.traceparent ?? '') ?? []
  await expect
    .poll(() => spans().find((one) => one.traceId === traceId && one.name.startsWith('deliver ')), PATIENCE)
    .toBeDefined()
  await expect
    .poll(() => spans().find((one) => one.traceId === traceId && one.name === 'POST /v1/tenants'), PATIENCE)
    .toBeDefined()
  const trace = spans().filter((one) => one.traceId === traceId)
  const above = (span: Span | undefined): Span[] => {
    const parent = trace.find(({ spanId }) => spanId === span?.parentSpanId)
    return parent === undefined ? [] : [parent, ...above(parent)]
  }
  const delivery = trace.find(({ name }) => name === 'deliver tenant.created')
  expect(delivery?.service).toBe('hub-worker')
  const processed = above(delivery).filter(({ name }) => name !== 'pg-tenant scope')
  expect(processed.map(({ service, name }) => [service, name])).toEqual([
    ['hub-worker', 'process webhook.delivery'],
    ['hub', 'POST /v1/tenants'],
  ])
  const statement = trace.find(({ name, service }) => name === 'INSERT' && service === 'hub')
  expect(above(statement).map(({ name }) => name)).toEqual(['pg-tenant scope', 'POST /v1/tenants'])
  const told = collector.received.map(({ body }) => body).join('')
  for (const value of [adminUser.email, secret, PASSWORD]) expect(told).not.toContain(value)
})

it('what is secret or personal is in no log, span, metric, error or record of either process, deliveries included', async () => {
  const canary = `canary${randomUUID().replaceAll('-', '')}`
  const headers = await operator()
  const before = receiver.received.length
  const url = `http://127.0.0.1:${receiver.port}/down/${canary}`
  const hook = await ask('POST', '/v1/webhooks', headers, { url, events: ['user.created'] })
  await ask('PUT', '/v1/settings/smtp.password', headers, { value: canary })
  await ask('POST', '/v1/integration-credentials', headers, { provider: 'stripe', data: { key: canary } })
  const user = { email: `${canary}@example.com`, name: canary }
  const made = await ask('POST', '/v1/users', headers, user)
  // Of a type that no endpoint asks for, and one whose handler fails at what it says.
  const root = new pg.Client(String(local.environment.ADMIN_DATABASE_URL))
  root.on('error', () => {})
  await root.connect()
  for (const type of ['canary.unknown', 'webhook.delivery'])
    await root.query('insert into governance.outbox (id, tenant, type, payload) values ($1, $2, $3, $4)', [
      randomUUID(),
      'platform',
      type,
      JSON.stringify({ delivery: canary, email: user.email }),
    ])
  await expect.poll(() => receiver.received.length, PATIENCE).toBeGreaterThan(before)
  await expect.poll(metrics, PATIENCE).toMatch(/^worker_events\{outcome="retried"\} ([2-9]|\d\d)/m)
  await expect
    .poll(async () => JSON.stringify(await ask('GET', '/v1/webhooks/deliveries', headers)), PATIENCE)
    .toContain('"responseStatus":500')
  const { rows } = await root.query<{ all: string }>(
    `select string_agg(t::text, ' ') as all from governance.audit_log t`,
  )
  await root.end()
  const told = {
    'log of the hub': hub.lines.join('\n'),
    'log of the worker': worker.lines.join('\n'),
    'metrics of the worker': await metrics(),
    spans: collector.received.map(({ body }) => body).join('\n'),
    deliveries: JSON.stringify(await ask('GET', '/v1/webhooks/deliveries', headers)),
    'audit log': String(rows[0]?.all),
  }
  const secrets = [hook.secret, made.invitation.token, headers.Authorization?.slice(7), PASSWORD]
  for (const [where, text] of Object.entries(told)) {
    expect(text.length, where).toBeGreaterThan(100)
    for (const secret of [canary, ...secrets])
      expect(text.includes(String(secret)), `${where} has ${String(secret).slice(0, 8)}`).toBe(false)
  }
})

it('says how it is, and how the queue and the deliveries are, by no tenant', async () => {
  expect((await fetch(`${worker.base}/health`)).status).toBe(200)
  expect((await fetch(`${worker.base}/metrics`)).status).toBe(401)
  await expect
    .poll(metrics, PATIENCE)
    .toMatch(/^pg_tenant_job_duration_seconds_count\{job="audit.seal",outcome="ok"\} \d/m)
  const text = await metrics()
  expect(text).toMatch(/^outbox_events\{state="ready"\} 0$/m)
  expect(text).toMatch(/^worker_events\{outcome="done"\} [1-9]/m)
  expect(text).toMatch(/^pg_tenant_delivery_duration_seconds_count\{status="2xx",outcome="ok"\} 1$/m)
  for (const job of ['usage.roll_up', 'retention.shared', 'retention.tenants'])
    expect(text).toContain(`job="${job}",outcome="ok"`)
  expect(text).not.toContain('canaryzoo')
})

it('ends with 0 when it is told to, and with whoever started it', async () => {
  worker.process.kill('SIGTERM')
  hub.process.kill('SIGINT')
  expect(await Promise.all([worker.ended, hub.ended])).toEqual([0, 0])
  // What was told of events that cannot be handled, above.
  const others = worker.lines
    .map((line) => JSON.parse(line))
    .filter(({ type }) => !/^(canary|webhook)\./.test(type))
  for (const line of others) expect(line).toMatchObject({ level: 'info' })
})
