import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { createApp } from '../src/app.ts'
import { asSite, testApp, useTenancy } from './support/world.ts'

interface Note {
  id: number
  body: string
  published: boolean
  createdAt: string
}

interface Body {
  data?: unknown
  meta?: { nextCursor: string | null; hasMore: boolean }
  error?: { code: string; message: string; details?: unknown; requestId: string }
}

const world = useTenancy(['acme', 'globex'])
let app: ReturnType<typeof createApp>

beforeAll(() => {
  app = testApp(world().tenancy).app
})

beforeEach(async () => {
  for (const tenant of ['acme', 'globex'])
    await world().root.query(`truncate c_${tenant}.notes, c_${tenant}.note_log restart identity`)
})

async function send(tenant: string, path: string, init: RequestInit = {}) {
  const json = init.body === undefined ? {} : { 'Content-Type': 'application/json' }
  const headers = { ...asSite(tenant), ...json, ...(init.headers as Record<string, string>) }
  const response = await app.request(path, { ...init, headers })
  const text = await response.text()
  return { response, status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Body }
}

const post = (tenant: string, body: unknown) =>
  send(tenant, '/notes', { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })

const bodiesOf = ({ body }: { body: Body }) => (body.data as Note[]).map((note) => note.body)

describe('notes', () => {
  it('creates a note and says where it is', async () => {
    const { status, response, body } = await post('acme', { body: 'héllo' })
    expect(status).toBe(201)
    expect(response.headers.get('location')).toBe('/notes/1')
    expect(body).toEqual({
      data: { id: 1, body: 'héllo', published: false, createdAt: expect.stringMatching(/^\d{4}-.+Z$/) },
    })
    expect((await send('acme', '/notes/1')).body).toEqual(body)
  })

  it('stores what it was sent or nothing', async () => {
    for (const text of ['nul \0', 'half \ud800']) {
      const { status, body } = await post('acme', { body: text })
      expect([status, body.error?.code]).toEqual([400, 'VALIDATION_ERROR'])
    }
    expect((await post('acme', { body: 'whole \u{1f600}' })).status).toBe(201)
  })

  it('lets no cache keep an answer', async () => {
    await post('acme', { body: 'one' })
    for (const path of ['/notes', '/notes/1', '/settings', '/notes/9'])
      expect((await send('acme', path)).response.headers.get('cache-control'), path).toBe('no-store')
  })

  it('keeps two tenants with the same ids apart', async () => {
    await post('acme', { body: 'of acme' })
    await post('globex', { body: 'of globex' })
    expect((await send('acme', '/notes/1')).body.data).toMatchObject({ id: 1, body: 'of acme' })
    expect((await send('globex', '/notes/1')).body.data).toMatchObject({ id: 1, body: 'of globex' })
    expect((await send('acme', '/notes/1', { method: 'DELETE' })).status).toBe(204)
    expect((await send('acme', '/notes/1')).status).toBe(404)
    expect(bodiesOf(await send('globex', '/notes'))).toEqual(['of globex'])
  })

  it("does not find another tenant's note", async () => {
    await post('globex', { body: 'of globex' })
    for (const method of ['GET', 'DELETE']) {
      const { status, body } = await send('acme', '/notes/1', { method })
      expect([status, body.error?.code]).toEqual([404, 'NOT_FOUND'])
    }
    expect(bodiesOf(await send('globex', '/notes'))).toEqual(['of globex'])
  })

  it('writes the log with the note, or neither', async () => {
    await post('acme', { body: 'one' })
    await send('acme', '/notes/1', { method: 'DELETE' })
    const { rows } = await world().root.query(
      'select note_id, action, actor from c_acme.note_log order by id',
    )
    expect(rows).toEqual([
      { note_id: '1', action: 'created', actor: 'service:site' },
      { note_id: '1', action: 'deleted', actor: 'service:site' },
    ])
    await world().root.query('alter table c_acme.note_log rename to elsewhere')
    const { status, body } = await post('acme', { body: 'two' })
    await world().root.query('alter table c_acme.elsewhere rename to note_log')
    expect([status, body.error?.code]).toEqual([500, 'DATABASE_ERROR'])
    expect(JSON.stringify(body)).not.toMatch(/note_log|insert|42P01/)
    expect(bodiesOf(await send('acme', '/notes'))).toEqual([])
  })

  it('takes what looks like SQL for the text it is', async () => {
    const body = `'); drop schema c_globex cascade; --`
    expect((await post('acme', { body })).body.data).toMatchObject({ body })
    expect(bodiesOf(await send('globex', '/notes'))).toEqual([])
  })
})

describe('paging', () => {
  it('goes through all notes once, newest first, also when new ones arrive meanwhile', async () => {
    for (const body of ['1', '2', '3', '4', '5']) await post('acme', { body })
    const first = await send('acme', '/notes?limit=2')
    expect([bodiesOf(first), first.body.meta?.hasMore]).toEqual([['5', '4'], true])
    await post('acme', { body: '6' })
    const second = await send('acme', `/notes?limit=2&cursor=${first.body.meta?.nextCursor}`)
    expect(bodiesOf(second)).toEqual(['3', '2'])
    const third = await send('acme', `/notes?limit=2&cursor=${second.body.meta?.nextCursor}`)
    expect([bodiesOf(third), third.body.meta]).toEqual([['1'], { nextCursor: null, hasMore: false }])
  })

  it('says there is no more when a page is exactly full', async () => {
    for (const body of ['1', '2']) await post('acme', { body })
    expect((await send('acme', '/notes?limit=2')).body.meta).toEqual({ nextCursor: null, hasMore: false })
  })

  it("shows only the reader's own rows to a cursor of another tenant", async () => {
    for (const body of ['1', '2', '3']) await post('globex', { body })
    await post('acme', { body: 'own' })
    const { nextCursor } = (await send('globex', '/notes?limit=1')).body.meta ?? {}
    expect(bodiesOf(await send('acme', `/notes?cursor=${nextCursor}`))).toEqual(['own'])
  })
})

describe('bad input', () => {
  it.each([
    ['GET', '/notes?limit=0', undefined, 'limit'],
    ['GET', '/notes?limit=101', undefined, 'limit'],
    ['GET', '/notes?limit=1.5', undefined, 'limit'],
    ['GET', '/notes?cursor=bm9wZQ', undefined, 'cursor'],
    ['GET', '/notes?cursor=', undefined, 'cursor'],
    ['GET', '/notes/0', undefined, 'id'],
    ['GET', '/notes/1%20or%201=1', undefined, 'id'],
    ['DELETE', '/notes/9999999999999999999', undefined, 'id'],
    ['POST', '/notes', 'null', 'json'],
    ['POST', '/notes', '{"body":""}', 'body'],
    ['POST', '/notes', '{"body":7}', 'body'],
    ['POST', '/notes', '{"body":"a","published":"yes"}', 'published'],
    ['POST', '/notes', '{"body":"a\\u0000b"}', 'body'],
    ['POST', '/notes', JSON.stringify({ body: 'x'.repeat(2_001) }), 'body'],
  ])('%s %s %s is refused for its %s', async (method, path, sent, field) => {
    const { status, body } = await send('acme', path, { method, ...(sent !== undefined && { body: sent }) })
    expect(status).toBe(400)
    expect(body.error).toMatchObject({ code: 'VALIDATION_ERROR', details: { field } })
    expect(bodiesOf(await send('acme', '/notes'))).toEqual([])
  })

  it('is refused when it is no JSON, or does not say that it is', async () => {
    for (const [body, type] of [
      ['{', 'application/json'],
      ['{"body":"a"}', 'text/plain'],
    ] as const) {
      const { status, body: answer } = await send('acme', '/notes', {
        method: 'POST',
        body,
        headers: { 'Content-Type': type },
      })
      expect([status, answer.error?.code]).toEqual([400, 'VALIDATION_ERROR'])
    }
    expect(bodiesOf(await send('acme', '/notes'))).toEqual([])
  })

  it('names no tenant, whatever it says', async () => {
    const { status } = await post('acme', { body: 'mine', tenant: 'globex', tenantId: 'globex' })
    expect(status).toBe(400)
    expect(bodiesOf(await send('globex', '/notes'))).toEqual([])
  })

  it('is not read at all beyond 64 KiB', async () => {
    const { status, body } = await post('acme', `{"body":"short"${' '.repeat(64 * 1024)}}`)
    expect([status, body.error?.code]).toEqual([400, 'VALIDATION_ERROR'])
    const setting = { method: 'PUT', body: `{"value":"short"${' '.repeat(64 * 1024)}}` }
    expect((await send('acme', '/settings/smtp.host', setting)).status).toBe(400)
  })

  it('takes the longest note and the largest id', async () => {
    expect((await post('acme', { body: '€'.repeat(2_000) })).status).toBe(201)
    expect((await send('acme', '/notes/9007199254740991')).status).toBe(404)
  })
})

describe('errors', () => {
  it("carry a request id of their own, not a stranger's", async () => {
    const made = await send('acme', '/notes/7', { headers: { 'X-Request-Id': 'req-1' } })
    expect(made.body.error?.requestId).toMatch(/^[0-9a-f-]{36}$/)
    expect(made.response.headers.get('x-request-id')).toBe(made.body.error?.requestId)
  })

  it.each([
    ['pt-BR,pt;q=0.9', 'Não encontrado.'],
    ['es', 'No encontrado.'],
    ['de', 'Not found.'],
  ])('speak %s', async (language, message) => {
    const { body } = await send('acme', '/notes/7', { headers: { 'Accept-Language': language } })
    expect(body.error?.message).toBe(message)
  })

  it('have the same shape where there is no route', async () => {
    for (const path of ['/nowhere', '/notes/1/more']) {
      const { status, body } = await send('acme', path)
      expect([status, body.error?.code]).toEqual([404, 'NOT_FOUND'])
    }
  })
})

describe('what anybody may read', () => {
  const visit = async (url: string, headers: Record<string, string> = {}) => {
    const response = await app.request(url, { headers })
    return { status: response.status, body: (await response.json()) as Body }
  }

  it("is a client's published notes, at its own address", async () => {
    await post('acme', { body: 'for all', published: true })
    await post('acme', { body: 'draft' })
    await post('globex', { body: 'of globex', published: true })
    const { status, body } = await visit('http://acme.localhost/public/notes')
    expect([status, body.data]).toEqual([200, [{ body: 'for all', createdAt: expect.any(String) }]])
  })

  it('is nothing where no address or a header alone says whose', async () => {
    expect((await visit('http://localhost/public/notes')).status).toBe(401)
    expect((await visit('http://localhost/public/notes', { 'X-Client-Key': 'acme' })).status).toBe(401)
  })

  it('does not open what is not public', async () => {
    for (const path of ['/notes', '/notes/1', '/settings'])
      expect((await visit(`http://acme.localhost${path}`)).status).toBe(401)
  })
})

it('is healthy without a tenant', async () => {
  const response = await app.request('/health')
  expect([response.status, await response.json()]).toEqual([200, { data: { status: 'ok' } }])
})
