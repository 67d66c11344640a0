import { describe, expect, it } from 'vitest'
import { openWorker } from '../src/hub/worker.ts'
import { person, refusal } from './support/people.ts'
import { useWorld } from './support/world.ts'

const world = useWorld()
/** What comes round, now. What is sealed and added up waits for transactions that run anywhere in the server: it is asked again. */
async function turn(): Promise<void> {
  await world.root.query('update governance.job set next_at = now()')
  await openWorker(world.hub).drain()
}

describe('the audit log', () => {
  it('is narrowed by whoever, whatever and whenever, and read page by page', { tags: 'slow' }, async () => {
    const acme = await world.onboard('acme')
    const get = (query: string) => world.send('GET', `/v1/audit-logs?${query}`, { token: acme.token })
    const began = new Date().toISOString()
    const bo = await person(world, acme, 'bo')
    for (const name of ['One', 'Two', 'Three']) {
      await world.send('POST', '/v1/groups', { token: acme.token, body: { name } })
    }
    const groups = await get('entityType=group&action=identity.groups.create')
    expect(groups.body.data).toHaveLength(3)
    expect(groups.body.data[0]).toMatchObject({
      actor: { type: 'user', id: acme.adminId },
      entity: { type: 'group', id: expect.any(String) },
      changes: { name: { to: 'Three' } },
    })
    expect((await get(`entityId=${bo.id}&action=identity.users.create`)).body.data).toHaveLength(1)
    expect(
      (await get(`actor=${acme.adminId}&createdAtTo=${began}&action=identity.groups.create`)).body.data,
    ).toEqual([])
    expect((await get(`requestId=${groups.body.data[0].requestId}`)).body.data).toHaveLength(1)
    const paged: unknown[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await get(
        `limit=1&entityType=group&${cursor === '' ? '' : `cursor=${encodeURIComponent(cursor)}`}`,
      )
      paged.push(...body.data)
      cursor = body.meta.nextCursor
    }
    expect(paged).toEqual((await get('entityType=group')).body.data)
    expect((await get('include=personal')).text).toContain('127.0.0.1')
    const all = (await get('limit=200')).text
    expect(all, 'no address of a person').not.toMatch(/bo@acme|127\.0\.0\.1/)
    expect(refusal(await world.send('GET', '/v1/audit-logs', { token: bo.token }))).toEqual([
      403,
      'FORBIDDEN_ACTION',
    ])
  })

  it('is its tenant’s: another sees nothing of it, and operators see both', async () => {
    const [one, two] = [await world.onboard('one'), await world.onboard('two')]
    await world.send('POST', '/v1/groups', { token: one.token, body: { name: 'Secretive' } })
    const own = await world.send('GET', '/v1/audit-logs?limit=200', { token: two.token })
    expect(own.text).not.toContain('Secretive')
    expect(refusal(await world.send('GET', '/v1/tenants/one/audit-logs', { token: two.token }))[0]).toBe(403)
    const seen = await world.send('GET', '/v1/tenants/one/audit-logs?entityType=group', {
      token: world.operator,
    })
    expect(seen.body.data).toMatchObject([{ changes: { name: { to: 'Secretive' } } }])
  })

  it('is sealed by the worker, and shows an end that was cut off against a head that was kept elsewhere', {
    tags: 'slow',
  }, async () => {
    const { token } = await world.onboard('sealed')
    const verify = (query = '') => world.send('GET', `/v1/audit-logs/verification${query}`, { token })
    const unsealed = async () => {
      await turn()
      return (await verify()).body.data.unsealed
    }
    await expect.poll(unsealed).toBe(0)
    const { head, ok } = (await verify()).body.data
    expect([ok, head.number]).toEqual([true, expect.any(Number)])
    await world.root.query(`delete from governance.audit_log where tenant = 'sealed'`)
    await world.root.query(`delete from governance.audit_seal where tenant = 'sealed'`)
    expect((await verify()).body.data.ok, 'nothing left that could show it').toBe(true)
    const kept = (await verify(`?number=${head.number}&digest=${head.digest}`)).body.data
    expect(kept).toMatchObject({ ok: false, faults: [{ kind: 'head_missing' }] })
  })

  it.each([
    ['createdAtFrom=yesterday', 'createdAtFrom'],
    ['createdAtTo=2026-13-01T00:00:00Z', 'createdAtTo'],
    ['createdAtTo=0000-01-01T00:00:00Z', 'createdAtTo'],
    ['actorType=robot', 'actorType'],
    ['limit=201', 'limit'],
    ['cursor=nonsense', 'cursor'],
    ['include=everything', 'include'],
    ['tenantId=platform', 'tenantId'],
  ])('refuses %s by the name of the field', async (query, field) => {
    const answer = await world.send('GET', `/v1/audit-logs?${query}`, { token: world.operator })
    expect(refusal(answer)).toEqual([400, 'VALIDATION_ERROR'])
    expect(String(answer.body.error.details.field).split('.').at(-1)).toBe(field)
  })
})

describe('usage', () => {
  it('says what was done how often, and what of the plan is used', async () => {
    const { token } = await world.onboard('busy')
    const get = (path: string) => world.send('GET', path, { token })
    for (const name of ['One', 'Two']) await world.send('POST', '/v1/groups', { token, body: { name } })
    const counted = async () => {
      await turn()
      return (await get('/v1/usage?period=month&action=identity.groups.create')).body.data[0]?.count
    }
    await expect.poll(counted).toBe(2)
    const days = (await get('/v1/usage?period=day')).body.data
    expect(days.map(({ action }: { action: string }) => action)).toContain('identity.groups.create')
    const quotas = (await get('/v1/usage/quotas')).body.data
    expect(quotas).toEqual([
      { resource: 'users', used: 1, limit: 25 },
      { resource: 'storage_gb', used: 0, limit: 5 },
      { resource: 'api_calls', used: expect.any(Number), limit: 100_000 },
    ])
    const seen = await world.send('GET', '/v1/tenants/busy/usage', { token: world.operator })
    expect(seen.body.data).toEqual((await get('/v1/usage')).body.data)
    expect(refusal(await get('/v1/tenants/busy/usage'))).toEqual([403, 'FORBIDDEN_ACTION'])
  })

  it.each([
    ['period=year', 'period'],
    ['from=yesterday', 'from'],
    ['to=2026-02-30T00:00:00Z', 'to'],
    ['limit=1001', 'limit'],
    ['cursor=nonsense', 'cursor'],
    ['action=No', 'action'],
  ])('refuses %s by the name of the field', async (query, field) => {
    const answer = await world.send('GET', `/v1/usage?${query}`, { token: world.operator })
    expect(refusal(answer)).toEqual([400, 'VALIDATION_ERROR'])
    expect(String(answer.body.error.details.field).split('.').at(-1)).toBe(field)
  })

  it('of the API ends with the plan, to the call, and goes on when there is more', async () => {
    const { token, slug } = await world.onboard('chatty')
    const calls = (most: number | null) =>
      world.send('PUT', `/v1/tenants/${slug}/limits`, {
        token: world.operator,
        body: { limits: { max_api_calls: most } },
      })
    expect((await calls(5)).status).toBe(200)
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => world.send('GET', '/v1/me', { token })),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5)
    const refused = answers.find(({ status }) => status !== 200)
    expect(refused && refusal(refused)).toEqual([429, 'RATE_LIMITED'])
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await calls(100)).status).toBe(200)
    const open = async () => (await world.send('GET', '/v1/me', { token })).status
    await expect.poll(open).toBe(200)
  })
})

describe('an Idempotency-Key', () => {
  it('answers the same, for the same request of the same principal, and a secret never twice', async () => {
    const [one, two] = [await world.onboard('once'), await world.onboard('twice')]
    const bo = await person(world, one, 'bo')
    const headers = { 'Idempotency-Key': 'k-1' }
    const invite = (token: string, name = 'Cy') =>
      world.send('POST', '/v1/users', { token, headers, body: { email: 'cy@once.example', name } })
    const [first, again] = [await invite(one.token), await invite(one.token)]
    expect([first.status, again.status, again.headers.get('idempotency-replayed')]).toEqual([
      201,
      201,
      'true',
    ])
    expect(first.body.data.invitation.token).toEqual(expect.any(String))
    expect(again.body).toEqual({ data: { id: first.body.data.user.id } })
    expect(refusal(await invite(one.token, 'Other'))).toEqual([422, 'IDEMPOTENCY_KEY_REUSED'])
    expect((await invite(two.token)).headers.get('idempotency-replayed'), 'of another tenant').toBeNull()
    expect(refusal(await invite(bo.token)), 'of another principal').toEqual([403, 'FORBIDDEN_ACTION'])
    const { rows } = await world.root.query('select t::text as row from c_once.idempotency_key t')
    expect(JSON.stringify(rows)).not.toContain(first.body.data.invitation.token)
    const entries = await world.send('GET', '/v1/audit-logs?action=identity.users.create', {
      token: one.token,
    })
    expect(entries.body.data, 'bo and cy, once each').toHaveLength(2)
  })

  it.each(['', ' ', 'x'.repeat(256), 'ключ'.normalize('NFC').replace(/./gu, '\u00e9')])(
    'that is none is refused by its name: %j',
    async (key) => {
      const headers = { 'Idempotency-Key': key }
      const body = { key: 'nokey', name: 'None' }
      const answer = await world.send('POST', '/v1/catalog/tools', { token: world.operator, headers, body })
      expect(refusal(answer)).toEqual([400, 'VALIDATION_ERROR'])
      expect(answer.body.error.details.field).toMatch(/idempotency-key/i)
    },
  )
})

describe('too many requests', () => {
  const few = useWorld({ RATE_LIMIT_LOGIN: '6', RATE_LIMIT_WRITE: '4', RATE_LIMIT_READ: '50' })

  it('are refused by category, with when to come again; whoever reads goes on, and so does the neighbour', async () => {
    const send = (path: string) => few.send('POST', path, { token: few.operator, body: {} })
    const answers = [
      await send('/v1/groups'),
      await send('/v1/groups'),
      await send('/v1/groups'),
      await send('/v1/groups'),
      await send('/v1/groups'),
    ]
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400, 429])
    const last = answers.at(-1)
    expect(last?.body.error.code).toBe('RATE_LIMITED')
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(last?.headers.get('ratelimit-policy')).toContain('write')
    expect((await few.send('GET', '/v1/me', { token: few.operator })).status).toBe(200)
    const login = () =>
      few.send('POST', '/v1/auth/login', {
        tenant: 'platform',
        body: { email: 'a@b.example', password: 'wrong' },
      })
    const statuses: number[] = []
    for (let n = 0; n < 8; n++) statuses.push((await login()).status)
    expect(statuses).toContain(401)
    expect(statuses.at(-1)).toBe(429)
  })
})
