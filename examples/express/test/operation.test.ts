import { dropDatabase } from '@org/pg-tenant/admin'
import { Ajv2020 } from 'ajv/dist/2020.js'
import pg from 'pg'
import { expect, it } from 'vitest'
import { endpointsOf } from '../src/app.ts'
import { isSecret } from '../src/http/secret.ts'
import { useWorld } from './support/world.ts'

const world = useWorld()

it('says how it is: the database answers, and how many tenants there are', async () => {
  await world.onboard('acme')
  const { status, body, headers } = await world.send('GET', '/health')
  expect([status, body.data.status, body.data.tenants]).toEqual([200, 'ok', { active: 2 }])
  expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
})

it('shows metrics to who has the token, and no tenant in them', async () => {
  await world.onboard('zebracorp')
  expect((await world.send('GET', '/metrics')).status).toBe(401)
  expect((await world.send('GET', '/metrics', { token: 'x'.repeat(48) })).status).toBe(401)
  const { status, text } = await world.send('GET', '/metrics', { token: world.config.METRICS_TOKEN })
  expect(status).toBe(200)
  expect(text).toMatch(
    /http_request_duration_seconds_count\{method="POST",route="\/v1\/tenants",status="201"\} \d/,
  )
  expect(text).toMatch(/pg_pool_connections\{pool="tenants",state="idle"\} \d/)
  expect(text).not.toContain('zebracorp')
})

it('makes a database for an app, whose user can do nothing else', async () => {
  const name = `shop_${Math.random().toString(36).slice(2, 8)}`
  const ask = (body: object) => world.send('POST', '/provision', { body })
  const admin_key = world.config.PROVISION_ADMIN_KEY
  const made = await ask({ app_name: name, admin_key })
  expect([made.status, Object.keys(made.body)]).toEqual([201, ['connection_string']])
  const client = new pg.Client(made.body.connection_string)
  await client.connect()
  try {
    await client.query('create table t (id int)')
    await expect(client.query('create role other')).rejects.toMatchObject({ code: '42501' })
    await expect(client.query('create database other')).rejects.toMatchObject({ code: '42501' })
  } finally {
    await client.end()
  }
  expect((await ask({ app_name: name, admin_key })).status).toBe(409)
  expect((await ask({ app_name: 'No', admin_key })).status).toBe(400)
  expect((await ask({ app_name: 'another', admin_key: 'wrong' })).status).toBe(401)
  const log = world.log.join('')
  expect(log).not.toContain(admin_key)
  expect(log).not.toContain(new URL(made.body.connection_string).password)
  expect(await dropDatabase(world.hub.adminPool, { app: name, confirm: name })).toBe(true)
})

it('documents every route in OpenAPI 3.1, each schema a valid one', async () => {
  const { status, body } = await world.send('GET', '/openapi.json')
  expect([status, body.openapi]).toEqual([200, '3.1.0'])
  const documented = Object.entries<Record<string, unknown>>(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  )
  expect(documented.sort()).toEqual(
    endpointsOf(world.hub)
      .map(({ method, path }) => `${method} ${path}`)
      .sort(),
  )
  const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true, uuid: true, email: true } })
  for (const schema of Object.values<object>(body.components.schemas)) {
    expect(ajv.validateSchema(schema)).toBe(true)
  }
})

it('answers what is not there in its own shape, and names no insides', async () => {
  const { status, body } = await world.send('GET', '/nowhere', { headers: { 'Accept-Language': 'pt-BR' } })
  expect(status).toBe(404)
  expect(body.error).toMatchObject({ code: 'NOT_FOUND', message: 'Não encontrado.' })
  const broken = await world.send('POST', '/provision', { body: '{"app_name":' })
  expect([broken.status, broken.body.error.code]).toEqual([400, 'VALIDATION_ERROR'])
})

it('says of another method what a route answers to', async () => {
  const asked = async (method: string, path: string, headers = {}) => {
    const { status, body, headers: answered } = await world.send(method, path, { headers })
    return [status, body?.error?.code, answered.get('Allow')]
  }
  const refused = [405, 'METHOD_NOT_ALLOWED']
  expect(await asked('DELETE', '/health')).toEqual([...refused, 'GET, HEAD'])
  expect(await asked('GET', '/provision/')).toEqual([...refused, 'POST'])
  expect(await asked('PUT', '/v1/auth/login', { 'X-Client-Key': 'platform' })).toEqual([...refused, 'POST'])
  expect(await asked('PUT', '/v1/auth/none', { 'X-Client-Key': 'platform' })).toEqual([
    404,
    'NOT_FOUND',
    null,
  ])
})

it('serves its reference from its own files', async () => {
  const { text, headers } = await world.send('GET', '/reference')
  expect(headers.get('content-security-policy')).toContain("default-src 'none'")
  for (const [, file = ''] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
    expect(file).toMatch(/^\/reference\//)
    expect((await world.send('GET', file)).status).toBe(200)
  }
})

it('lets nobody frame its pages, at whichever address they are, and serves no others', async () => {
  for (const page of ['/admin', '/admin/files/index.html', '/reference']) {
    const { status, headers } = await world.send('GET', page)
    expect([page, status]).toEqual([page, 200])
    expect(headers.get('content-security-policy'), page).toContain("frame-ancestors 'none'")
  }
  const inside = [
    'index.html',
    'oauth2-redirect.html',
    'package.json',
    'swagger-ui.js.map',
    '..%2fpackage.json',
  ]
  for (const file of inside) {
    expect((await world.send('GET', `/reference/files/${file}`)).status, file).toBe(404)
  }
  for (const file of ['..%2f..%2fpackage.json', '..%2fsrc%2fconfig.ts', '%00', '%zz', '.env']) {
    expect((await world.send('GET', `/admin/files/${file}`)).status, file).toBe(404)
  }
})

it('codes what its own database refuses, and logs where that arose', async () => {
  await world.root.query('alter table hub.tenant_profile rename to away')
  try {
    const { status, body } = await world.send('GET', '/v1/tenants', { token: world.operator })
    expect([status, body.error.code]).toEqual([500, 'DATABASE_ERROR'])
    expect(body.error.details).toBeUndefined()
  } finally {
    await world.root.query('alter table hub.away rename to tenant_profile')
  }
  const line = JSON.parse(world.log.find((one) => one.includes('a request failed')) ?? '{}')
  expect(line.error).toMatchObject({ code: 'DATABASE_ERROR', kind: 'TenancyError', at: expect.any(String) })
})

it('takes nothing for a secret that is not configured', () => {
  for (const given of [undefined, '', 'x', ['x'], null]) {
    expect(isSecret(given, undefined)).toBe(false)
    expect(isSecret(given, '')).toBe(false)
    expect(isSecret(given, 'x')).toBe(given === 'x')
  }
})

it('is not healthy when the database does not say how many tenants there are', async () => {
  await world.root.query('alter table tenancy.tenant rename to away')
  try {
    const { status, body } = await world.send('GET', '/health')
    expect([status, body.error.code]).toEqual([503, 'SERVICE_UNAVAILABLE'])
  } finally {
    await world.root.query('alter table tenancy.away rename to tenant')
  }
})

it('counts and lists no tenant that is only made ahead', async () => {
  await world.hub.tenancy.ready.fill(1)
  expect(Object.keys((await world.send('GET', '/health')).body.data.tenants)).toEqual(['active'])
  const { body } = await world.send('GET', '/v1/tenants?limit=200', { token: world.operator })
  const { rows } = await world.root.query(`select key from tenancy.tenant where status <> 'ready'`)
  expect(body.data).toHaveLength(rows.length)
  expect(await world.hub.tenancy.ready.clear()).toBe(1)
})

it('lets no cache keep its pages, and no browser guess what a file is', async () => {
  const page = await world.send('GET', '/admin')
  expect(page.headers.get('cache-control')).toBe('no-store')
  for (const path of ['/admin', '/admin/files/index.html', '/reference/files/swagger-ui.css']) {
    expect((await world.send('GET', path)).headers.get('x-content-type-options'), path).toBe('nosniff')
  }
  expect(page.headers.get('x-powered-by')).toBeNull()
})

it('reads no body beyond 64 KiB, and knows its routes as they are written', async () => {
  const body = `{"app_name":"No","admin_key":"wrong"${' '.repeat(64 * 1024)}}`
  const large = await world.send('POST', '/provision', { body })
  expect([large.status, large.body.error.details]).toEqual([400, { field: 'body', reason: 'too_large' }])
  const broken = await world.send('POST', '/provision', { body: '{"app_name":' })
  expect([broken.status, broken.body.error.details]).toEqual([400, { field: 'body', reason: 'malformed' }])
  expect((await world.send('GET', '/Health')).status).toBe(404)
})

it('names an unknown field in few harmless letters', async () => {
  const { body } = await world.send('POST', '/v1/auth/login', {
    tenant: 'platform',
    body: { email: 'a@b.example', password: 'x', ['<b>'.repeat(100)]: 1 },
  })
  expect(body.error.details).toEqual({
    field: `body.${'?b?'.repeat(20)}`,
    reason: 'unrecognized_keys',
  })
})
