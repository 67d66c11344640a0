import { type EventEmitter, once } from 'node:events'
import { parseTenantKey } from '@org/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../support/world.ts'
import { ADAPTERS, type Client, useHttpWorld } from './http-world.ts'
import { meeting } from './routes.ts'

const http = useHttpWorld()

describe.each(ADAPTERS)('%s, one scope for each request', (name, how) => {
  let client: Client
  beforeEach(async () => {
    client = await http.serve(how, { scope: 'request' })
  })

  it('has committed when the answer arrives', async () => {
    for (let n = 0; n < 20; n++) {
      expect((await client.add('acme', 'add', `n${n}`)).status).toBe(201)
      expect(await http.notes('acme')).toHaveLength(n + 1)
    }
  })

  it.each([200, 204, 303])('commits when it answers %i', async (status) => {
    const body = JSON.stringify({ text: 'kept', status })
    const response = await client.call('acme', 'addThen', {
      method: 'POST',
      body,
      redirect: 'manual',
      headers: { 'content-type': 'text/plain' },
    })
    expect(response.status).toBe(status)
    expect(await http.notes('acme')).toEqual(['kept'])
  })

  it.each([400, 404, 409, 500, 503])(
    'rolls back when it answers %i, with that very answer',
    async (status) => {
      const response = await client.add('acme', 'addThen', JSON.stringify({ text: 'gone', status }))
      expect([response.status, await response.json()]).toEqual([status, 'as told'])
      expect(await http.notes('acme')).toEqual([])
    },
  )

  it('rolls back when the handler throws', async () => {
    const response = await client.add('acme', 'addThenThrow', 'gone')
    expect(await response.json()).toMatchObject({ error: { code: 'INTERNAL_ERROR' } })
    expect(await http.notes('acme')).toEqual([])
  })

  it('takes all its transactions back together', async () => {
    expect((await client.add('acme', 'twoTransactions', 'n')).status).toBe(500)
    expect(await http.notes('acme')).toEqual([])
  })

  it('answers a failed COMMIT with an error, and with nothing the handler had prepared', async () => {
    const response = await client.add('acme', 'orphan', 'lost')
    expect([response.status, await response.json()]).toMatchObject([409, { error: { code: 'CONFLICT' } }])
    expect(response.headers.get('set-cookie')).toBeNull()
    expect(response.headers.get('location')).toBeNull()
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(await http.notes('acme')).toEqual([])
  })

  it.each(['addThenSwallow', 'addNotAwaited'])('does not believe %s, which says 200', async (route) => {
    const response = await client.add('acme', route, 'gone')
    expect([response.status, await response.json()]).toMatchObject([
      500,
      { error: { code: 'INTERNAL_ERROR' } },
    ])
    expect(await http.notes('acme')).toEqual([])
    expect(http.errors).toHaveLength(1)
  })

  it('rolls back when the client goes away', async () => {
    const gone = new AbortController()
    const hangs = once(meeting, 'hangs')
    const call = client
      .call('acme', 'addThenHang', {
        method: 'POST',
        body: 'gone',
        headers: { 'content-type': 'text/plain' },
        signal: gone.signal,
      })
      .catch(() => 'gone')
    await hangs
    gone.abort()
    expect(await call).toBe('gone')
    await eventually(async () => {
      const { rows } = await http.world.root.query(
        "select 1 from pg_stat_activity where state like 'idle in transaction%' and datname = current_database()",
      )
      return rows.length === 0
    })
    expect(await http.notes('acme')).toEqual([])
    await eventually(() => http.lines.length === 1)
    expect(http.lines).toMatchObject([{ status: 499, error: { code: 'ABORTED' } }])
  })

  // Web handlers have a signal that stays aborted.
  it.skipIf(name === 'Hono' || name === 'Web')(
    'does nothing for a client that goes away while it is asked whose the request is',
    async () => {
      const gone = new AbortController()
      const { call } = await http.serve(how, {
        scope: 'request',
        resolve: async ({ socket }) => {
          gone.abort()
          await once(socket as unknown as EventEmitter, 'close')
          await new Promise(setImmediate)
          return { tenant: parseTenantKey('acme'), actor: { type: 'user', id: 'u1' }, source: 'claim' }
        },
      })
      expect(await call('acme', 'add', { signal: gone.signal }).catch(() => 'gone')).toBe('gone')
      await eventually(() => http.lines.length === 1)
      expect(http.lines).toMatchObject([{ status: 499, error: { code: 'ABORTED' } }])
      // Time enough for what would have been done.
      for (const body of ['1', '2', '3']) expect((await client.add('acme', 'add', body)).status).toBe(201)
      expect(await http.notes('acme')).toEqual(['1', '2', '3'])
    },
  )

  it('keeps interleaved requests of two tenants apart', async () => {
    const tenants = ['acme', 'globex', 'acme', 'globex', 'acme', 'globex']
    let arrived = 0
    const all = new Promise<void>((done) => {
      meeting.on('arrived', () => ++arrived === tenants.length && done())
    })
    const answers = tenants.map((tenant) => client.call(tenant, 'who'))
    await all
    meeting.removeAllListeners('arrived').emit('go')
    for (const [at, tenant] of tenants.entries()) {
      const { says, schema } = (await (await answers[at]!).json()) as Record<string, string>
      expect([...new Set(says)].sort()).toEqual([tenant, `${tenant}-user`])
      expect(schema).toBe(`c_${tenant}`)
    }
  })

  it('refuses a suspended tenant even when the handler asks nothing of it', async () => {
    expect((await client.call('globex', 'list')).status).toBe(200)
    await http.tenancy().suspend('globex')
    try {
      expect((await client.call('globex', 'list')).status).toBe(403)
    } finally {
      await http.tenancy().resume('globex')
    }
  })

  if (name === 'Express') {
    it('sends an answer written in pieces whole, with its status and headers', async () => {
      const response = await client.add('acme', 'pieces', 'kept')
      expect([response.status, response.statusText, await response.text()]).toEqual([201, 'Made', 'abç'])
      expect(response.headers.get('x-made')).toBe('yes')
      expect(response.headers.get('content-length')).toBe('4')
      expect(await http.notes('acme')).toEqual(['kept'])
    })

    it('keeps a complete answer when the handler fails behind it: what it said is committed', async () => {
      const response = await client.add('acme', 'endThenThrow', 'kept')
      expect([response.status, await response.json()]).toEqual([200, 'done'])
      expect(await http.notes('acme')).toEqual(['kept'])
      expect(http.errors).toHaveLength(1)
    })

    it('refuses to hold an endless answer, and commits nothing of it', async () => {
      const response = await client.add('acme', 'huge', 'gone')
      expect([response.status, await response.json()]).toMatchObject([
        500,
        { error: { code: 'INTERNAL_ERROR' } },
      ])
      expect(await http.notes('acme')).toEqual([])
    })

    it('takes back nothing before the client could have seen it: half an answer is an error', async () => {
      const response = await client.call('acme', 'half')
      expect([response.status, await response.json()]).toMatchObject([
        500,
        { error: { code: 'INTERNAL_ERROR' } },
      ])
    })
  }
})
