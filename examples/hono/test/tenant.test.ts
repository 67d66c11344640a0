import { createTenancy, type Tenancy } from '@org/pg-tenant'
import { beforeAll, describe, expect, it } from 'vitest'
import { asSite, identity, testApp, useTenancy } from './support/world.ts'

const world = useTenancy(['acme', 'globex', 'hooli'])
const tokens: Record<string, string> = {}

beforeAll(async () => {
  const { tenancy } = world()
  for (const tenant of ['acme', 'globex', 'hooli']) {
    await tenancy.query(tenant, 'insert into notes (body, published) values ($1, true)', [tenant])
    tokens[tenant] = await identity.tokenFor(tenant)
  }
  tokens.initech = await identity.tokenFor('initech')
})

/** A user's token. */
const asUser = (client: string) => ({ Authorization: `Bearer ${tokens[client]}` })
const asVisitor = {}

interface Ask {
  readonly tenancy?: Tenancy
  readonly url?: string
}

async function ask(headers: Record<string, string>, { tenancy, url = 'http://localhost/notes' }: Ask = {}) {
  const { app, logged } = testApp(tenancy ?? world().tenancy)
  const response = await app.request(url, { headers })
  const body = (await response.json()) as { data?: { body: string }[]; error?: { code: string } }
  const answer = `${response.status} ${body.error?.code ?? body.data?.map((note) => note.body)}`
  return { answer, logged, response }
}

const answerTo = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).answer

describe('the client of a request', () => {
  it.each([
    ["the header, with the site's key", () => asSite('acme'), 'localhost'],
    ["a user's token", () => asUser('acme'), 'localhost'],
    ['both, when they agree', () => ({ ...asUser('acme'), 'X-Client-Key': 'acme' }), 'localhost'],
    ['token and subdomain, when they agree', () => asUser('acme'), 'acme.localhost:8787'],
    ['header and subdomain, when they agree', () => asSite('acme'), 'acme.localhost'],
  ])('is taken from %s', async (_, headers, host) => {
    expect(await answerTo(headers(), { url: `http://${host}/notes` })).toBe('200 acme')
  })

  it('is taken from the subdomain alone only where everybody may read', async () => {
    expect(await answerTo(asVisitor, { url: 'http://acme.localhost/public/notes' })).toBe('200 acme')
    expect(await answerTo(asVisitor, { url: 'http://acme.localhost/notes' })).toBe('401 UNAUTHORIZED')
  })

  it.each([
    ["header, for the site's key", () => asSite('acme'), 'globex.localhost'],
    ["header, for a user's token", () => ({ ...asUser('acme'), 'X-Client-Key': 'globex' }), 'localhost'],
    ["subdomain, for a user's token", () => asUser('acme'), 'globex.localhost'],
    ['header, repeated', () => asSite('acme, globex'), 'localhost'],
  ])('is refused when another is named: %s', async (_, headers, host) => {
    for (const path of ['/notes', '/public/notes'])
      expect(await answerTo(headers(), { url: `http://${host}${path}` })).toBe('400 TENANT_MISMATCH')
  })

  it("is not what a header says without the site's key", async () => {
    expect(await answerTo({ 'X-Client-Key': 'acme' })).toBe('401 UNAUTHORIZED')
    expect(await answerTo({ 'X-Tenant-Id': 'acme' })).toBe('401 UNAUTHORIZED')
    const { siteKey } = identity.credentials
    for (const wrong of [siteKey.slice(1), `${siteKey}0`, siteKey.toUpperCase(), '0'.repeat(64)])
      expect(await answerTo({ ...asSite('acme'), Authorization: `Bearer ${wrong}` })).toBe(
        '401 INVALID_TOKEN',
      )
  })

  it("is not named by the subdomain to the site's key: it says so in the header", async () => {
    const { Authorization } = asSite('acme')
    expect(await answerTo({ Authorization }, { url: 'http://acme.localhost/notes' })).toBe(
      '400 VALIDATION_ERROR',
    )
  })

  it.each([
    ['a host that only ends alike', 'acmelocalhost'],
    ['a base domain further right', 'acme.localhost.evil.example'],
  ])('is missing with %s', async (_, host) => {
    expect(await answerTo(asVisitor, { url: `http://${host}/public/notes` })).toBe('401 UNAUTHORIZED')
  })

  it('is not what a forwarded host says', async () => {
    const headers = { 'X-Forwarded-Host': 'acme.localhost', Forwarded: 'host=acme.localhost' }
    expect(await answerTo(headers, { url: 'http://localhost/public/notes' })).toBe('401 UNAUTHORIZED')
  })

  it.each(['ACME', '../x', 'c_acme"; drop schema c_acme cascade; --', 'acme-', 'a'.repeat(62), ''])(
    'is never guessed from a malformed key: %s',
    async (key) => {
      expect(await answerTo(asSite(key))).toBe('400 INVALID_TENANT_KEY')
    },
  )

  it('must exist', async () => {
    expect(await answerTo(asSite('initech'))).toBe('401 TENANT_NOT_FOUND')
    expect(await answerTo(asUser('initech'))).toBe('401 TENANT_NOT_FOUND')
    expect(await answerTo(asVisitor, { url: 'http://initech.localhost/public/notes' })).toBe(
      '401 TENANT_NOT_FOUND',
    )
  })

  it('must not be suspended, from the moment on that it is', async () => {
    const { tenancy } = world()
    expect(await answerTo(asSite('hooli'))).toBe('200 hooli')
    await tenancy.suspend('hooli')
    for (const headers of [asSite('hooli'), asUser('hooli')])
      expect(await answerTo(headers)).toBe('403 TENANT_SUSPENDED')
    expect(await answerTo(asVisitor, { url: 'http://hooli.localhost/public/notes' })).toBe(
      '403 TENANT_SUSPENDED',
    )
    await tenancy.resume('hooli')
    expect(await answerTo(asSite('hooli'))).toBe('200 hooli')
  })

  it('stays the one it was: a handler that asks for another is refused', async () => {
    const { tenancy, pool, rolePrefix } = world()
    const other = createTenancy({ pool, rolePrefix })
    const straying: Tenancy = { ...tenancy, withTenant: (_key, fn) => other.withTenant('globex', fn) }
    expect(await answerTo(asSite('globex'), { tenancy: straying })).toBe('200 globex')
    const { answer, logged } = await ask(asSite('acme'), { tenancy: straying })
    expect(answer).toBe('500 INTERNAL_ERROR')
    expect(logged).toContainEqual(expect.objectContaining({ code: 'CROSS_TENANT', tenantId: 'acme' }))
  })
})

describe('a new client', () => {
  const put = async (key: string, headers: Record<string, string>) => {
    const response = await testApp(world().tenancy).app.request(`/clients/${key}`, { method: 'PUT', headers })
    return response.status
  }
  const schemas = async (key: string) => {
    const { rows } = await world().root.query(
      'select relname from pg_class where relnamespace = to_regnamespace($1) order by 1',
      [`c_${key}`],
    )
    return rows.map(({ relname }) => relname)
  }

  it('has its tables at once, and keeps what is in them', async () => {
    expect(await put('pied-piper', asSite('acme'))).toBe(201)
    expect(await schemas('pied-piper')).toEqual(expect.arrayContaining(['app_settings', 'note_log', 'notes']))
    await world().tenancy.query('pied-piper', `insert into notes (body) values ('kept')`)
    expect(await put('pied-piper', asSite('acme'))).toBe(200)
    expect(await answerTo(asSite('pied-piper'))).toBe('200 kept')
  })

  it("is made by nobody but the site's own server", async () => {
    expect(await put('aviato', {})).toBe(401)
    expect(await put('aviato', asUser('acme'))).toBe(401)
    expect(await put('aviato', { 'X-Client-Key': 'aviato' })).toBe(401)
    expect(await schemas('aviato')).toEqual([])
  })

  it('needs a key that is one', async () => {
    for (const key of ['AVIATO', 'a%22b', 'x'.repeat(62)]) expect(await put(key, asSite('acme'))).toBe(400)
  })
})

describe('the log', () => {
  it('says whose request it was, by the declared path, and nothing anybody sent', async () => {
    const { logged, response } = await ask(
      { ...asUser('acme'), 'X-Secret': 's3cret' },
      {
        url: 'http://acme.localhost/notes?limit=5&cursor=77',
      },
    )
    expect(logged).toEqual([
      {
        level: 'info',
        message: 'request',
        requestId: response.headers.get('x-request-id'),
        tenantId: 'acme',
        actor: { type: 'user', id: 'user-of-acme' },
        method: 'GET',
        path: '/notes',
        status: 200,
        latency_ms: expect.any(Number),
      },
    ])
    expect(logged[0]).toHaveProperty('requestId', expect.stringMatching(/^[0-9a-f-]{36}$/))
  })

  it('says so of refusals and of paths that are not there', async () => {
    const missing = await ask(asSite('acme'), { url: 'http://localhost/notes/12345' })
    expect(missing.logged).toMatchObject([{ path: '/notes/:id', status: 404, tenantId: 'acme' }])
    const stranger = await ask({}, { url: 'http://localhost/s3cret' })
    expect(stranger.logged).toMatchObject([{ status: 404, tenantId: null, actor: null }])
    expect(JSON.stringify([missing.logged, stranger.logged])).not.toMatch(/12345|s3cret/)
    const refused = await ask({ Authorization: `Bearer ${tokens.acme}x` })
    expect(refused.logged).toMatchObject([{ path: '/notes/*', status: 401, tenantId: null }])
    expect(JSON.stringify(refused.logged)).not.toContain(tokens.acme)
  })
})
