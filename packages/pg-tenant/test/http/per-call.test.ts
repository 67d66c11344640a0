import { once } from 'node:events'
import { connect } from 'node:net'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { beforeEach, describe, expect, it } from 'vitest'
import { answerErrors } from '../../src/hono/index.ts'
import { eventually } from '../support/world.ts'
import { ADAPTERS, type Client, RESOLVE, useHttpWorld } from './http-world.ts'
import { meeting } from './routes.ts'

const http = useHttpWorld()

describe.each(ADAPTERS)('%s, a scope for each call', (_, how) => {
  let client: Client
  beforeEach(async () => {
    client = await http.serve(how)
  })

  it('serves each tenant its own', async () => {
    expect((await client.add('acme', 'add', "acme's")).status).toBe(201)
    expect((await client.add('globex', 'add', "globex's")).status).toBe(201)
    expect(await (await client.call('acme', 'list')).json()).toEqual(["acme's"])
    expect(await (await client.call('globex', 'list')).json()).toEqual(["globex's"])
  })

  it('keeps interleaved requests of two tenants apart', async () => {
    const tenants = Array.from({ length: 12 }, (__, n) => (n % 2 ? 'acme' : 'globex'))
    let arrived = 0
    const all = new Promise<void>((done) => {
      meeting.on('arrived', () => ++arrived === tenants.length && done())
    })
    const answers = tenants.map((tenant) => client.call(tenant, 'who'))
    await all
    meeting.removeAllListeners('arrived').emit('go')
    for (const [at, tenant] of tenants.entries()) {
      const { says, schema, role } = (await (await answers[at]!).json()) as Record<string, string>
      expect([...new Set(says)].sort()).toEqual([tenant, `${tenant}-user`])
      expect(schema).toBe(`c_${tenant}`)
      expect(role).toMatch(new RegExp(`_?${tenant}$`))
    }
  })

  it('keeps the context in callbacks, and loses it rather than mixing it up', async () => {
    const rounds = Array.from({ length: 10 }, (__, n) => (n % 2 ? 'acme' : 'globex'))
    const callbacks = rounds.map(async (tenant) => [
      tenant,
      await (await client.call(tenant, 'callbacks')).json(),
    ])
    for (const [tenant, seen] of await Promise.all(callbacks)) {
      expect(seen).toHaveLength(8)
      expect(new Set(seen as string[])).toEqual(new Set([tenant]))
    }
    const uploads = rounds.map(async (tenant) => {
      const init = { method: 'POST', body: 'x'.repeat(200_000) }
      const found = (await (await client.call(tenant, 'upload', init)).json()) as Record<
        'seen' | 'schemas',
        string[]
      >
      return [tenant, found] as const
    })
    for (const [tenant, { seen, schemas }] of await Promise.all(uploads)) {
      expect(seen.length).toBeGreaterThan(1)
      for (const found of seen) expect([tenant, null]).toContain(found)
      expect(new Set(schemas)).toEqual(new Set([`c_${tenant}`]))
    }
  })

  it('commits each call by itself: what was committed stays when the handler fails later', async () => {
    expect((await client.add('acme', 'twoTransactions', 'n')).status).toBe(500)
    expect(await http.notes('acme')).toEqual(['n 1', 'n 2'])
  })

  it('answers a failed COMMIT with an error', async () => {
    const response = await client.add('acme', 'orphan', 'lost')
    expect(response.status).toBe(409)
    expect(await http.notes('acme')).toEqual([])
  })

  it.each([
    ['en-GB', 'This already exists.'],
    ['pt-BR,pt;q=0.9', 'Isto já existe.'],
    ['es', 'Esto ya existe.'],
  ])('answers a duplicate in %s with the field, never the value', async (language, message) => {
    await client.add('acme', 'add', 'ann@secret')
    const response = await client.add('acme', 'add', 'ann@secret', { 'accept-language': language })
    expect(response.status).toBe(409)
    const text = await response.text()
    expect(JSON.parse(text)).toEqual({
      error: {
        code: 'DUPLICATE_RESOURCE',
        message,
        details: { field: 'body' },
        requestId: response.headers.get('x-request-id'),
      },
    })
    expect(text).not.toMatch(/ann|notes_body_key|c_acme|23505/)
    expect(response.headers.get('vary')).toMatch(/accept-language/i)
  })

  it('names the field also where the constraint does not', async () => {
    const response = await client.add('acme', 'twoPersons', 'ann@secret')
    const text = await response.text()
    expect(JSON.parse(text)).toMatchObject({
      error: { code: 'DUPLICATE_RESOURCE', details: { field: 'email' } },
    })
    expect(text).not.toMatch(/ann|only_once/i)
  })

  it.each([
    ['addThenThrow', 500, 'INTERNAL_ERROR'],
    ['broken', 500, 'DATABASE_ERROR'],
    ['slow', 503, 'SERVICE_UNAVAILABLE'],
  ])('%s tells nothing of the inside', async (route, status, code) => {
    const response = await client.add('acme', route, 'x')
    const text = await response.text()
    expect([response.status, JSON.parse(text).error.code]).toEqual([status, code])
    expect(text).not.toMatch(/secret|1234|select|column|statement|at .*:\d+/i)
    expect(response.headers.get('retry-after')).toBe(status === 503 ? '1' : null)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(http.errors).toHaveLength(1)
  })

  it.each([
    ['no credential', {}, 401, 'UNAUTHORIZED'],
    ['a bad token', { authorization: 'Bearer x' }, 401, 'INVALID_TOKEN'],
    ['an unknown tenant', { authorization: 'Bearer u.nobody' }, 401, 'TENANT_NOT_FOUND'],
    ['a header that disagrees', { 'x-client-key': 'globex' }, 400, 'TENANT_MISMATCH'],
    ['a header that is no key', { 'x-client-key': 'A' }, 400, 'INVALID_TENANT_KEY'],
  ])('refuses %s before the handler', async (__, headers, status, code) => {
    const response = await client.call('acme', 'list', {
      headers: { authorization: code === 'UNAUTHORIZED' ? '' : 'Bearer u.acme', ...headers },
    })
    expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([
      status,
      code,
    ])
    expect(response.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null)
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('serves a service without a tenant the one it names', async () => {
    const headers = { authorization: 'Bearer s.', 'x-tenant-id': 'globex' }
    expect((await client.call('', 'list', { headers })).status).toBe(200)
  })

  it('does not see a tenant in query or body', async () => {
    await client.add('acme', 'add', '{"tenant":"globex"}')
    expect(await (await client.call('acme', 'list?tenant=globex&X-Client-Key=globex')).json()).toHaveLength(1)
    expect(await http.notes('globex')).toEqual([])
  })

  it('refuses a suspended tenant, also while its look-up is remembered', async () => {
    expect((await client.call('globex', 'list')).status).toBe(200)
    await http.tenancy().suspend('globex')
    try {
      const response = await client.call('globex', 'list')
      expect([response.status, await response.json()]).toMatchObject([
        403,
        { error: { code: 'TENANT_SUSPENDED' } },
      ])
      expect((await client.call('acme', 'list')).status).toBe(200)
    } finally {
      await http.tenancy().resume('globex')
    }
    expect((await client.call('globex', 'list')).status).toBe(200)
  })

  it('cuts the connection when an answer fails half way, and does not pass it for whole', async () => {
    const whole = client.call('acme', 'half').then((response) => response.text())
    await expect(whole).rejects.toThrow()
    expect((await client.call('acme', 'list')).status).toBe(200)
  })

  it('answers a route without the middleware in the standard form too', async ({ skip }) => {
    if (_ === 'Web') skip('a handler that is not wrapped is not seen')
    const response = await fetch(`${client.url}/open`)
    const text = await response.text()
    expect(JSON.parse(text).error).toMatchObject({ code: 'INTERNAL_ERROR', requestId: expect.any(String) })
    expect(text).not.toContain('1234')
    expect(http.errors).toHaveLength(1)
  })

  it('tells a framework refusal as a coded error', async () => {
    const response = await client.add('acme', 'add', '{', { 'content-type': 'application/json' })
    // Hono's c.req.json() throws a SyntaxError of no kind; Express says 400.
    expect(['VALIDATION_ERROR', 'INTERNAL_ERROR']).toContain(
      ((await response.json()) as { error: { code: string } }).error.code,
    )
    if (_ !== 'Hono') expect(response.status).toBe(400)
  })

  it('takes a request id over from a trusted gateway only', async () => {
    const headers = { 'x-request-id': 'gateway-1' }
    expect((await client.call('acme', 'list', { headers })).headers.get('x-request-id')).not.toBe('gateway-1')
    const trusting = await http.serve(how, { trust: { proxies: ['127.0.0.1'] } })
    expect((await trusting.call('acme', 'list', { headers })).headers.get('x-request-id')).toBe('gateway-1')
    const refused = await trusting.call('nobody', 'list', { headers })
    expect(await refused.json()).toMatchObject({ error: { requestId: 'gateway-1' } })
  })

  it('writes one line for each request, without what must not be logged', async () => {
    await client.add('acme', 'add?token=secret', 'a secret body')
    await client.call('nobody', 'list')
    await eventually(() => http.lines.length === 2)
    expect(http.lines).toEqual([
      {
        level: 'info',
        message: 'request',
        timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
        requestId: expect.any(String),
        tenantId: 'acme',
        actorType: 'user',
        actorId: 'acme-user',
        method: 'POST',
        path: '/t/add',
        status: 201,
        latency_ms: expect.any(Number),
      },
      expect.objectContaining({
        level: 'warn',
        tenantId: null,
        status: 401,
        error: { code: 'TENANT_NOT_FOUND' },
      }),
    ])
    expect(JSON.stringify(http.lines)).not.toMatch(/secret|Bearer|u\.acme/)
  })

  it('fails no request for a log or tracker that throws', async () => {
    const raise = () => {
      throw new Error('full')
    }
    const noisy = await http.serve(how, { onAccess: raise, onError: raise })
    expect((await noisy.call('acme', 'list')).status).toBe(200)
    expect((await noisy.add('acme', 'addThenThrow', 'x')).status).toBe(500)
    expect((await noisy.call('acme', 'list')).status).toBe(200)
  })

  it('cancels what still runs when the client goes away, if asked to', async () => {
    const careful = await http.serve(how, {
      abortOnDisconnect: true,
      scopeOptions: { statementTimeout: 60_000 },
    })
    const lock = await http.world.root.connect()
    try {
      await lock.query('begin')
      await lock.query('lock table c_acme.notes')
      const gone = new AbortController()
      const call = careful.call('acme', 'list', { signal: gone.signal }).catch(() => 'gone')
      const waiting = async () => {
        const { rows } = await http.world.root.query(
          "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
        )
        return rows.length
      }
      await eventually(async () => (await waiting()) === 1)
      gone.abort()
      expect(await call).toBe('gone')
      await eventually(async () => (await waiting()) === 0)
    } finally {
      await lock.query('rollback')
      lock.release()
    }
  })
})

describe('Express', () => {
  it('sees a Host that was sent twice, of which Node shows one', async () => {
    const { fromSubdomain } = await import('@org/core')
    const sources = [...RESOLVE.sources, fromSubdomain({ baseDomains: ['notes.example'] })]
    const { url } = await http.serve(ADAPTERS[0][1], { resolve: { sources } })
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.end(
      'GET /t/list HTTP/1.1\r\nHost: acme.notes.example\r\nHost: globex.notes.example\r\n' +
        'Authorization: Bearer u.acme\r\nConnection: close\r\n\r\n',
    )
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    await once(socket, 'close')
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  })
})

describe('Hono', () => {
  it('keeps an answer that an HTTPException brings along, and codes one that brings none', async () => {
    const app = new Hono().onError(answerErrors())
    app.get('/own', () => {
      throw new HTTPException(401, {
        res: new Response('mine', { status: 401, headers: { 'WWW-Authenticate': 'Basic' } }),
      })
    })
    app.get('/none', () => {
      throw new HTTPException(404)
    })
    const own = await app.request('/own')
    expect([own.status, await own.text(), own.headers.get('www-authenticate')]).toEqual([
      401,
      'mine',
      'Basic',
    ])
    expect(await (await app.request('/none')).json()).toMatchObject({ error: { code: 'NOT_FOUND' } })
  })
})
