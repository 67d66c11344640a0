// @module-tag slow: e2e.test.ts signs in, makes groups and keys and suspends; logins, keys, tenants and records have files of their own in the default set.
import { afterAll, describe, expect, it } from 'vitest'
import { openWorker } from '../src/hub/worker.ts'
import { refusal } from './support/people.ts'
import { isSigned, startReceiver } from './support/receiver.ts'
import { useWorld } from './support/world.ts'

const receiver = await startReceiver(({ path }) => (path === '/down' ? 500 : 204))
afterAll(() => receiver.close())
const world = useWorld({
  WEBHOOK_ADDRESSES: '127.0.0.1',
  WEBHOOK_PORTS: `443,${receiver.port}`,
  WEBHOOK_HTTP: 'yes',
})

const at = (path: string) => `http://127.0.0.1:${receiver.port}${path}`
const drain = () => openWorker(world.hub, { retry: { retries: 1, delays: [0] } }).drain()
const sentTo = (path: string) => receiver.received.filter((one) => one.path === path)
const audited = async (tenant: string) =>
  (
    await world.root.query<{ action: string }>(
      `select action from governance.audit_log where tenant = $1 and action like 'account.webhooks.%' order by created_at`,
      [tenant],
    )
  ).rows.map(({ action }) => action)

describe('what is refused', () => {
  const url = 'https://example.com/hook'
  const events = ['user.created']
  const someId = '00000000-0000-4000-8000-000000000000'
  it.each<[string, string, string, unknown, string]>([
    ['an unknown event type', 'POST', '/v1/webhooks', { url, events: ['user.exploded'] }, 'events'],
    [
      'an event type of another profile',
      'POST',
      '/v1/webhooks',
      { url, events: ['group.created'] },
      'events',
    ],
    [
      'the type of deliveries themselves',
      'POST',
      '/v1/webhooks',
      { url, events: ['webhook.delivery'] },
      'events',
    ],
    ['a malformed event type', 'POST', '/v1/webhooks', { url, events: ['User Created'] }, 'events'],
    ['no event types', 'POST', '/v1/webhooks', { url, events: [] }, 'events'],
    ['a malformed URL', 'POST', '/v1/webhooks', { url: 'not an address', events }, 'url'],
    ['another scheme', 'POST', '/v1/webhooks', { url: 'ftp://example.com/', events }, 'url'],
    ['a password in the URL', 'POST', '/v1/webhooks', { url: 'https://a:b@example.com/', events }, 'url'],
    ['a metadata address', 'POST', '/v1/webhooks', { url: 'https://169.254.169.254/latest', events }, 'url'],
    ['a private address', 'POST', '/v1/webhooks', { url: 'https://10.0.0.1/', events }, 'url'],
    ['an address as one number', 'POST', '/v1/webhooks', { url: 'https://2852039166/', events }, 'url'],
    [
      'a private address in IPv6',
      'POST',
      '/v1/webhooks',
      { url: 'https://[::ffff:10.0.0.1]/', events },
      'url',
    ],
    ['another port', 'POST', '/v1/webhooks', { url: 'https://example.com:22/', events }, 'url'],
    [
      'a URL that is too long',
      'POST',
      '/v1/webhooks',
      { url: `https://example.com/${'a'.repeat(2_000)}`, events },
      'url',
    ],
    ['half a character', 'POST', '/v1/webhooks', { url, events, description: 'x\ud800' }, 'description'],
    ['a tenant', 'POST', '/v1/webhooks', { url, events, tenantId: 'globex' }, 'tenantId'],
    [
      'an overlap out of range',
      'POST',
      `/v1/webhooks/${someId}/secret`,
      { overlapSeconds: -1 },
      'overlapSeconds',
    ],
    ['an unknown status', 'PATCH', `/v1/webhooks/${someId}`, { status: 'asleep' }, 'status'],
    ['a malformed id', 'POST', '/v1/webhooks/7/test', undefined, 'id'],
    ['an unknown status of deliveries', 'GET', '/v1/webhooks/deliveries?status=lost', undefined, 'status'],
    ['a cursor that nobody gave out', 'GET', '/v1/webhooks/deliveries?cursor=x', undefined, 'cursor'],
    ['a limit out of range', 'GET', '/v1/webhooks/deliveries?limit=0', undefined, 'limit'],
  ])('%s, by the name of the field', async (_what, method, path, body, field) => {
    acme ??= await world.onboard('acme')
    const answer = await world.send(method, path, { token: acme.token, body })
    expect(refusal(answer)).toEqual([400, 'VALIDATION_ERROR'])
    expect(String(answer.body.error.details.field).split('.')).toContain(field)
    expect(answer.text).not.toMatch(/exploded|169\.254|10\.0\.0|globex|example\.com/)
    const { rows } = await world.root.query('select from c_acme.webhook_endpoint')
    expect([rows.length, await audited('acme')], 'nothing is half-recorded').toEqual([0, []])
  })

  it('a body that is too large', async () => {
    acme ??= await world.onboard('acme')
    const body = { url, events, description: 'x'.repeat(70_000) }
    const answer = await world.send('POST', '/v1/webhooks', { token: acme.token, body })
    expect(refusal(answer)).toEqual([400, 'VALIDATION_ERROR'])
    expect(answer.body.error.details).toEqual({ field: 'body', reason: 'too_large' })
  })
})

let acme: Awaited<ReturnType<typeof world.onboard>> | undefined

describe('a webhook', () => {
  it('is made, told, changed, given another secret and forgotten; its secret is shown once', async () => {
    const { token, slug } = await world.onboard('hooked')
    const ask = (method: string, path: string, body?: unknown) => world.send(method, path, { token, body })
    const made = await ask('POST', '/v1/webhooks', { url: at('/hook'), events: ['user.created'] })
    expect(made.status).toBe(201)
    const { webhook, secret } = made.body.data
    expect((await ask('GET', '/v1/webhooks')).body.data).toEqual([webhook])
    expect((await ask('GET', '/v1/webhooks')).text).not.toContain(secret)

    await ask('POST', '/v1/users', { email: 'bo@hooked.example', name: 'Bo' })
    await drain()
    const [first] = sentTo('/hook')
    expect(first && [isSigned(first, secret), JSON.parse(first.body)]).toMatchObject([
      true,
      { type: 'user.created', data: { version: 1 } },
    ])
    expect(first?.body, 'ids, never people').not.toContain('bo@')

    const rotated = await ask('POST', `/v1/webhooks/${webhook.id}/secret`, { overlapSeconds: 3_600 })
    const tested = await ask('POST', `/v1/webhooks/${webhook.id}/test`)
    expect([rotated.status, tested.status]).toEqual([200, 202])
    await drain()
    const [, test] = sentTo('/hook')
    expect(test && [isSigned(test, secret), isSigned(test, rotated.body.data.secret)]).toEqual([true, true])

    const changed = await ask('PATCH', `/v1/webhooks/${webhook.id}`, { status: 'suspended', reason: 'Quiet' })
    expect(changed.body.data).toMatchObject({ status: 'suspended', suspendedReason: 'Quiet' })
    await ask('POST', '/v1/users', { email: 'cy@hooked.example', name: 'Cy' })
    await drain()
    expect(sentTo('/hook')).toHaveLength(2)

    const deliveries = await ask('GET', '/v1/webhooks/deliveries?status=delivered')
    expect(deliveries.body.data.map(({ type }: { type: string }) => type)).toEqual([
      'webhook.test',
      'user.created',
    ])
    expect((await ask('DELETE', `/v1/webhooks/${webhook.id}`)).status).toBe(204)
    expect(refusal(await ask('POST', `/v1/webhooks/${webhook.id}/test`))).toEqual([404, 'NOT_FOUND'])
    expect(await audited(slug)).toEqual(
      ['create', 'update', 'update', 'update', 'update'].map((verb) => `account.webhooks.${verb}`),
    )
    const { rows } = await world.root.query(
      'select from governance.audit_log where tenant = $1 and position($2 in audit_log::text) > 0',
      [slug, secret],
    )
    expect(rows).toEqual([])
  })

  it('that is down becomes a dead letter, seen and driven again by operators, and delivered when it is sent again', async () => {
    const { token, slug } = await world.onboard('downtown')
    const operator = (method: string, path: string, body?: unknown) =>
      world.send(method, path, { token: world.operator, body })
    const { webhook } = (
      await world.send('POST', '/v1/webhooks', {
        token,
        body: { url: at('/down'), events: ['user.created'] },
      })
    ).body.data
    await drain()
    await world.send('POST', '/v1/users', { token, body: { email: 'bo@downtown.example', name: 'Bo' } })
    await drain()
    const letters = await operator('GET', `/v1/dead-letters?tenant=${slug}`)
    expect(letters.body.data).toMatchObject([
      { tenant: slug, type: 'webhook.delivery', reason: 'HTTP_500', attempts: 2 },
    ])
    expect(letters.text).not.toMatch(/payload/)
    const failed = await operator('GET', `/v1/tenants/${slug}/deliveries?status=failed`)
    expect(failed.body.data).toMatchObject([{ endpointId: webhook.id, responseStatus: 500, attempts: 2 }])
    expect((await operator('GET', '/v1/queue')).body.data).toMatchObject({ dead: 1, ready: 0, stuck: 0 })

    const { number } = letters.body.data[0]
    const redriven = await operator('POST', '/v1/dead-letters/redrive', { numbers: [number] })
    expect(redriven.body.data).toEqual({ count: 1 })
    await drain()
    expect((await operator('GET', `/v1/dead-letters?tenant=${slug}`)).body.data).toHaveLength(1)

    await world.send('PATCH', `/v1/webhooks/${webhook.id}`, { token, body: { url: at('/up') } })
    const again = await operator('POST', `/v1/tenants/${slug}/deliveries/${failed.body.data[0].id}/redeliver`)
    expect(again.status).toBe(202)
    await drain()
    expect(sentTo('/up').map(({ headers }) => headers['webhook-id'])).toEqual([failed.body.data[0].messageId])
    expect((await operator('POST', '/v1/dead-letters/discard', { tenant: slug })).body.data).toEqual({
      count: 1,
    })
    const own = await world.send('GET', '/v1/audit-logs?action=platform.queue.update', { token })
    expect(own.body.data, 'the tenant sees what operators sent again').toMatchObject([
      { actor: { type: 'operator' }, metadata: { again: true } },
      { actor: { type: 'operator' }, metadata: { begun: true } },
    ])
  })

  it.each([
    ['nothing that says which', {}, 'numbers'],
    ['a number that is none', { numbers: ['x'] }, 'numbers'],
    ['a malformed type', { type: 'No Type' }, 'type'],
    ['a malformed tenant', { tenant: 'No Tenant' }, 'tenant'],
  ])('dead letters are not driven again for %s', async (_what, body, field) => {
    for (const path of ['/v1/dead-letters/redrive', '/v1/dead-letters/discard']) {
      const answer = await world.send('POST', path, { token: world.operator, body })
      expect(refusal(answer)).toEqual([400, 'VALIDATION_ERROR'])
      expect(String(answer.body.error.details.field).split('.')).toContain(field)
    }
  })

  it('is of its tenant: nobody else reads, changes, tests or is told anything of it', async () => {
    const [one, two] = [await world.onboard('first'), await world.onboard('second')]
    const { webhook } = (
      await world.send('POST', '/v1/webhooks', {
        token: one.token,
        body: { url: at('/first'), events: ['user.created'] },
      })
    ).body.data
    const other = (method: string, path: string, body?: unknown) =>
      world.send(method, path, { token: two.token, body })
    expect((await other('GET', '/v1/webhooks')).body.data).toEqual([])
    for (const [method, path, body] of [
      ['PATCH', '', { status: 'suspended' }],
      ['DELETE', '', undefined],
      ['POST', '/secret', {}],
      ['POST', '/test', undefined],
    ] as const) {
      expect(refusal(await other(method, `/v1/webhooks/${webhook.id}${path}`, body))).toEqual([
        404,
        'NOT_FOUND',
      ])
    }
    await drain()
    await other('POST', '/v1/users', { email: 'bo@second.example', name: 'Bo' })
    await drain()
    expect(sentTo('/first')).toEqual([])
    for (const path of ['/v1/queue', '/v1/dead-letters', '/v1/tenants/first/deliveries']) {
      expect(refusal(await other('GET', path)), path).toEqual([403, 'FORBIDDEN_ACTION'])
    }
  })

  it('can ask for the events of the profile in force, each with its version and schema', async () => {
    const { token } = await world.onboard('typed')
    const { body } = await world.send('GET', '/v1/webhooks/event-types', { token })
    expect(body.data.map(({ type }: { type: string }) => type)).toEqual([
      'tenant.created',
      'tenant.package.assigned',
      'user.created',
      'user.updated',
      'group.permission.changed',
      'api_key.revoked',
    ])
    for (const { version, schema } of body.data) {
      expect([version, schema.type, schema.additionalProperties]).toEqual([1, 'object', false])
    }
  })
})
